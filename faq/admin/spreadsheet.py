"""Export of all questions, and import of their topics and keywords (labels), as CSV.

The exported column `labels_version` is a digest of a question's labels. The import refuses a row if the labels changed
after the export, and a file if the labels of its rows changed between the preview and the confirmation."""

from django import forms
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from django.urls import reverse
from import_export.admin import ImportExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV
from import_export.forms import ConfirmImportForm, ExportForm, ImportForm
from import_export.resources import ModelResource
from import_export.results import Error
from import_export.widgets import Widget
from taggit.utils import edit_string_for_tags, parse_tags

from faq.answers import content as contents
from faq.models import Question, Topic
from faq.models.questions import keyword_problem
from faq.workflow import working_copy

MAX_ROWS = 2_000
"""Rows of a file. Each change takes about 10 ms, and other writers wait for at most 20 seconds."""
MAX_BYTES = 2_000_000
"""Bytes of a file, more than `MAX_ROWS` rows need."""

# Spreadsheet programs take a cell that begins with one of these characters for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class FileForm(ImportForm):
    def clean_import_file(self):
        file = self.cleaned_data["import_file"]
        if file.size > MAX_BYTES:
            raise ValidationError(f"The file has {file.size:,} bytes; the limit is {MAX_BYTES:,}. Split the file.")
        return file


