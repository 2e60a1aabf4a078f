"""The 503 page, for when the database, its disk, the cache or the search index is unavailable.

`answer` is called for each exception that no view handled. It recognizes a fault by the class of the exception and by
the code of the driver (`sqlite_errorname`, `sqlstate`, `errno`); every other exception is answered with 500."""

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
    """A title and a sentence for readers, a sentence for editors, the seconds for Retry-After, and driver codes.

    A code matches if it begins with one of `codes`."""

    title: str
    readers: str
    editors: str
    codes: tuple = ()
    retry: int = 60


_AWAY = _("The site cannot answer at the moment"), _("It cannot reach the place where its answers are kept.")
_UNSAVED = _("Nothing can be stored at the moment"), _("Everything can be read as always.")

SEARCH = Fault(
    _("The search does not work at the moment"),
    _("All answers can be read as always."),
    "The search index is broken, and nothing can be published without it. To repair it, run manage.py migrate and then "
    "manage.py rebuild_search.",
    ("SQLITE_CORRUPT_VTAB",),
)
AWAY = Fault(
    *_AWAY,
    "The database does not answer, or it cannot be read.",
    (
        *("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR", "SQLITE_NOTADB", "SQLITE_CORRUPT"),
        *("08", "28", "3D", "53200", "53300", "57P", "58", "XX"),
    ),
)
DISK = Fault(
    *_UNSAVED,
    "The disk that holds the database is full, or the database is read-only.",
    ("SQLITE_FULL", "SQLITE_READONLY", "25006", "53"),
)
BUSY = Fault(
    *_UNSAVED,
    "Another change takes so long that this one had to give up.",
    ("SQLITE_BUSY", "SQLITE_LOCKED", "40", "55P03", "57014"),
    retry=10,
)
CACHE = Fault(
    *_AWAY,
    "The cache does not answer. Failed log-ins are counted there, so nobody can log in until it does. If you are "
    "logged in already, you can go on.",
)
_BY_ERRNO = {errno.ENOSPC: DISK, errno.EDQUOT: DISK, errno.EROFS: DISK, errno.EIO: AWAY}
_SECRET = re.compile(r"password|passwd|code|otp", re.IGNORECASE)


def fault_of(error: BaseException | None) -> Fault | None:
    """The fault that caused this exception or an earlier one, during which it was raised; else None."""
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
        return AWAY  # psycopg has no code if the server said nothing
    known = (SEARCH, AWAY, DISK, BUSY) if isinstance(error, Error) and code else ()
    return next((fault for fault in known if code.startswith(fault.codes)), None)


def answer(request: HttpRequest, error: BaseException | None) -> HttpResponse:
    """The 503 page for a known fault, else the 500 page."""
    fault = fault_of(error)
    with translation.override(translation.get_language_from_path(request.path_info) or settings.LANGUAGE_CODE):
        if fault is None:
            return HttpResponse(render_to_string("500.html"), status=500)
        editing = request.path_info.startswith(reverse("admin:index"))
        page = _topics_page(request) if fault is SEARCH and not editing else None
        context = {"fault": fault, "editing": editing, "sent": request.method == "POST"}
        page = page or render_to_string("503.html", context | _typed(request))
    return HttpResponse(page, status=503, headers={"Retry-After": str(fault.retry), "Cache-Control": "no-store"})


def _topics_page(request):
    """The topics, which lead to the answers without the search; None if the database cannot be read either."""
    from faq.models import Question, Topic

    topics = Topic.objects.filter(questions__in=Question.objects.public()).distinct()
    try:
        return render_to_string("faq/search_gone.html", {"topics": list(topics), "fault": SEARCH}, request)
    except Error:
        return None


def _typed(request):
    """The form that was sent, for a new one that sends it again: `words` are shown, `hidden` is not.

    Only for forms of this site (another site must not put words on a page of this one), and never for passwords. A
    report has no CSRF token; its page shows nothing but its own words to the person who sent them."""
    report = getattr(request.resolver_match, "url_name", "") == "report"
    ours = report or getattr(request, "csrf_processing_done", False)
    if request.method != "POST" or not ours or request.FILES or any(map(_SECRET.search, request.POST)):
        return {}
    pairs = [(name, value) for name, values in request.POST.lists() for value in values]
    words = [(name, "" if report else _label(name), value) for name, value in pairs if len(value.split()) > 1]
    hidden = [(name, value) for name, value in pairs if len(value.split()) <= 1]
    return {"words": words, "hidden": hidden, "address": request.get_full_path()}


def _label(name):
    """The label of a field: `points-0-text` is “points 1, text”."""
    return re.sub(r"-(\d+)-", lambda found: f" {int(found[1]) + 1}, ", name).replace("_", " ").replace("-", " ")
