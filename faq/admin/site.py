"""The admin's first page: what waits for this person, one click from the work, and how far things have come."""

import re
from dataclasses import dataclass
from functools import update_wrapper
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import get_fields_from_path
from django.core.cache import cache
from django.db import DataError
from django.db.models import BooleanField, Count, DateField, ForeignKey, ManyToManyField, Q
from django.http import HttpResponseBadRequest
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.text import smart_split

from faq.models import Collection, MissedSearch, Question, Report, Source, Topic
from faq.operations import backups
from faq.workflow import collection_texts
from kb_site.cache import without_cache

from . import concurrency, reauthentication
from .two_factor import SecondFactorPages, missing

# Fields whose values are keys of rows, beside those of the models.
_ROWS = {"topic", "source"}

_ROW_OF_FORM = re.compile(r"-\d+-id$")

MOST_WORDS, MOST_LETTERS = 40, 1000
"""Of a search in the admin: each is looked for in every field, and no database joins any number of conditions."""

PROGRESS_LASTS = 60
"""Seconds for which the picture of progress is kept: it counts everything there is."""


@dataclass(frozen=True)
class Line:
    """One kind of work: how much of it there is, and where it is listed."""

    label: str
    count: int
    address: str
    urgent: bool = False


class OwnLookups:
    """Mixed into every admin: addresses of a list may use the lookups of its own filters, and no others.

    Django allows any lookup on the model's own fields. A regular expression can keep SQLite busy without an end."""

    def lookup_allowed(self, lookup, value, request=None):
        day = self.date_hierarchy
        if day and lookup in (f"{day}__year", f"{day}__month", f"{day}__day"):
            return True
        return any(lookup in self._lookups(entry) for entry in self.get_list_filter(request))

    def _lookups(self, entry):
        """Names of the parameters that Django's filter for this entry of `list_filter` reads."""
        if isinstance(entry, type):
            return {entry.parameter_name}
        field = get_fields_from_path(self.model, entry)[-1]
        if field.is_relation:
            names = [f"{entry}__{field.target_field.name}__exact"]
        elif field.choices or isinstance(field, BooleanField):
            names = [f"{entry}__exact", f"{entry}__in"]  # the desk links to reports in several states
        elif isinstance(field, DateField):
            names = [f"{entry}__gte", f"{entry}__lt"]
        else:
            names = [entry]
        return {*names, f"{entry}__isnull"}

    def get_changelist_instance(self, request):
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError, ValueError) as error:  # such as a day in the year 10000
            raise IncorrectLookupParameters from error


class Desk(SecondFactorPages, AdminSite):
    """Django's admin with a work queue as its first page, and a second factor before it."""

    index_template = "admin/desk.html"
    index_title = "The editors' desk"
    enable_nav_sidebar = False  # it lists kinds of data, not work, and takes a quarter of the page

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_action(concurrency.delete_selected)

    def register(self, model_or_iterable, admin_class=None, **options):
        """As in Django, with what every admin needs, third-party ones included, mixed in."""
        base = admin_class or ModelAdmin
        bases = (OwnLookups, concurrency.OptimisticLockAdmin, base)
        admin_class = type(base.__name__, bases, {"__module__": base.__module__})
        super().register(model_or_iterable, admin_class, **options)

    def admin_view(self, view, cacheable=False):
        """Asks for a missing second factor, and refuses addresses that ask for what no database can hold."""
        inner = super().admin_view(view, cacheable)

        def guarded(request, *args, **kwargs):
            if missing(request.user):
                leaves = request.path == reverse("admin:logout")
                return self.logout(request) if leaves else self.to_second_factor(request)
            if request.user.is_authenticated:
                reauthentication.note(request)
            if name := _unfit(request, self._rows):
                text = f"“{name}” has a value that cannot be looked up. Nothing was changed. Go back to /admin/.\n"
                return HttpResponseBadRequest(text, content_type="text/plain; charset=utf-8")
            return inner(request, *args, **kwargs)

        return update_wrapper(guarded, inner)

    @cached_property
    def _rows(self):
        """Names of all fields whose values are keys of rows."""
        fields = (field for model in self._registry for field in (*model._meta.fields, *model._meta.many_to_many))
        return _ROWS | {field.name for field in fields if isinstance(field, ForeignKey | ManyToManyField)}

    def each_context(self, request):
        # Django's log-in pages put the host's name where the site's name would stand.
        return {**super().each_context(request), "desk_name": settings.SITE_NAME}

    def index(self, request, extra_context=None):
        context = {
            "queue": queue(request.user),
            "progress": progress() if request.user.has_perm("faq.view_question") else [],
            "login": reauthentication.notice(request),
            **(extra_context or {}),
        }
        return super().index(request, context)


