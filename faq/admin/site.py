"""The admin site. Its index page lists open work for the user and the progress of each topic."""

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
from .two_factor import SecondFactorPages, needs_second_factor

# Names of form fields with primary keys that are not foreign keys of a model.
_KEY_FIELDS = {"topic", "source"}

_FORMSET_KEY = re.compile(r"-\d+-id$")

MAX_SEARCH_WORDS, MAX_SEARCH_LENGTH = 40, 1000
"""Limits of a search in the admin, which adds a condition for each word and field."""

PROGRESS_TIMEOUT = 60
"""Seconds for which the progress is cached, since it counts all questions."""


@dataclass(frozen=True)
class Line:
    """An entry of the work queue: a label, the number of rows, and the address of their list."""

    label: str
    count: int
    address: str
    urgent: bool = False


class RestrictedLookups:
    """Mixin that allows only the lookups of `list_filter` in addresses of the list.

    Django allows any lookup on fields of the model. A regular expression could keep SQLite busy forever."""

    def lookup_allowed(self, lookup, value, request=None):
        day = self.date_hierarchy
        if day and lookup in (f"{day}__year", f"{day}__month", f"{day}__day"):
            return True
        return any(lookup in self._lookups(entry) for entry in self.get_list_filter(request))

    def _lookups(self, entry):
        """Return the parameters that Django's filter for this entry of `list_filter` reads."""
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
    """Django's admin site with a work queue as index page, and two-factor authentication."""

    index_template = "admin/desk.html"
    index_title = "The editors' desk"
    enable_nav_sidebar = False  # it takes a quarter of the page

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.add_action(concurrency.delete_selected)

    def register(self, model_or_iterable, admin_class=None, **options):
        """Register the admin class, also a third-party one, with `RestrictedLookups` and `OptimisticLockAdmin`."""
        base = admin_class or ModelAdmin
        bases = (RestrictedLookups, concurrency.OptimisticLockAdmin, base)
        admin_class = type(base.__name__, bases, {"__module__": base.__module__})
        super().register(model_or_iterable, admin_class, **options)

    def admin_view(self, view, cacheable=False):
        """Redirect users without a second factor, and answer 400 to parameters that no database can look up."""
        inner = super().admin_view(view, cacheable)

        def wrapper(request, *args, **kwargs):
            if needs_second_factor(request.user):
                logout = request.path == reverse("admin:logout")
                return self.logout(request) if logout else self.redirect_to_second_factor(request)
            if request.user.is_authenticated:
                reauthentication.record_activity(request)
            if name := _invalid_parameter(request, self._key_fields):
                text = f"“{name}” has a value that cannot be looked up. Nothing was changed. Go back to /admin/.\n"
                return HttpResponseBadRequest(text, content_type="text/plain; charset=utf-8")
            return inner(request, *args, **kwargs)

        return update_wrapper(wrapper, inner)

    @cached_property
    def _key_fields(self):
        """Names of all form fields whose values are primary keys."""
        fields = (field for model in self._registry for field in (*model._meta.fields, *model._meta.many_to_many))
        return _KEY_FIELDS | {field.name for field in fields if isinstance(field, ForeignKey | ManyToManyField)}

    def each_context(self, request):
        # On log-in pages, Django replaces `site_name` by the name of the host.
        return {**super().each_context(request), "desk_name": settings.SITE_NAME}

    def index(self, request, extra_context=None):
        context = {
            "queue": queue(request.user),
            "progress": progress() if request.user.has_perm("faq.view_question") else [],
            "login": reauthentication.login_info(request),
            **(extra_context or {}),
        }
        return super().index(request, context)


def _invalid_parameter(request, key_fields):
    """Return the name of a parameter whose value would cause a database error or endless work; or None."""
    for name in ("q", "term"):
        words = request.GET.get(name, "")
        if len(words) > MAX_SEARCH_LENGTH or len(list(smart_split(words))) > MAX_SEARCH_WORDS:
            return name
    for name, values in request.GET.lists():
        if any("\0" in value or (name != "q" and value.isdecimal() and len(value) > 18) for value in values):
            return name
    for name, values in request.POST.lists():
        if name.endswith(("-TOTAL_FORMS", "-INITIAL_FORMS")) and any(
            value.isdecimal() and _number(value) > len(request.POST) for value in values
        ):
            return name  # Django would construct a form for each of them
        if _FORMSET_KEY.search(name) and any(value and not _is_key(value.strip()) for value in values):
            return name
        if name == ACTION_CHECKBOX_NAME and not all(map(_is_key, values)):
            return name
        if name.rpartition("-")[2] in key_fields:
            keys = [key for value in values for key in value.split(",")]
            if any(key and not _is_key(key.strip()) for key in keys):
                return name
    return None


def _is_key(text):
    return text.isascii() and text.isdecimal() and len(text) <= 18


def _number(digits):
    return int(digits[:18])


def queue(user):
    """Return the `Line`s for this user that are not empty, urgent ones first."""
    # Imported here because the package registers its admins with the site in this module.
    from .list_filters import due_soon, submitted_by, to_review

    questions = Question.objects.all()
    lines = []

    def add(label, rows, address, urgent=False):
        lines.append(Line(label, rows.count(), address, urgent))

    def listed(**filters):
        return f"{reverse('admin:faq_question_changelist')}?{urlencode(filters)}"

    if user.has_perm("faq.view_question"):
        mine = submitted_by(user)
        if user.has_perm("faq.publish_question"):
            add("Waiting for my review", to_review(questions, user), listed(review="mine"), urgent=True)
        add("Sent back to me", questions.returned().filter(**mine), listed(review="back"), urgent=True)
        add("Submitted by me, not reviewed yet", questions.submitted().filter(**mine), listed(review="asked"))
        add("Check overdue", questions.overdue(), listed(check="overdue"), urgent=True)
        add("Check due within 14 days", due_soon(questions), listed(check="soon"))
        add("Published without a second check", questions.filter(unconfirmed=True), listed(review="unconfirmed"))
        add("Seed has a newer text", questions.exclude(seed_conflict=""), listed(seed="conflict"))
        add("Changed, not published", questions.changed(), listed(state="changed"))
        add("Never checked", questions.public().unchecked(), listed(check="no"))
        add("With points without a source", questions.filter(unsourced__gt=0), listed(sources="missing"))
        add("With wording findings", questions.filter(findings__gt=0), listed(wording="findings"))
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
    """Return the progress of each topic: dicts with "name", "address", "all", "public", "sourced" and "checked".

    The last one counts all questions. A question is sourced if each point names a source."""
    with without_cache():
        if (rows := cache.get("faq.progress")) is not None:
            return rows
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
        cache.set("faq.progress", rows, PROGRESS_TIMEOUT)
    return rows


def _widths(row):
    """Return the widths of the bars in percent."""
    return {f"{name}_width": round(100 * row[name] / (row["all"] or 1)) for name in ("public", "sourced", "checked")}
