"""Questions in the admin: the list, and one page with the working copy and its points."""

from contextlib import suppress
from datetime import timedelta

from django.contrib import admin, messages
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import DatabaseError, IntegrityError, transaction
from django.template.response import TemplateResponse
from django.utils import timezone
from taggit.forms import TagWidget

from faq.answers import diffing, wording
from faq.models import AnswerPoint, Event, Note, Presence, Question
from faq.models.questions import keyword_problem
from faq.workflow import audit, publishing, working_copy

from .bulk import BulkActions
from .concurrency import OptimisticLockForm
from .list_filters import CheckFilter, ReviewFilter, SeedFilter, SourcesFilter, StateFilter, WordingFilter
from .points import PointInline, as_list
from .spreadsheet import SpreadsheetPages
from .workflow_views import WorkflowPages, is_contributor

PRESENCE_LASTS = timedelta(minutes=30)
"""Time for which a user who opened the page is shown to other users."""

MAX_EVENTS = 20
"""Log entries on the question page."""


class QuestionForm(OptimisticLockForm):
    """Compares the whole working copy, including the points."""

    def __init__(self, *args, instance=None, initial=None, **kwargs):
        if instance and instance.pk:
            # Computed before the fields are read, so that a change in between is noticed.
            initial = {**(initial or {}), "seen": working_copy.fingerprint(instance)}
        super().__init__(*args, instance=instance, initial=initial, **kwargs)

    def clean_tags(self):
        tags = self.cleaned_data["tags"]
        if problem := next(filter(None, map(keyword_problem, tags)), None):
            raise ValidationError(problem)
        return tags

    def differences(self, formset):
        """Return lines of `diffing.compare` from the working copy in the database to the submitted one."""
        kept = [form for form in formset.forms if form.has_changed() or form.instance.pk]
        points = [form.as_typed() for form in kept if not formset._should_delete_form(form)]
        points.sort(key=lambda point: (point.position is None, point.position))
        for position, point in enumerate(points, start=1):
            point.key = point.key or -position  # a new point has no key
        mine = working_copy.content(self.instance, points)
        theirs = working_copy.content(Question.objects.select_related("collection").get(pk=self.instance.pk))
        return [line for line in diffing.compare(theirs, mine) if line.changed]


