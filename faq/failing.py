"""What people are told while something that the site needs is gone: the database, its disk, the cache, the search.

Everything that no view expected ends here (`handler500`). What is known to be a fault of the site's surroundings is
answered with 503 in plain words: what happened, what to do, and what was typed, so that it can be sent again. An act is
one transaction, so whoever reads that nothing was saved can rely on it."""

import errno
import re
import sys
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class Fault:
    """What is gone: a title and a sentence for readers, a sentence for editors, and when to come back (seconds)."""

    title: str
    readers: str
    editors: str
    retry: int = 60


_TITLE = _("The site cannot answer at the moment")
_AWAY = _("It cannot reach the place where its answers are kept.")
_UNSAVED = _("Nothing can be stored at the moment")
_READ = _("Everything can be read as always.")

GONE = Fault(_TITLE, _AWAY, "The database does not answer.")
DAMAGED = Fault(_TITLE, _AWAY, "The database cannot be read: it is damaged, or it is not this site's database.")
EMPTY = Fault(_TITLE, _AWAY, "The database lacks a table. Whoever runs the site mends that with: manage.py migrate")
DISK = Fault(_TITLE, _AWAY, "The disk that holds the database refuses to read or to write.")
FULL = Fault(_UNSAVED, _READ, "The disk that holds the database is full.")
READ_ONLY = Fault(_UNSAVED, _READ, "The database is read-only.")
BUSY = Fault(_UNSAVED, _READ, "Another change takes so long that this one had to give up.", retry=10)
CACHE = Fault(
    _TITLE,
    _AWAY,
    "The cache does not answer. Failed log-ins are counted there, so nobody can log in until it does. Whoever is "
    "logged in already can go on.",
)
STATIC = Fault(
    _TITLE,
    _AWAY,
    "A style sheet or script is missing. Whoever runs the site mends that with: manage.py collectstatic",
)
SEARCH = Fault(
    _("The search does not work at the moment"),
    _("All answers can be read as always."),
    "The search index is broken, and nothing is published without it. Whoever runs the site mends it with: "
    "manage.py migrate, then manage.py rebuild_search",
)

_BY_SQLITE = {
    "SQLITE_CORRUPT_VTAB": SEARCH,
    "SQLITE_READONLY": READ_ONLY,
    "SQLITE_FULL": FULL,
    "SQLITE_IOERR": DISK,
    "SQLITE_CANTOPEN": GONE,
    "SQLITE_PERM": GONE,
    "SQLITE_NOTADB": DAMAGED,
    "SQLITE_CORRUPT": DAMAGED,
    "SQLITE_BUSY": BUSY,
    "SQLITE_LOCKED": BUSY,
}
_BY_POSTGRESQL = {
    "08": GONE, "28": GONE, "3D": GONE, "53300": GONE, "53200": GONE, "57P": GONE,
    "25006": READ_ONLY, "53": FULL, "58": DISK, "XX": DAMAGED,
    "40": BUSY, "55P03": BUSY, "57014": BUSY,
}  # fmt: skip
_BY_SYSTEM = {errno.ENOSPC: FULL, errno.EDQUOT: FULL, errno.EROFS: READ_ONLY, errno.EIO: DISK}
_OF_SEARCH = re.compile(r"\bfaq_search|\bfts5\b|\"vector\"|\bvector\b")
_NO_TABLE = re.compile(r"no such table|relation .* does not exist")
_SECRET = re.compile(r"password|passwd|code|otp", re.IGNORECASE)


def fault_of(error: BaseException | None) -> Fault | None:
    """Which fault of the surroundings an exception tells of, or None: then it is a mistake of the site."""
    client = sys.modules.get("redis.exceptions")  # not loaded for this: it is big, and few have it
    if client and isinstance(error, client.RedisError):
        return CACHE
    if isinstance(error, FileNotFoundError) and str(error.filename).startswith(str(settings.STATIC_ROOT)):
        return STATIC
    if isinstance(error, OSError):
        return _BY_SYSTEM.get(error.errno or 0)
    if not isinstance(error, Error):
        return None
    driver = error.__cause__
    name, state, text = getattr(driver, "sqlite_errorname", ""), getattr(driver, "sqlstate", None), str(error)
    # SQLite calls what a file of the search index lacks by the same name as what the whole file lacks.
    if _OF_SEARCH.search(text) and (name in ("SQLITE_ERROR", "SQLITE_CORRUPT") or (state or "").startswith("42")):
        return SEARCH
    table, word = (_BY_SQLITE, name) if name else (_BY_POSTGRESQL, state or "")
    for start, fault in table.items():
        if word.startswith(start):
            return fault
    if _NO_TABLE.search(text):
        return EMPTY
    # Without a state, PostgreSQL said nothing: there was nobody to say it.
    psycopg = type(driver).__module__.startswith("psycopg")
    return GONE if psycopg and not state and type(driver).__name__ in ("OperationalError", "InterfaceError") else None


def fault_behind(error: BaseException | None) -> Fault | None:
    """The same of an exception that was raised while another one was handled, such as a session's."""
    while error and not fault_of(error):
        error = error.__context__
    return fault_of(error)


def answer(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """The page for whoever ran into `error`: 503 in words where it is known, else 500."""
    fault = fault_of(error)
    with translation.override(translation.get_language_from_path(request.path_info) or settings.LANGUAGE_CODE):
        if fault is None:
            return HttpResponse(render_to_string("500.html"), status=500)
        page = _search_page(request) if fault is SEARCH and not _edits(request) else None
        response = HttpResponse(page or _page(request, fault), status=503)
    response.headers["Retry-After"] = str(fault.retry)
    response.headers["Cache-Control"] = "no-store"
    return response


@contextmanager
def without_cache():
    """What is done in this block is left out where the cache does not answer."""
    try:
        yield
    except Exception as error:
        if fault_of(error) is not CACHE:
            raise


def _edits(request):
    return request.path_info.startswith(reverse("admin:index"))


def _search_page(request):
    """What leads to the answers without the search, or None if that cannot be read either."""
    from .models import Question, Topic

    topics = Topic.objects.filter(questions__in=Question.objects.public()).distinct()
    try:
        return render_to_string("faq/search_gone.html", {"topics": list(topics), "fault": SEARCH}, request)
    except Error:
        return None


def _page(request, fault):
    """Stands alone, like the page of a 500: what it would ask for may be what is gone."""
    context = {"fault": fault, "editing": _edits(request), "sent": request.method == "POST"}
    return render_to_string("503.html", context | _typed(request))


def _typed(request):
    """What the person had typed, as far as it may be shown again, and everything else that was sent with it.

    Only where the form was one of ours: another site could make a browser send words to a page of this one. (A report
    has no such proof; it shows nothing but its own words to whoever sent them.)"""
    report = getattr(request.resolver_match, "url_name", "") == "report"
    ours = report or getattr(request, "csrf_processing_done", False)
    if request.method != "POST" or not ours or request.FILES:
        return {}
    pairs = [(name, value) for name, values in request.POST.lists() for value in values]
    if any(_SECRET.search(name) for name, _ in pairs):
        return {}
    words = [(name, "" if report else _label(name), value) for name, value in pairs if len(value.split()) > 1]
    hidden = [(name, value) for name, value in pairs if len(value.split()) <= 1]
    return {"words": words, "hidden": hidden, "address": request.get_full_path()}


def _label(name):
    """A form field's name as a person would say it: `points-0-text` is “points 1, text”."""
    return re.sub(r"-(\d+)-", lambda found: f" {int(found[1]) + 1}, ", name).replace("_", " ").replace("-", " ")