class ConfirmForm(ConfirmImportForm):
    """Contains the digest of the labels that the preview showed."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class ErrorWithoutTraceback(Error):
    traceback = ""


class Spreadsheet(CSV):
    """CSV with a byte order mark, by which spreadsheet programs recognize UTF-8."""

    def export_data(self, dataset, **kwargs):
        return "\ufeff" + super().export_data(dataset, **kwargs)


class TopicsWidget(Widget):
    """Names of topics, separated by semicolons."""

    def clean(self, value, row=None, **kwargs):
        names = [name.strip() for name in (value or "").split(";") if name.strip()]
        topics = {topic.name.casefold(): topic for topic in Topic.objects.all()}
        for name in names:
            if name.casefold() not in topics:
                offered = "; ".join(topic.name for topic in topics.values())
                raise ValidationError(f"There is no topic “{name}”. Topics are: {offered}.")
        return [topics[name.casefold()] for name in names]

    def render(self, value, obj=None, **kwargs):
        return "; ".join(topic.name for topic in value.all())


class KeywordsWidget(Widget):
    """Keywords, separated by commas as on the question page."""

    def clean(self, value, row=None, **kwargs):
        names = parse_tags(value or "")
        for name in names:
            if problem := keyword_problem(name):
                raise ValidationError(problem)
        return names

    def render(self, value, obj=None, **kwargs):
        return edit_string_for_tags(sorted(value.all(), key=lambda tag: tag.name))


def labels_version(question):
    """Return a short digest of a question's topics and keywords.

    It begins with a letter, so that spreadsheet programs do not read it as a number."""
    names = [[topic.slug for topic in question.topics.all()], [tag.name for tag in question.tags.all()]]
    return "v" + contents.digest([sorted(part) for part in names])[:12]


class LabelsResource(ModelResource):
    """The import. A row names a question by collection and number, and sets its topics, its keywords or both."""

    collection = Field("collection__slug", "collection", readonly=True)
    number = Field("number", "number", readonly=True)
    topics = Field("topics", "topics", widget=TopicsWidget())
    keywords = Field("tags", "keywords", widget=KeywordsWidget())

    class Meta:
        model = Question
        name = "Topics and keywords"
        fields = ["collection", "number", "topics", "keywords"]
        import_id_fields = ["collection", "number"]
        skip_unchanged = report_skipped = True
        clean_model_instances = False
        use_transactions = True

    def __init__(self, seen=None):
        """`seen` is the digest of the labels that the preview showed, or None for the preview itself."""
        super().__init__()
        self.seen, self.versions = seen, {}

    def get_error_result_class(self):
        return ErrorWithoutTraceback

    def before_import(self, dataset, **kwargs):
        try:
            self._check_headers(dataset)
            self._lock(dataset)
        except ValidationError:
            dataset.wipe()  # the library would go on with the rows
            raise

    def after_import(self, dataset, result, **kwargs):
        result.seen = contents.digest(sorted(self.versions.items()))

    def _check_headers(self, dataset):
        if not dataset.headers:
            raise ValidationError("The first line is empty. It must name the columns, as in the exported file.")
        dataset.headers = [(header or "").strip().lstrip("\ufeff") for header in dataset.headers]
        missing = {"collection", "number"} - set(dataset.headers)
        if missing or not {"topics", "keywords"} & set(dataset.headers):
            columns = ", ".join(dataset.headers) or "(none)"
            raise ValidationError(
                f"The first row names the columns {columns}. Needed are collection, number, and topics or keywords, "
                "separated by commas, as in the exported file."
            )
        known = DeskResource().get_export_headers()
        # Spreadsheet programs add empty columns without a name.
        unknown = [name for name in dataset.headers if name not in known and (name or any(dataset[name]))]
        if unknown:
            columns = ", ".join(f"“{name}”" if name else "(without a name)" for name in unknown)
            raise ValidationError(
                f"The first row names unknown columns: {columns}. Remove them, or rename them as in the exported file: "
                f"{', '.join(known)}. The import changes topics and keywords only."
            )
        if len(dataset) > MAX_ROWS:
            raise ValidationError(f"The file has {len(dataset):,} rows; the limit is {MAX_ROWS:,}. Split the file.")

    def _lock(self, dataset):
        """Lock all questions of the file, in the order that publications use. Refuse them if their labels changed after
        the preview."""
        collections, numbers = ({_cell(value) for value in dataset[name]} for name in ("collection", "number"))
        numbers = [int(number) for number in numbers if number.isdecimal() and len(number) < 10]
        questions = Question.objects.filter(collection__slug__in=collections, number__in=numbers)
        len(questions.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        self.versions = {row.pk: labels_version(row) for row in questions.prefetch_related("topics", "tags")}
        if self.seen not in (None, contents.digest(sorted(self.versions.items()))):
            raise ValidationError("Another user changed topics or keywords of these questions after the preview.")

    def before_import_row(self, row, **kwargs):
        for name, value in row.items():
            row[name] = _cell(value)
        if not row["number"].isdecimal() or len(row["number"]) > 9:
            raise ValidationError(f"“{row['number'][:20]}” is not the number of a question.")

    def init_instance(self, row=None):
        raise ValidationError(f"There is no question {row['number']} in a collection “{row['collection']}”.")

    def import_instance(self, instance, row, **kwargs):
        """Read the labels of a row, without changing the question's own fields. Refuse labels of an outdated export."""
        self.wanted = {}
        self.wanted = {name: self.fields[name].clean(row) for name in ("topics", "keywords") if name in row}
        version = row.get("labels_version")
        if version and version != self.versions.get(instance.pk) and self._changes(instance):
            current = {name: self.fields[name].export(instance) for name in self.wanted}
            raise ValidationError(
                f"Another user changed the labels of question {instance.number} after this file was exported. "
                f"In the file: {_labels(row)}. Now in the database: {_labels(current)}. Export again and edit that "
                "file, or clear the cell labels_version of this row to replace the current labels."
            )

    def skip_row(self, instance, original, row, import_validation_errors=None):
        return not import_validation_errors and not self._changes(instance)

    def do_instance_save(self, instance, is_create):
        """Do not save the question: only its labels change."""

    def save_m2m(self, instance, row, **kwargs):
        changes = self._changes(instance)
        working_copy.locked(instance)
        if "topics" in changes:
            instance.topics.set(self.wanted["topics"])
        if "tags" in changes:
            instance.tags.set(self.wanted["keywords"])
        working_copy.refresh(instance, kwargs.get("user"), changes)

    def _changes(self, instance):
        changes = []
        if "topics" in self.wanted and set(self.wanted["topics"]) != set(instance.topics.all()):
            changes.append("topics")
        if "keywords" in self.wanted and set(self.wanted["keywords"]) != set(instance.tags.names()):
            changes.append("tags")
        return changes


