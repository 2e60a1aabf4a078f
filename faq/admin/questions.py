"""Questions in the admin: the working copy with its points on one page, and the verbs of `publishing` as buttons."""

from functools import wraps

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import quote
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied, ValidationError
from django.forms.models import BaseInlineFormSet
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from taggit.forms import TagWidget

from faq import content as contents
from faq import diffing, publishing, wording
from faq.models import AnswerPoint, Note, Question

STATES = {
    "draft": ("Never public", lambda questions: questions.drafts()),
    "changed": ("Changed, not published", lambda questions: questions.changed()),
    "public": ("Public as it stands", lambda questions: questions.public().exclude(pk__in=questions.changed())),
    "withdrawn": ("Withdrawn", lambda questions: questions.withdrawn()),
}
CHECKS = {
    "no": ("Not checked", lambda questions: questions.public().unchecked()),
    "overdue": ("Overdue", lambda questions: questions.public().overdue()),
    "yes": ("Checked", lambda questions: questions.public().checked()),
}


class _ChoiceFilter(admin.SimpleListFilter):
    choices_by_value: dict

    def lookups(self, request, model_admin):
        return [(value, label) for value, (label, _) in self.choices_by_value.items()]

    def queryset(self, request, queryset):
        if self.value() in self.choices_by_value:
            return self.choices_by_value[self.value()][1](queryset)
        return queryset


class StateFilter(_ChoiceFilter):
    title, parameter_name, choices_by_value = "state", "state", STATES


class CheckFilter(_ChoiceFilter):
    title, parameter_name, choices_by_value = "check", "check", CHECKS


class ConflictFilter(admin.SimpleListFilter):
    title, parameter_name = "seed", "seed"

    def lookups(self, request, model_admin):
        return [("conflict", "Seed has another text")]

    def queryset(self, request, queryset):
        return queryset.exclude(seed_conflict="") if self.value() == "conflict" else queryset


class FindingsFilter(admin.SimpleListFilter):
    title, parameter_name = "wording", "wording"

    def lookups(self, request, model_admin):
        return [("findings", "With findings"), ("none", "Without")]

    def queryset(self, request, queryset):
        if self.value() == "findings":
            return queryset.filter(findings__gt=0)
        return queryset.filter(findings=0) if self.value() == "none" else queryset


