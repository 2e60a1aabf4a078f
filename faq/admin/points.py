"""The points of an answer on the question page, each with its citations."""

from django import forms
from django.contrib import admin
from django.contrib.admin.widgets import AdminDateWidget, AutocompleteSelect, RelatedFieldWidgetWrapper
from django.forms.models import BaseInlineFormSet, inlineformset_factory
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from faq.answers import wording
from faq.models import AnswerPoint, Citation
from faq.workflow import working_copy

MAX_POINTS = 300
"""Points of an answer. Rendering the form of each takes as long as a small page."""
MAX_CITATIONS = 50
"""Citations of a point."""


class RecreatingFormSet(BaseInlineFormSet):
    """Saves a row that another user deleted meanwhile as a new one, so that the input is not lost."""

    def _construct_form(self, i, **kwargs):
        form = super()._construct_form(i, **kwargs)
        form.recreated = self.is_bound and i < self.initial_form_count() and form.instance._state.adding
        if form.recreated:
            # Django's field requires an existing row.
            form.fields[self.model._meta.pk.name] = forms.CharField(required=False, widget=forms.HiddenInput)
        return form

    def save_new_objects(self, commit=True):
        super().save_new_objects(commit)
        for form in self.initial_forms:
            if form.recreated and not (self.can_delete and self._should_delete_form(form)):
                self.new_objects.append(self.save_new(form, commit=commit))
        return self.new_objects


class CitationForm(forms.ModelForm):
    class Meta:
        model = Citation
        fields = ["source", "place", "consulted", "quotation"]
        labels = {"place": "Place in it, such as § 5(b) or p. 12", "quotation": "Quotation that supports the point"}
        help_texts = {"place": "", "quotation": "", "consulted": ""}
        widgets = {
            "place": forms.TextInput(attrs={"class": "vTextField"}),
            "quotation": forms.Textarea(attrs={"rows": 2, "class": "vLargeTextField"}),
            "consulted": AdminDateWidget(),
        }

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["consulted"].initial = timezone.localdate
        relation = Citation._meta.get_field("source")
        self.fields["source"].widget = RelatedFieldWidgetWrapper(
            AutocompleteSelect(relation, admin.site, choices=self.fields["source"].choices),
            relation.remote_field,
            admin.site,
            can_add_related=True,
        )


class CitationsOfPoint(RecreatingFormSet):
    def add_fields(self, form, index):
        super().add_fields(form, index)
        if self.instance._state.adding:
            # The citations of a recreated point refer to the deleted row, and are saved with the new one.
            del form.fields[self.fk.name]

    @property
    def is_open(self):
        """Whether the page shows the citations unfolded."""
        return bool(self.initial_form_count()) or (self.is_bound and self.has_changed())

    def save_existing_objects(self, commit=True):
        """Delete changed rows and insert them again, since exchanging two of them would violate a constraint."""
        changed = [form.instance.pk for form in self.initial_forms if form.has_changed() and form.instance.pk]
        Citation.objects.filter(pk__in=changed).delete()
        return super().save_existing_objects(commit)

    def delete_existing(self, obj, commit=True):
        if obj.pk:
            Citation.objects.filter(pk=obj.pk).delete()

    def save_existing(self, form, obj, commit=True):
        obj.save(force_insert=True)
        return obj


CitationFormSet = inlineformset_factory(
    AnswerPoint,
    Citation,
    form=CitationForm,
    formset=CitationsOfPoint,
    extra=1,
    can_delete=True,
    max_num=MAX_CITATIONS,
    absolute_max=MAX_CITATIONS,
    validate_max=True,
)


class PointFormSet(RecreatingFormSet):
    """Points with their citations. A point without a position becomes the last one."""

    def add_fields(self, form, index):
        super().add_fields(form, index)
        prefix = f"{form.prefix}-citations"
        data = self.data if self.is_bound and f"{prefix}-TOTAL_FORMS" in self.data else None
        citations = list(form.instance.citations.all()) if form.instance.pk else []
        form.citations = CitationFormSet(data, instance=form.instance, prefix=prefix)
        form.citations._queryset = citations  # prefetched for all points

    def full_clean(self):
        super().full_clean()
        for form in self.forms if self.is_bound else []:
            if not self._should_delete_form(form) and not form.citations.is_valid() and form.citations.is_bound:
                form.add_error(None, "One of its sources has an error. See below.")

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

    def save(self, commit=True):
        saved = super().save(commit)
        for form in self.forms:
            if form.citations.is_bound and form.instance.pk and form not in self.deleted_forms:
                form.citations.instance = form.instance
                form.citations.save()
        return saved


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

    def has_changed(self):
        return super().has_changed() or (self.citations.is_bound and self.citations.has_changed())

    def as_typed(self):
        """Return the point with the submitted values, valid or not."""
        point = self.instance
        for name in ("label", "text"):
            if name in self.errors:
                setattr(point, name, self.data.get(self.add_prefix(name), ""))
        if self.citations.is_bound:
            kept = [form for form in self.citations.forms if form.has_changed() or form.instance.pk]
            citations = [form.instance for form in kept if form.is_valid() and not form.cleaned_data.get("DELETE")]
            point.unsaved_citations = citations
        return point


class PointInline(admin.StackedInline):
    model = AnswerPoint
    form = PointForm
    formset = PointFormSet
    template = "admin/faq/question/points.html"
    extra = 0
    max_num = MAX_POINTS
    verbose_name = "point"
    verbose_name_plural = "Answer"
    fields = [("position", "kind", "depth", "numbering"), "label", "text", "findings"]
    readonly_fields = ["findings"]

    @property
    def media(self):
        return super().media + CitationForm().media + forms.Media(js=["js/points.js"])

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("citations__source")

    def get_formset(self, request, obj=None, **kwargs):
        return super().get_formset(request, obj, absolute_max=MAX_POINTS, validate_max=True, **kwargs)

    @admin.display(description="wording")
    def findings(self, point):
        """The wording findings of the saved point."""
        question = point.question
        if not hasattr(question, "reviewed"):
            question.reviewed = wording.review(working_copy.content(question))
        return as_list([finding for finding in question.reviewed if finding.key == point.key])


def as_list(findings):
    """Return findings of `faq.answers.wording` as an HTML list."""
    if not findings:
        return "–"
    rows = ((wording.KINDS[f.kind], f"“{f.quote}”" if f.quote else "", f.why) for f in findings)
    return format_html("<ul>{}</ul>", format_html_join("", "<li><strong>{}.</strong> {} {}</li>", rows))
