"""Logs: one line for each thing that an operator can act on, and nothing about readers.

Written are: starts (and with which settings), requests that change something in the admin, what was refused, slow
requests, and errors with the places in the code that led to them. A line holds no address, no query string, no header
of a browser, nothing that was typed, and no token; there is no access log. Reading a public page leaves no line at all
unless it failed or took long, and such a line names the page and not who asked.

Of an exception during a request the log has its kind and its places, and its words only where they cannot quote what
somebody typed (`_TELLING`): a database names in its complaints the very words that were searched for.

Nothing here needs Django to be imported, so that granian's own lines can be written by the same formatter.
"""

import json
import logging
import re
import sys
import time
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

SLOW = 1000
"""Milliseconds from which on a request is worth a line."""
FORMATS = ("json", "text")

_ROOT = f"{Path(__file__).resolve().parent.parent}/"
_INNERMOST = 8  # of the places of an exception, beside those in our own code: a line is not to grow without end
_LONGEST = 500
_WELL_FORMED = re.compile(r"[0-9A-Za-z-]{8,64}")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS", "TRACE")
# Which answer or row a line is about. Other parts of an address, such as the token of a link to a draft, stay out; so
# does what anybody may type there that is no row's key.
_SPEAKING = ("collection", "number", "edition", "object_id", "pk")
_KEY = re.compile(r"[-\w]{1,50}", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,19}")
# How a database begins when it says what an operator has to mend. No part of what is kept comes from a request.
_TELLING = re.compile(
    r"(?:FATAL: +|consuming input failed: )?(?:"
    r"unable to open database file|database is locked|database or disk is full|disk I/O error"
    r"|attempt to write a readonly database|database disk image is malformed|no such table: \w+"
    r"|connection (?:is bad|failed|timeout|to server).{0,250}|the connection is (?:closed|lost)"
    r"|server closed the connection|terminating connection[\w ]{0,80}"
    r"|remaining connection slots[\w ]{0,80}|sorry, too many clients already"
    r"|the database system is [\w ]{0,40}|canceling statement due to [\w ]{0,40}"
    r"|could not extend file|deadlock detected"
    r")",
    re.DOTALL,
)
_OF_DATABASES = ("django.db.", "sqlite3", "psycopg")

logger = logging.getLogger("kb_site")
_request = ContextVar("request", default="")


def configuration(style):
    """The value of LOGGING for lines in `style`, one of FORMATS. People at a terminal see warnings and errors only."""
    formatter = {"json": JsonFormatter, "text": TextFormatter}[style]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": formatter}},
        "handlers": {"console": {"()": Console, "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "kb_site": {"level": "INFO" if style == "json" else "WARNING"},
            # Django would add handlers of its own: one that prints in another format, and one that sends mail.
            "django": {"handlers": [], "level": "WARNING", "propagate": True},
            # Says which pages were not found and who asked for an unknown host: nothing that an operator can mend.
            "django.request": {"level": "ERROR"},
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "axes": {"level": "CRITICAL"},  # names who failed to log in
        },
    }


class Console(logging.StreamHandler):
    """Writes to stderr, where a command's own output is not; once the site serves, to stdout."""

    serving = False

    def __init__(self):
        logging.Handler.__init__(self)
        self._other = None

    @property
    def stream(self):
        return self._other or (sys.stdout if Console.serving else sys.stderr)

    @stream.setter
    def stream(self, other):
        self._other = other if other not in (sys.stdout, sys.stderr) else None


class JsonFormatter(logging.Formatter):
    """One JSON object a line, in ASCII: whatever is in it, it neither ends the line nor steers a terminal."""

    def format(self, record):
        return json.dumps(facts(record), default=str)


class TextFormatter(logging.Formatter):
    """The same facts for people at a terminal; a traceback over several lines."""

    def format(self, record):
        known = facts(record)
        error = known.pop("error", [])
        head = f"{known.pop('time')[:19].replace('T', ' ')} {known.pop('level')}"
        words = _plain(f"{known.pop('logger')}: {known.pop('message')}")
        rest = [f"{name}={json.dumps(value, default=str)}" for name, value in known.items()]
        lines = [" ".join([head, words, *rest])]
        for link in error:
            lines += [f"    {_plain(place)}" for place in link["at"]]
            lines.append(f"  {link['kind']}: {_plain(link.get('message', '(its words may quote a reader)'))}")
        return "\n".join(lines)


def facts(record):
    """A log record as a dictionary: time, level, logger, message, and what else is known."""
    known = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record)[:_LONGEST],
        **getattr(record, "facts", {}),
    }
    request = getattr(record, "request", None)
    if request is not None and hasattr(request, "method"):
        known |= {"status": getattr(record, "status_code", None), "method": request.method, **_place(request)}
    if _request.get():
        known["request"] = _request.get()
    if record.exc_info and record.exc_info[1]:
        known["error"] = _chain(record.exc_info[1], quiet=bool(_request.get()))
    return known