def _unfit(request, rows):
    """The name of a value, in the address or the form, that names a row as no database does; or None."""
    for name in ("q", "term"):
        words = request.GET.get(name, "")
        if len(words) > MOST_LETTERS or len(list(smart_split(words))) > MOST_WORDS:
            return name
    for name, values in request.GET.lists():
        if any("\0" in value or (name != "q" and value.isdecimal() and len(value) > 18) for value in values):
            return name
    for name, values in request.POST.lists():
        if name.endswith(("-TOTAL_FORMS", "-INITIAL_FORMS")) and any(
            value.isdecimal() and _number(value) > len(request.POST) for value in values
        ):
            return name  # it counts more rows than it sends fields, and each row would be made
        if _ROW_OF_FORM.search(name) and any(value and not _is_key(value.strip()) for value in values):
            return name
        if name == ACTION_CHECKBOX_NAME and not all(map(_is_key, values)):
            return name
        if name.rpartition("-")[2] in rows:
            keys = [key for value in values for key in value.split(",")]
            if any(key and not _is_key(key.strip()) for key in keys):
                return name
    return None


def _is_key(text):
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _number(digits):
    return int(digits[:18])


def queue(user):
    """The `Line`s for this person that are not empty, the urgent ones first."""
    # Only now: the admin registers with the site that this module makes.
    from .list_filters import due_soon, submitted_by, to_review

    questions = Question.objects.all()
    lines = []

    def add(label, found, address, urgent=False):
        lines.append(Line(label, found.count(), address, urgent))

    def listed(**filters):
        return f"{reverse('admin:faq_question_changelist')}?{urlencode(filters)}"

    if user.has_perm("faq.view_question"):
        mine = submitted_by(user)
        if user.has_perm("faq.publish_question"):
            add("Waiting for my review", to_review(questions, user), listed(review="mine"), urgent=True)
        add("Sent back to me", questions.returned().filter(**mine), listed(review="back"), urgent=True)
        add("Submitted by me, not read yet", questions.submitted().filter(**mine), listed(review="asked"))
        add("Check overdue", questions.overdue(), listed(check="overdue"), urgent=True)
        add("Check due within 14 days", due_soon(questions), listed(check="soon"))
        add("Published without a second check", questions.filter(unconfirmed=True), listed(review="unconfirmed"))
        add("Seed has another text by now", questions.exclude(seed_conflict=""), listed(seed="conflict"))
        add("Changed, not published", questions.changed(), listed(state="changed"))
        add("Never checked", questions.public().unchecked(), listed(check="no"))
        add("With points that name no source", questions.filter(unsourced__gt=0), listed(sources="missing"))
        add("With wording to look at", questions.filter(findings__gt=0), listed(wording="findings"))
        add("Never public", questions.filter(state=Question.State.DRAFT), listed(state="draft"))
    if user.has_perm("faq.publish_question"):
        address = f"{reverse('admin:faq_collection_changelist')}?texts=confirm"
        add("Collection texts to confirm", collection_texts.to_confirm(Collection.objects, user), address, urgent=True)
    if user.has_perm("faq.view_report"):
        address = f"{reverse('admin:faq_report_changelist')}?state__in=new,in_work"
        add("Reports by readers", Report.objects.filter(state__in=["new", "in_work"]), address, urgent=True)
    if user.has_perm("faq.view_source"):
        address = f"{reverse('admin:faq_source_changelist')}?reach=fails"
        add("Sources whose address does not answer", Source.objects.unreachable(), address)
    if user.has_perm("faq.view_missedsearch"):
        add("Searches that found nothing", MissedSearch.objects.all(), reverse("admin:faq_missedsearch_changelist"))
    if user.is_superuser:
        days = backups.age()
        if days is None:
            lines.append(Line("No backup was ever proved", 1, reverse("ready"), urgent=True))
        elif days > backups.MAX_AGE:
            lines.append(Line("Days since a backup was last proved", days, reverse("ready"), urgent=True))
    return sorted((line for line in lines if line.count), key=lambda line: not line.urgent)


def progress():
    """How far each topic has come: a list of dicts with "name", "address", "all", "public", "sourced" and "checked".

    The last one is for all questions, with or without a topic. Sourced means that each point names a source."""
    with without_cache():
        if (known := cache.get("faq.progress")) is not None:
            return known
    today_checked = Question.objects.is_checked()

    def counts(prefix=""):
        public = Q(**{f"{prefix}live__isnull": False})
        return {
            "all": Count(f"{prefix}pk"),
            "public": Count(f"{prefix}pk", filter=public),
            "sourced": Count(f"{prefix}pk", filter=public & Q(**{f"{prefix}unsourced": 0})),
            "checked": Count(
                f"{prefix}pk", filter=Q(**{f"{prefix}{name}": value for name, value in today_checked.children})
            ),
        }

    listed = reverse("admin:faq_question_changelist")
    topics = Topic.objects.annotate(**{f"n_{name}": count for name, count in counts("questions__").items()})
    rows = [
        {
            "name": topic.name,
            "address": f"{listed}?topics__id__exact={topic.pk}",
            **{name: getattr(topic, f"n_{name}") for name in ("all", "public", "sourced", "checked")},
        }
        for topic in topics.order_by("position", "name")
    ]
    rows.append({"name": "All questions", "address": listed, **Question.objects.aggregate(**counts())})
    rows = [{**row, **_widths(row)} for row in rows if row["all"]]
    with without_cache():
        cache.set("faq.progress", rows, PROGRESS_LASTS)
    return rows


def _widths(row):
    """For the bars, which are a hundred wide."""
    return {f"{name}_width": round(100 * row[name] / (row["all"] or 1)) for name in ("public", "sourced", "checked")}
