"""The 503 page, which is sent while the database, its disk, the cache or the search index is unavailable.

`answer` handles every exception that no view caught. It recognizes a fault by the class of the exception and the error
code of the driver (`sqlite_errorname`, `sqlstate`, `errno`), and answers 500 to all other exceptions."""

import errno
import re
from dataclasses import dataclass

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from faq.search.errors import IndexBroken
from kb_site.cache import is_cache_error


@dataclass(frozen=True)
class Fault:
    """A kind of outage: a title, sentences for readers and editors, prefixes of error codes, and the Retry-After."""

    title: str
    readers: str
    editors: str
    codes: tuple = ()
    retry: int = 60


_UNAVAILABLE = _("The site cannot answer at the moment"), _("It cannot reach the place where its answers are kept.")
_READ_ONLY = _("Nothing can be stored at the moment"), _("Everything can be read as always.")

SEARCH = Fault(
    _("The search does not work at the moment"),
    _("All answers can be read as always."),
    "The search index is broken, and nothing can be published without it. To repair it, run manage.py migrate and then "
    "manage.py rebuild_search.",
    ("SQLITE_CORRUPT_VTAB",),
)
AWAY = Fault(
    *_UNAVAILABLE,
    "The database does not answer, or it cannot be read.",
    (
        *("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_NOTADB", "SQLITE_CORRUPT"),
        *("08", "28", "3D", "53200", "53300", "57P", "58", "XX"),
    ),
)
DISK = Fault(
    *_READ_ONLY,
    "The disk that holds the database is full, or the database is read-only.",
    ("SQLITE_FULL", "SQLITE_READONLY", "25006", "53"),
)
BUSY = Fault(
    *_READ_ONLY,
    "Another change took so long that this one was cancelled.",
    ("SQLITE_BUSY", "SQLITE_LOCKED", "40", "55P03", "57014"),
    retry=10,
)
CACHE = Fault(
    *_UNAVAILABLE,
    "The cache does not answer. Failed log-ins are counted there, so nobody can log in until it does. If you are "
    "logged in already, you can go on.",
)
_BY_ERRNO = {errno.ENOSPC: DISK, errno.EDQUOT: DISK, errno.EROFS: DISK, errno.EIO: AWAY}
_SECRET = re.compile(r"password|passwd|code|otp", re.IGNORECASE)


def fault_of(error: BaseException | None) -> Fault | None:
    """Return the fault that caused this exception or one in its `__context__` chain, or None."""
    while error:
        if fault := _fault(error):
            return fault
        error = error.__context__
    return None


def _fault(error):
    if isinstance(error, IndexBroken):
        return SEARCH
    if is_cache_error(error):
        return CACHE
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno)
    code = getattr(error.__cause__, "sqlite_errorname", None) or getattr(error.__cause__, "sqlstate", "")
    if isinstance(error, OperationalError | InterfaceError) and code is None:
        return AWAY  # psycopg has no code if the connection failed
    faults = (SEARCH, AWAY, DISK, BUSY) if isinstance(error, Error) and code else ()
    return next((fault for fault in faults if code.startswith(fault.codes)), None)


def answer(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """Return the 503 page if a fault is recognized, else the 500 page."""
    fault = fault_of(error)
    with translation.override(translation.get_language_from_path(request.path_info) or settings.LANGUAGE_CODE):
        if fault is None:
            return HttpResponse(render_to_string("500.html"), status=500)
        editing = request.path_info.startswith(reverse("admin:index"))
        page = _topics_page(request) if fault is SEARCH and not editing else None
        context = {"fault": fault, "editing": editing, "sent": request.method == "POST"}
        page = page or render_to_string("503.html", context | _submitted(request))
    return HttpResponse(page, status=503, headers={"Retry-After": str(fault.retry), "Cache-Control": "no-store"})


def _topics_page(request):
    """Return a page with all topics, to find answers without the search; None if the database cannot be read."""
    from faq.models import Question, Topic

    topics = Topic.objects.filter(questions__in=Question.objects.public()).distinct()
    try:
        return render_to_string("faq/search_gone.html", {"topics": list(topics), "fault": SEARCH}, request)
    except Error:
        return None


def _submitted(request):
    """Return the submitted form as context, so that the page can offer to submit it again.

    Values of several words are `visible`, all others `hidden`. Forms with passwords or codes are left out, and forms
    without a valid CSRF token, which another site could have submitted. (Reports have no token.)"""
    report = getattr(request.resolver_match, "url_name", "") == "report"
    ours = report or getattr(request, "csrf_processing_done", False)
    if request.method != "POST" or not ours or request.FILES or any(map(_SECRET.search, request.POST)):
        return {}
    pairs = [(name, value) for name, values in request.POST.lists() for value in values]
    visible = [(name, "" if report else _label(name), value) for name, value in pairs if len(value.split()) > 1]
    hidden = [(name, value) for name, value in pairs if len(value.split()) <= 1]
    return {"visible": visible, "hidden": hidden, "address": request.get_full_path()}


def _label(name):
    """Return a label for a field name: `points-0-text` becomes “points 1, text”."""
    return re.sub(r"-(\d+)-", lambda match: f" {int(match[1]) + 1}, ", name).replace("_", " ").replace("-", " ")