def requests(get_response):
    """Give each request an id, which a response that is not public bears, and write down what is worth a line.

    Public responses bear none: they are the same for every reader, and kept and passed on by caches."""

    def middleware(request):
        request.id = _id(request)
        token = _request.set(request.id)
        start = time.perf_counter()
        try:
            response = get_response(request)
            _tell(request, response.status_code, round((time.perf_counter() - start) * 1000))
        finally:
            _request.reset(token)
        if "public" not in response.get("Cache-Control", "").split(", "):
            response.headers["X-Request-ID"] = request.id
        return response

    return middleware


def guarded(application):
    """The outermost WSGI application. What fails outside of Django gets a line like any other error, and an answer."""

    def wrapped(environ, start_response):
        try:
            return application(environ, start_response)
        except Exception:
            token = _request.set(uuid4().hex)
            logger.exception("failed outside of Django", extra={"facts": {"status": 500}})
            _request.reset(token)
            start_response("500 Internal Server Error", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
            return [b"Something went wrong here. It has been noted. Please try again later.\n"]

    return wrapped


def serve():
    """From now on the lines go to stdout; the first one says what has been started, with which settings."""
    import platform
    import tomllib

    import django
    from django.conf import settings

    Console.serving = True
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]
    known = {
        "version": project["version"],
        "code": str(settings.BASE_DIR),
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        "cache": settings.CACHES["default"]["BACKEND"].rpartition(".")[2],
        "hosts": settings.ALLOWED_HOSTS,
        "tls": settings.TLS,
        "proxy": settings.PROXY,
        "second_factor": settings.SECOND_FACTOR,
        "debug": settings.DEBUG,
        "sentry": bool(settings.SENTRY_DSN),
    }
    logger.info("started", extra={"facts": known})


def current_request():
    """The id of the request that is being answered, or nothing."""
    return _request.get()


def _id(request):
    """The id that our own proxy gave, else a new one: what a client sends is not believed."""
    from django.conf import settings

    given = request.META.get("HTTP_X_REQUEST_ID", "") if settings.PROXY else ""
    return given if _WELL_FORMED.fullmatch(given) else uuid4().hex


def _tell(request, status, ms):
    place = _place(request)
    known = {"status": status, "method": request.method, **place, "ms": ms}
    if request.method not in _SAFE_METHODS and place["route"].startswith("admin:"):
        level = logging.INFO if status < 400 else logging.WARNING
        logger.log(level, "admin", extra={"facts": known | {"user": _user(request)}})
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        logger.warning("refused: too many", extra={"facts": known})
    elif ms >= SLOW:
        logger.warning("slow", extra={"facts": known})


def _user(request):
    """The number of the account, or None; never a name. No query is made for it."""
    known = getattr(request, "_cached_user", None)
    user = vars(request).get("user")
    if type(user).__name__ == "User":  # who has logged in by this request
        known = user
    return getattr(known, "pk", None)


def _place(request):
    """Which page a request is for, by the name of its route and the numbers in it."""
    match = getattr(request, "resolver_match", None)
    if match is None:
        return {"route": ""}
    named = {name: match.kwargs[name] for name in _SPEAKING if _names_a_row(name, str(match.kwargs.get(name, "")))}
    return {"route": match.view_name or "", **({"of": named} if named else {})}


def _names_a_row(name, value):
    return (_KEY if name == "collection" else _NUMBER).fullmatch(value)


def _message(record):
    """What happened, without the address that Django puts into it, or the header that it quotes."""
    if not record.name.startswith("django.") or not hasattr(record, "request"):
        return record.getMessage()
    if record.name.startswith("django.security."):
        return f"refused: {record.name.rpartition('.')[2]}"
    status = getattr(record, "status_code", 500)
    return f"answered {status} {HTTPStatus(status).phrase}"


def _chain(error, quiet):
    """An exception and what led to it, outermost first: `{kind, message, at}` each."""
    links, seen = [], set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = type(error)
        link = {"kind": kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"}
        if words := _words(error, quiet):
            link["message"] = words
        link["at"] = _places(traceback.extract_tb(error.__traceback__))
        links.append(link)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return links


def _words(error, quiet):
    if not quiet:
        return str(error)[:_LONGEST]
    if isinstance(error, OSError) and error.strerror and isinstance(error.errno, int):
        return f"[Errno {error.errno}] {error.strerror}"[:_LONGEST]
    return telling(type(error).__module__, str(error))


def telling(module, words):
    """So much of an exception's words as an operator needs and cannot quote a reader; often nothing."""
    found = module.startswith(_OF_DATABASES) and _TELLING.match(words)
    return found[0] if found else ""


def _places(frames):
    """Where an exception came through: all of our own code, and the end of the way."""
    before = frames[:-_INNERMOST]
    ours = [frame for frame in before if frame.filename.startswith(_ROOT) and "site-packages" not in frame.filename]
    return [_frame(frame) for frame in [*ours[-4 * _INNERMOST :], *frames[-_INNERMOST:]]]


def _frame(frame):
    name = frame.filename.removeprefix(_ROOT).rpartition("site-packages/")[2]
    return f"{name}:{frame.lineno} {frame.name}: {frame.line}"[:200]


def _plain(text):
    """Without line ends and what steers a terminal."""
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)