def _cell(value):
    return str(value or "").strip().removeprefix("'")


def _labels(row):
    return "; ".join(f"{name} “{row[name]}”" for name in ("topics", "keywords") if name in row)


class DeskResource(ModelResource):
    """The export: a row for each question."""

    collection = Field("collection__slug", "collection")
    question = Field("text", "question")
    # Declared, since the library would otherwise import the driver of PostgreSQL (11 MB) to choose a widget.
    short_answer = Field("short_answer", "short_answer")
    state = Field("get_state_display", "state")
    review = Field("get_review_display", "review")
    edition = Field("live__number", "public edition")
    published = Field("live__published_at", "published")
    topics = Field("topics", "topics", widget=TopicsWidget())
    keywords = Field("tags", "keywords", widget=KeywordsWidget())
    labels_version = Field(column_name="labels_version", dehydrate_method=labels_version)

    class Meta:
        model = Question
        name = "The whole desk"
        fields = export_order = [
            "collection", "number", "question", "short_answer", "topics", "keywords", "labels_version", "state",
            "review", "edition", "published", "unconfirmed", "checked_on", "check_due", "check_every", "findings",
            "unsourced",
        ]  # fmt: skip

    def export_field(self, field, instance, **kwargs):
        value = super().export_field(field, instance, **kwargs)
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class SpreadsheetPages(ImportExportMixin):
    """Mixin for the question admin."""

    formats = [Spreadsheet]
    import_form_class = FileForm
    confirm_form_class = ConfirmForm
    export_form_class = ExportForm  # the form that offers a choice of columns needs an inline script
    show_change_form_export = False
    skip_admin_log = True

    def get_import_resource_classes(self, request):
        return [LabelsResource]

    def get_export_resource_classes(self, request):
        return [DeskResource]

    def has_import_permission(self, request):
        return request.user.has_perm("faq.change_question")

    def has_export_permission(self, request):
        return request.user.has_perm("faq.view_question")

    def get_export_queryset(self, request):
        return super().get_export_queryset(request).prefetch_related("tags")

    def export_action(self, request):
        try:
            return super().export_action(request)
        except IncorrectLookupParameters:
            messages.error(request, "Nothing was exported, because the address contains an unknown filter.")
            return HttpResponseRedirect(reverse("admin:faq_question_changelist"))

    def get_import_resource_kwargs(self, request, form=None, **kwargs):
        return {"seen": form.cleaned_data["seen"]} if isinstance(form, ConfirmForm) else {}

    def get_import_data_kwargs(self, **kwargs):
        return super().get_import_data_kwargs(**kwargs) | {"rollback_on_validation_errors": True}

    def import_action(self, request, **kwargs):
        response = super().import_action(request, **kwargs)
        if "confirm_form" in response.context_data:
            response.context_data["confirm_form"].initial["seen"] = response.context_data["result"].seen
        return response

    def process_result(self, result, request):
        errors = [*result.base_errors, *(error for _, errors in result.row_errors() for error in errors)]
        problems = [error.error for error in errors] + [row.error for row in result.invalid_rows]
        if not problems:
            return super().process_result(result, request)
        message = getattr(problems[0], "messages", [problems[0]])[0]
        messages.error(request, f"Nothing was imported. {message} Choose the file again and check the new preview.")
        return HttpResponseRedirect(reverse("admin:faq_question_import"))

    def process_import(self, request, **kwargs):
        try:
            return super().process_import(request, **kwargs)
        except (OSError, LookupError, ValueError, TypeError) as error:
            text = f"Nothing was imported: the uploaded file has expired ({type(error).__name__}). Choose it again."
            messages.error(request, text)
            return HttpResponseRedirect(reverse("admin:faq_question_import"))
