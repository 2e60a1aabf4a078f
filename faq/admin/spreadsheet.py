"""The desk as a spreadsheet: everything out, topics and keywords back in, with a preview of what would change.

The exported column `labels_version` says which labels a row was made of. A row that would replace other labels is
refused. So is a file when the labels of its rows change between the preview and the confirmation."""

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

MOST_ROWS = 2_000
"""Rows of one file. A changed one costs about 10 ms, and who else wants to write waits for at most 20 seconds."""
MOST_BYTES = 2_000_000
"""Of one file: more than so many rows need."""

# A cell that begins like this is run by spreadsheet programs.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class FileForm(ImportForm):
    def clean_import_file(self):
        file = self.cleaned_data["import_file"]
        if file.size > MOST_BYTES:
            text = f"This file has {file.size:,} bytes, and {MOST_BYTES:,} is the most. Divide it into several files."
            raise ValidationError(text)
        return file


class ConfirmForm(ConfirmImportForm):
    """Carries which labels the preview was made of."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)


class Plain(Error):
    """What went wrong, without what is inside the site."""

    traceback = ""


class Spreadsheet(CSV):
    """CSV with the mark by which spreadsheet programs know UTF-8."""

    def export_data(self, dataset, **kwargs):
        return "\ufeff" + super().export_data(dataset, **kwargs)


class TopicsWidget(Widget):
    """Names of topics, with semicolons between them."""

    def clean(self, value, row=None, **kwargs):
        names = [name.strip() for name in (value or "").split(";") if name.strip()]
        known = {topic.name.casefold(): topic for topic in Topic.objects.all()}
        unknown = [name for name in names if name.casefold() not in known]
        if unknown:
            offered = "; ".join(topic.name for topic in known.values())
            raise ValidationError(f"There is no topic “{unknown[0]}”. Topics are: {offered}.")
        return [known[name.casefold()] for name in names]

    def render(self, value, obj=None, **kwargs):
        return "; ".join(topic.name for topic in value.all())


class KeywordsWidget(Widget):
    """Keywords with commas between them, as on the question page."""

    def clean(self, value, row=None, **kwargs):
        names = parse_tags(value or "")
        for name in names:
            if problem := keyword_problem(name):
                raise ValidationError(problem)
        return names

    def render(self, value, obj=None, **kwargs):
        return edit_string_for_tags(sorted(value.all(), key=lambda tag: tag.name))


def labels_version(question):
    """A short digest of a question's topics and keywords. Starts with a letter, so that no spreadsheet program reads it
    as a number."""
    names = [[topic.slug for topic in question.topics.all()], [tag.name for tag in question.tags.all()]]
    return "v" + contents.digest([sorted(some) for some in names])[:12]


class LabelsResource(ModelResource):
    """What comes back in: a row names a question, and says which topics and keywords it has. Nothing else is read."""

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
        """`seen` is the digest of all labels that the preview was made of, or None for the preview itself."""
        super().__init__()
        self.seen, self.versions = seen, {}

    def get_error_result_class(self):
        return Plain

    def before_import(self, dataset, **kwargs):
        try:
            self._read_head(dataset)
            self._lock(dataset)
        except ValidationError:
            dataset.wipe()  # the rows would be looked at all the same
            raise

    def after_import(self, dataset, result, **kwargs):
        result.seen = contents.digest(sorted(self.versions.items()))

    def _read_head(self, dataset):
        if not dataset.headers:
            raise ValidationError("The first line is empty. It must name the columns, as in the exported file.")
        dataset.headers = [(header or "").strip().lstrip("\ufeff") for header in dataset.headers]
        missing = {"collection", "number"} - set(dataset.headers)
        if missing or not {"topics", "keywords"} & set(dataset.headers):
            columns = ", ".join(dataset.headers) or "(none)"
            raise ValidationError(
                f"The first row names the columns {columns}. Needed are collection, number, and topics or keywords, "
                "with commas between the columns, as in the file that is exported here."
            )
        if len(dataset) > MOST_ROWS:
            raise ValidationError(f"This file has {len(dataset):,} rows, and {MOST_ROWS:,} is the most. Divide it.")

    def _lock(self, dataset):
        """Hold all questions that are named before the first one is changed, in the order in which others hold them.
        Refuse them when their labels are not those that the preview was made of."""
        collections, numbers = ({_cell(value) for value in dataset[name]} for name in ("collection", "number"))
        numbers = [int(number) for number in numbers if number.isdecimal() and len(number) < 10]
        named = Question.objects.filter(collection__slug__in=collections, number__in=numbers)
        len(named.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))
        self.versions = {row.pk: labels_version(row) for row in named.prefetch_related("topics", "tags")}
        if self.seen not in (None, contents.digest(sorted(self.versions.items()))):
            raise ValidationError("Somebody changed topics or keywords of these questions after the preview was made.")

    def before_import_row(self, row, **kwargs):
        for name, value in row.items():
            row[name] = _cell(value)
        if not row["number"].isdecimal() or len(row["number"]) > 9:
            raise ValidationError(f"“{row['number'][:20]}” is not the number of a question.")

    def init_instance(self, row=None):
        raise ValidationError(f"There is no question {row['number']} in a collection “{row['collection']}”.")

    def import_instance(self, instance, row, **kwargs):
        """Nothing is written to the question's own columns."""
        self.wanted = {}
        self.wanted = {name: self.fields[name].clean(row) for name in ("topics", "keywords") if name in row}
        version = row.get("labels_version")
        if version and version != self.versions.get(instance.pk) and self._changes(instance):
            now = {name: self.fields[name].export(instance) for name in self.wanted}
            raise ValidationError(
                f"Somebody changed the labels of question {instance.number} after this file was exported. "
                f"In the file: {_labels(row)}. Now in the database: {_labels(now)}. Export again and change that file, "
                "or empty the cell labels_version of this row to replace the present labels."
            )

    def skip_row(self, instance, original, row, import_validation_errors=None):
        return not import_validation_errors and not self._changes(instance)

    def do_instance_save(self, instance, is_create):
        """The question itself stays as it is."""

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
    """What goes out: a line for each question, with all that the desk knows of it."""

    collection = Field("collection__slug", "collection")
    question = Field("text", "question")
    # Left to itself, the library would load PostgreSQL's driver to find out what a long text is: 11 MB on SQLite too.
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
    """Mixed into the question admin."""

    formats = [Spreadsheet]
    import_form_class = FileForm
    confirm_form_class = ConfirmForm
    export_form_class = ExportForm  # all columns: the form that offers a choice needs a script in the page
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
            messages.error(request, "Nothing was exported: the address asks for a filter that does not exist.")
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
        why = getattr(problems[0], "messages", [problems[0]])[0]
        messages.error(request, f"Nothing was imported. {why} Choose the file again and look at the new preview.")
        return HttpResponseRedirect(reverse("admin:faq_question_import"))

    def process_import(self, request, **kwargs):
        try:
            return super().process_import(request, **kwargs)
        except (OSError, LookupError, ValueError, TypeError) as error:
            text = f"Nothing was imported: the file is not there any more ({type(error).__name__}). Choose it again."
            messages.error(request, text)
            return HttpResponseRedirect(reverse("admin:faq_question_import"))