@admin.register(Question)
class QuestionAdmin(SpreadsheetPages, BulkActions, WorkflowPages, admin.ModelAdmin):
    list_display = ["number", "text", "state", "review_state", "checked", "findings", "unsourced", "topic_names"]
    list_display_links = ["text"]
    list_filter = [
        StateFilter, ReviewFilter, CheckFilter, SourcesFilter, WordingFilter, SeedFilter, "topics", "collection",
    ]  # fmt: skip
    list_select_related = ["collection", "live"]
    list_per_page = 50
    # An index has these columns. Ordering by the title of the collection would sort all questions for each page.
    ordering = ["collection_id", "number"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    search_fields = ["text", "short_answer", "points__label", "points__text", "tags__name"]
    search_help_text = "Searches the working copies: questions, short answers, points and keywords."
    form = QuestionForm
    inlines = [PointInline]
    filter_horizontal = ["topics"]
    autocomplete_fields = ["related"]
    save_on_top = True
    fieldsets = [
        (None, {"fields": [("collection", "number"), "text", "short_answer"]}),
        ("Where readers find it", {"fields": ["topics", "tags", "related"], "classes": ["collapse"]}),
        ("Checks", {"fields": ["check_every"], "classes": ["collapse"]}),
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

    @admin.display(description="review", ordering="review")
    def review_state(self, question):
        if question.unconfirmed:
            return "No second check"
        return question.get_review_display()

    @admin.display(description="check", ordering="checked_on")
    def checked(self, question):
        if question.live is None:
            return "–"
        if question.checked_on is None:
            return "Not checked"
        return f"Overdue since {question.check_due}" if question.is_overdue else f"Checked on {question.checked_on}"

    def add_view(self, request, *args, **kwargs):
        try:
            return super().add_view(request, *args, **kwargs)
        except IntegrityError:  # another user took the number meanwhile; validating again shows the error
            return super().add_view(request, *args, **kwargs)

    def save_model(self, request, obj, form, change):
        # Save only the fields of the form: publishing or an import may have changed others after the row was read.
        obj.save(update_fields=["text", "short_answer", "check_every"] if change else None)

    @transaction.atomic
    def delete_model(self, request, obj):
        """Delete a draft. Superusers only; published questions are protected (see `Question.live`). The log is kept."""
        audit.record(Event.Act.DISCARDED, obj, request.user, deleted=True, note="The whole draft was deleted.")
        super().delete_model(request, obj)

    @transaction.atomic
    def delete_queryset(self, request, queryset):
        for question in queryset.select_related("collection").order_by("pk"):
            self.delete_model(request, question)

    def get_changeform_initial_data(self, request):
        """Return the initial values in the address of the page, without invalid keys."""
        initial = super().get_changeform_initial_data(request)
        if "related" in initial:
            initial["related"] = [key for key in initial["related"] if key.isdecimal()]
        return initial

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        question = form.instance
        for position, point in enumerate(question.points.all(), start=1):
            if point.position != position:
                AnswerPoint.objects.filter(pk=point.pk).update(position=position)
        labels = [name for name in ("topics", "tags", "related", "check_every") if name in form.changed_data]
        working_copy.refresh(question, request.user, labels)
        Presence.objects.filter(question=question, user=request.user).delete()
        if problem := publishing.problem_with(working_copy.content(question)):
            messages.warning(request, f"Saved, but it cannot be published yet. {problem}")

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        form = context["adminform"].form
        if form.stale:
            context["differences"] = form.differences(context["inline_admin_formsets"][0].formset)
        if obj:
            working = working_copy.content(obj)
            context |= {
                "is_contributor": is_contributor(request.user, obj),
                "other_users": self._other_users(request, obj),
                "editions": obj.editions.order_by("-number"),
                "events": Event.objects.of(obj)[:MAX_EVENTS],
                "findings": as_list([finding for finding in wording.review(working) if finding.key is None]),
                "notes": Note.objects.filter(questions=obj, settled=False),
                "workflow_links": self.workflow_links(request.user, obj),
                "unpublished": diffing.compare(obj.live.content, working) if obj.state == "changed" else [],
                "moved": obj.state == "changed" and diffing.moved(obj.live.content, working),
            }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def _other_users(self, request, question):
        """Store that this user opened the page, and return the `Presence` of others who did."""
        now = timezone.now()
        if request.method == "GET" and self.has_change_permission(request, question):
            # The page also works while the database is read-only.
            with suppress(DatabaseError):
                Presence.objects.update_or_create(question=question, user=request.user, defaults={"since": now})
        others = Presence.objects.filter(question=question, since__gt=now - PRESENCE_LASTS).exclude(user=request.user)
        return others.select_related("user")

    def history_view(self, request, object_id, extra_context=None):
        """Show the log of the question. Django's history loses the entries of deleted accounts."""
        question = self.get_object(request, object_id)
        if question is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, question):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "question": question,
            "title": "History",
            "events": Event.objects.of(question),
        }
        return TemplateResponse(request, "admin/faq/question/history.html", context)


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    list_display = ["text", "kind", "settled"]
    actions = ["settle"]
    list_filter = ["settled", "kind", "collection"]
    search_fields = ["text"]
    fields = ["collection", "kind", "text", "questions", "settled"]
    raw_id_fields = ["questions"]

    @admin.action(permissions=["change"], description="Mark as settled")
    def settle(self, request, queryset):
        count = queryset.filter(settled=False).update(settled=True)
        messages.success(request, f"{count} note{'s were' if count != 1 else ' was'} marked as settled.")