class PointFormSet(BaseInlineFormSet):
    """Points keep the order of their place numbers; a point without one goes to the end."""

    def clean(self):
        super().clean()
        if any(self.errors):
            return
        kept = [form for form in self.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        last = max((form.cleaned_data["position"] or 0 for form in kept), default=0)
        for form in kept:
            if form.cleaned_data["position"] is None:
                last += 1
                form.instance.position = last


class PointForm(forms.ModelForm):
    position = forms.IntegerField(
        label="Place",
        required=False,
        min_value=0,
        max_value=100_000,
        widget=forms.NumberInput(attrs={"class": "vIntegerField"}),
    )

    class Meta:
        model = AnswerPoint
        fields = ["position", "kind", "depth", "numbering", "label", "text"]
        widgets = {"text": forms.Textarea(attrs={"rows": 4, "class": "vLargeTextField"})}


class PointInline(admin.StackedInline):
    model = AnswerPoint
    form = PointForm
    formset = PointFormSet
    extra = 0
    verbose_name = "point"
    verbose_name_plural = "Answer: points stand in the order of their places; an empty place means last"
    fields = [("position", "kind", "depth", "numbering"), "label", "text", "findings"]
    readonly_fields = ["findings"]

    @admin.display(description="wording")
    def findings(self, point):
        """What stands out in this point as it was saved."""
        question = point.question
        if not hasattr(question, "reviewed"):
            question.reviewed = wording.review(publishing.working_content(question))
        return _as_list([finding for finding in question.reviewed if finding.key == point.key])


def _as_list(findings):
    if not findings:
        return "–"
    rows = ((wording.KINDS[f.kind], f"“{f.quote}”" if f.quote else "", f.why) for f in findings)
    return format_html("<ul>{}</ul>", format_html_join("", "<li><strong>{}.</strong> {} {}</li>", rows))


STALE = (
    "Nothing was saved: somebody else saved this question after you had opened it. Your text is still in the form, and "
    "below you see what is different. Take over what you want to keep of theirs; then save again to replace it."
)


class QuestionForm(forms.ModelForm):
    """Refuses a save over somebody else's save: it carries what the editor saw when the page was opened."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    stale = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.instance.pk and "seen" in self.fields:
            self.initial["seen"] = publishing.fingerprint(self.instance)

    def clean(self):
        cleaned = super().clean()
        if self.instance.pk and "seen" in self.fields:
            # Held until the transaction of this request ends, so that two saves cannot both find it unchanged.
            Question.objects.select_for_update().get(pk=self.instance.pk)
            self.theirs = Question.objects.select_related("collection").get(pk=self.instance.pk)
            now = publishing.fingerprint(self.theirs)
            if cleaned.get("seen") != now:
                self.stale = True
                self.data = self.data.copy()
                self.data[self.add_prefix("seen")] = now  # saving once more is meant
                raise ValidationError(STALE)
        return cleaned

    def differences(self, formset):
        """Lines of `diffing.compare` from what is in the database now to what this form and its points say."""
        kept = [f for f in formset.forms if f.is_valid() and f.has_changed() | bool(f.instance.pk)]
        points = [f.instance for f in kept if not f.cleaned_data.get("DELETE")]
        points.sort(key=lambda point: (point.position is None, point.position))
        for place, point in enumerate(points, start=1):
            point.key = point.key or -place  # a new one has none yet
        mine = publishing.working_content(self.instance, points)
        return [line for line in diffing.compare(publishing.working_content(self.theirs), mine) if line.changed]


class PublishForm(forms.Form):
    note = forms.CharField(
        label="What changed",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="One or two sentences for readers. They stay in the answer's public history.",
    )
    same_meaning = forms.BooleanField(
        label="No change in meaning", required=False, help_text="Tick for corrections of spelling and style only."
    )


class WithdrawForm(forms.Form):
    because = forms.CharField(
        label="Why it is withdrawn",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
        help_text="Readers who come to the answer's address see this.",
    )


class CheckForm(forms.Form):
    comment = forms.CharField(
        label="What you compared",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
    )


class RestoreForm(forms.Form):
    edition = forms.IntegerField(label="Edition", min_value=1, max_value=1_000_000)


class SettleForm(forms.Form):
    pass


def verb(permission):
    """A page of the question admin that acts on one question: fetches it, and refuses who may not do this."""

    def decorate(view):
        @wraps(view)
        def guarded(self, request, pk):
            if not request.user.has_perm(permission):
                raise PermissionDenied
            question = get_object_or_404(Question.objects.select_related("collection", "live"), pk=pk)
            return view(self, request, question)

        return guarded

    return decorate


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    list_display = ["number", "text", "state", "checked", "findings", "topic_names", "collection"]
    list_display_links = ["text"]
    list_filter = [StateFilter, CheckFilter, FindingsFilter, ConflictFilter, "topics", "tags", "collection"]
    list_select_related = ["collection", "live"]
    list_per_page = 50
    search_fields = ["text", "short_answer", "points__label", "points__text"]
    search_help_text = "Searches the working copies: questions, short answers and points."
    form = QuestionForm
    inlines = [PointInline]
    filter_horizontal = ["topics"]
    autocomplete_fields = ["related"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": [("collection", "number"), "text", "short_answer", "seen"]}),
        ("Where readers find it", {"fields": ["topics", "tags", "related"]}),
        ("Checks", {"fields": ["check_every"]}),
    ]

    class Media:
        css = {"all": ["css/admin.css"]}

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("topics")

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        rows = {"text": 2, "short_answer": 3}.get(db_field.name)
        if rows:
            kwargs["widget"] = AdminTextareaWidget(attrs={"rows": rows})
        elif db_field.name == "tags":
            kwargs["widget"] = TagWidget(attrs={"class": "vLargeTextField"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def view_on_site(self, question):
        return question.get_absolute_url() if question.live else None

    def get_readonly_fields(self, request, obj=None):
        return ["collection", "number"] if obj else []

    @admin.display(description="topics")
    def topic_names(self, question):
        return ", ".join(topic.name for topic in question.topics.all())

    @admin.display(description="state")
    def state(self, question):
        return STATES[question.state][0]

    @admin.display(description="check", ordering="checked_on")
    def checked(self, question):
        if question.live is None:
            return "–"
        if question.checked_on is None:
            return CHECKS["no"][0]
        return f"Overdue since {question.check_due}" if question.is_overdue else f"Checked on {question.checked_on}"

    def save_model(self, request, obj, form, change):
        # Only what the form has: what publishing and importing keep may have moved on since the row was read.
        obj.save(update_fields=["text", "short_answer", "check_every"] if change else None)

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        question = form.instance
        for place, point in enumerate(question.points.all(), start=1):
            if point.position != place:
                AnswerPoint.objects.filter(pk=point.pk).update(position=place)
        publishing.refresh(question)
        if problem := publishing.problem_with(publishing.working_content(question)):
            messages.warning(request, f"Saved, but it cannot be published like this. {problem}")

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        form = context["adminform"].form
        if getattr(form, "stale", False):
            context["differences"] = form.differences(context["inline_admin_formsets"][0].formset)
        if obj:
            context |= {
                "state": STATES[obj.state],
                "editions": obj.editions.order_by("-number"),
                "findings": _as_list([f for f in wording.review(publishing.working_content(obj)) if f.key is None]),
                "notes": Note.objects.filter(questions=obj, settled=False),
                "verbs": self._verbs(request, obj),
            }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def _verbs(self, request, question):
        """The buttons that make sense now, as (name of the address, label)."""
        can_publish = request.user.has_perm("faq.publish_question")
        can_check = request.user.has_perm("faq.check_question")
        verbs = [("preview", "Preview", True)]
        verbs += [("publish", "Publish…", can_publish and question.state != "public")]
        verbs += [("check", "Checked, still right…", can_check and question.live)]
        verbs += [("withdraw", "Withdraw…", can_publish and question.live)]
        return [(f"admin:faq_question_{name}", label) for name, label, sensible in verbs if sensible]

    def get_urls(self):
        views = {
            "preview": self.preview,
            "publish": self.publish,
            "withdraw": self.withdraw,
            "check": self.check_sources,
            "restore": self.restore,
            "settle": self.settle,
        }
        own = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"faq_question_{name}")
            for name, view in views.items()
        ]
        return own + super().get_urls()

    @verb("faq.view_question")
    def preview(self, request, question):
        """The public page as it would be, from an edition that is not saved."""
        edition = publishing.preview(question)
        context = {"question": question, "edition": edition, "preview": True}
        response = render(request, "faq/question.html", context)
        response.public_page = True  # the same content policy as in public
        return response

    @verb("faq.publish_question")
    def publish(self, request, question):
        def act(note, same_meaning):
            edition = publishing.publish(question, by=request.user, note=note, meaning_changed=not same_meaning)
            return f"Edition {edition.number} is public now."

        lead = "The working copy becomes the next edition, which the public sees from then on. It is never changed."
        return self._act(request, question, PublishForm, act, "Publish", "Publish now", lead)

    @verb("faq.publish_question")
    def withdraw(self, request, question):
        def act(because):
            publishing.withdraw(question, because=because)
            return "The answer is no longer public. Its address says why. Publishing brings it back."

        lead = "Readers no longer find the answer, its editions or its history. The working copy stays as it is."
        return self._act(request, question, WithdrawForm, act, "Withdraw", "Withdraw from the public site", lead)

    @verb("faq.check_question")
    def check_sources(self, request, question):
        def act(comment):
            publishing.check(question, by=request.user, comment=comment)
            question.refresh_from_db()
            return f"Noted as checked today. The next check is due on {question.check_due}."

        lead = (
            "You confirm that you compared this answer, as the public sees it, with its sources today, and that it "
            "still holds."
        )
        return self._act(request, question, CheckForm, act, "Checked, still right", "It still holds", lead)

    @verb("faq.change_question")
    def restore(self, request, question):
        def act(edition):
            publishing.restore(question, get_object_or_404(question.editions, number=edition))
            return f"The working copy has the words of edition {edition} again. The public sees no change yet."

        lead = (
            "The working copy gets the question, short answer and points of the edition named below. What stands in it "
            "now and was never published is lost. The public sees no change until you publish."
        )
        return self._act(request, question, RestoreForm, act, "Restore an edition", "Replace the working copy", lead)

    @verb("faq.change_question")
    def settle(self, request, question):
        def act():
            publishing.settle_conflict(question)
            return "Noted: the seed's newer text was taken into account."

        lead = "The seed's newer text will no longer be shown here. An import reports the question again if it changes."
        return self._act(request, question, SettleForm, act, "Seed conflict", "I took it into account", lead)

    def _act(self, request, question, form_class, act, title, button, lead):
        """Ask with a form, then act and go back to the question; an error of the verb is shown in the form."""
        back = HttpResponseRedirect(reverse("admin:faq_question_change", args=[quote(question.pk)]))
        posted = request.method == "POST"
        form = form_class(request.POST if posted else None, initial=request.GET.dict())
        seen = contents.digest([publishing.fingerprint(question), question.live_id, question.seed_conflict])
        if posted and request.POST.get("seen", seen) != seen:
            form.add_error(None, "Nothing was done: the question changed after you had opened this page. Look again.")
        elif posted and form.is_valid():
            try:
                message = act(**form.cleaned_data)
            except ValidationError as error:
                form.add_error(None, error)
            else:
                self.log_change(request, question, message)
                messages.success(request, message)
                return back
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "question": question,
            "form": form,
            "title": title,
            "button": button,
            "lead": lead,
            "seen": seen,
        }
        return TemplateResponse(request, "admin/faq/question/act.html", context)


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    list_display = ["text", "kind", "settled"]
    list_editable = ["settled"]
    list_display_links = ["text"]
    list_filter = ["settled", "kind", "collection"]
    search_fields = ["text"]
    fields = ["collection", "kind", "text", "questions", "settled"]
    raw_id_fields = ["questions"]
