"""The desk as a spreadsheet: everything out, topics and keywords back in, with a preview of what would change."""

from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import ValidationError
from django.http import HttpResponseRedirect
from django.urls import reverse
from import_export.admin import ImportExportMixin
from import_export.fields import Field
from import_export.formats.base_formats import CSV
from import_export.forms import ExportForm, ImportForm
from import_export.resources import ModelResource
from import_export.results import Error
from import_export.widgets import Widget
from taggit.utils import edit_string_for_tags, parse_tags

from faq import working_copy
from faq.models import Question, Topic
from faq.models.questions import keyword_problem

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

    def get_error_result_class(self):
        return Plain

    def before_import(self, dataset, **kwargs):
        try:
            self._read_head(dataset)
        except ValidationError:
            dataset.wipe()  # the rows would be looked at all the same
            raise
        self._lock(dataset)

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
        """Hold all questions that are named before the first one is changed, in the order in which others hold them."""
        numbers = {str(number).strip() for number in dataset["number"]}
        numbers = [int(number) for number in numbers if number.isdecimal() and len(number) < 10]
        named = Question.objects.filter(collection__slug__in=set(dataset["collection"]), number__in=numbers)
        len(named.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk"))

    def before_import_row(self, row, **kwargs):
        for name, value in row.items():
            row[name] = str(value or "").strip().removeprefix("'")
        if not row["number"].isdecimal() or len(row["number"]) > 9:
            raise ValidationError(f"“{row['number'][:20]}” is not the number of a question.")

    def init_instance(self, row=None):
        raise ValidationError(f"There is no question {row['number']} in a collection “{row['collection']}”.")

    def import_instance(self, instance, row, **kwargs):
        """Nothing is written to the question's own columns."""
        self.wanted = {}
        self.wanted = {name: self.fields[name].clean(row) for name in ("topics", "keywords") if name in row}

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

    class Meta:
        model = Question
        name = "The whole desk"
        fields = export_order = [
            "collection", "number", "question", "short_answer", "topics", "keywords", "state", "review", "edition",
            "published", "unconfirmed", "checked_on", "check_due", "check_every", "findings", "unsourced",
        ]  # fmt: skip

    def export_field(self, field, instance, **kwargs):
        value = super().export_field(field, instance, **kwargs)
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class SpreadsheetPages(ImportExportMixin):
    """Mixed into the question admin."""

    formats = [Spreadsheet]
    import_form_class = FileForm
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

    def process_import(self, request, **kwargs):
        try:
            return super().process_import(request, **kwargs)
        except (OSError, LookupError, ValueError, TypeError) as error:
            text = f"Nothing was imported: the file is not there any more ({type(error).__name__}). Choose it again."
            messages.error(request, text)
            return HttpResponseRedirect(reverse("admin:faq_question_import"))
