"""Logging: JSON or text lines for operators, without personal data of readers.

A line has no address, query string, browser header, typed text or token. There is no access log: a public page is
logged only if it failed or was slow, by the name of its route. During a request, an exception is logged by its class,
the places in the code, and the code of the driver or the system; its message may quote a reader and is left out.

Granian's main process uses `JsonFormatter` too, so this module imports Django only inside functions.
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

from pythonjsonlogger.json import JsonFormatter as BaseJsonFormatter

SLOW = 1000
"""Milliseconds from which on a request is logged."""
FORMATS = ("json", "text")

_ROOT = f"{Path(__file__).resolve().parent.parent}/"
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
# The parts of an address that name a row, and the values that they may have. A draft's token is not among them.
_ROW = {name: re.compile(r"[0-9]{1,19}") for name in ("number", "edition", "object_id", "pk")}
_ROW["collection"] = re.compile(r"[-\w]{1,50}", re.ASCII)

logger = logging.getLogger("kb_site")
request_id = ContextVar("request_id", default="")


def configuration(style):
    """The value of LOGGING for lines in `style`, one of FORMATS. Text lines are warnings and errors only."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": {"json": JsonFormatter, "text": TextFormatter}[style]}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": "WARNING"},
        "loggers": {
            "kb_site": {"level": "INFO" if style == "json" else "WARNING"},
            "django": {"handlers": [], "level": "WARNING", "propagate": True},
            "django.request": {"level": "ERROR"},  # not each page that was not found
            "django.security.DisallowedHost": {"level": "CRITICAL"},
            "axes": {"level": "CRITICAL"},  # logs the names of failed log-ins
        },
    }


class JsonFormatter(BaseJsonFormatter):
    """One JSON object a line, in ASCII, so that nothing in it can end the line or control a terminal."""

    def add_fields(self, log_data, record, message_dict):
        log_data.update(facts(record))


class TextFormatter(logging.Formatter):
    """The same facts as text, with an error on lines of its own."""

    def format(self, record):
        known = facts(record)
        time, level, name, message = (known.pop(key) for key in ("time", "level", "logger", "message"))
        lines = [f"{time[:19]} {level} {name}: {message}"]
        for link in known.pop("error", []):
            lines += [f"    {place}" for place in link["at"]]
            lines.append(f"  {link['kind']}: {link.get('message', '(not logged)')}")
        lines[0] += "".join(f" {key}={json.dumps(value, default=str)}" for key, value in known.items())
        return "\n".join("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line) for line in lines)


def facts(record):
    """A log record as a dictionary: time, level, logger, message, and `extra={"facts": {…}}`."""
    message, request = record.getMessage(), getattr(record, "request", None)
    known = {}
    if record.name.startswith("django.") and hasattr(request, "method"):  # the message of Django has the address
        status = getattr(record, "status_code", 500)
        message = f"answered {status} {HTTPStatus(status).phrase}"
        if record.name.startswith("django.security."):
            message = f"refused: {record.name.rpartition('.')[2]}"
        known = {"status": status, "method": request.method, **_place(request)}
    if request_id.get():
        known["request"] = request_id.get()
    if record.exc_info and record.exc_info[1]:
        known["error"] = _chain(record.exc_info[1])
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": message[:500],
        **getattr(record, "facts", {}),
        **known,
    }


def requests(get_response):
    """Middleware that gives each request an id and logs changes in the admin, refusals and slow requests.

    The response has the id as X-Request-ID, unless it is public and the same for all readers."""
    from django.conf import settings

    def middleware(request):
        given = request.META.get("HTTP_X_REQUEST_ID", "") if settings.PROXY else ""
        request.id = given if _REQUEST_ID.fullmatch(given) else uuid4().hex
        token, start = request_id.set(request.id), time.perf_counter()
        try:
            response = get_response(request)
            _log(request, response.status_code, round((time.perf_counter() - start) * 1000))
        finally:
            request_id.reset(token)
        if "public" not in response.get("Cache-Control", "").split(", "):
            response.headers["X-Request-ID"] = request.id
        return response

    return middleware


def guarded(application):
    """The outermost WSGI application: logs an exception outside of Django, and answers 500."""

    def wrapped(environ, start_response):
        try:
            return application(environ, start_response)
        except Exception:
            token = request_id.set(uuid4().hex)
            logger.exception("failed outside of Django", extra={"facts": {"status": 500}})
            request_id.reset(token)
            start_response("500 Internal Server Error", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
            return [b"Something went wrong here. It has been noted. Please try again later.\n"]

    return wrapped


def serve():
    """Log to stdout from now on, beginning with the versions and the settings that the site has started with."""
    import platform
    import tomllib

    import django
    from django.conf import settings

    for handler in logging.getLogger().handlers:
        if handler.name == "console":  # commands log to stderr, since stdout has their own output
            handler.setStream(sys.stdout)
    names = ("TLS", "PROXY", "SECOND_FACTOR", "DEBUG")
    known = {
        "version": tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"],
        "code": str(settings.BASE_DIR),
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        "cache": settings.CACHES["default"]["BACKEND"].rpartition(".")[2],
        "hosts": settings.ALLOWED_HOSTS,
        **{name.lower(): getattr(settings, name) for name in names},
        "sentry": bool(settings.SENTRY_DSN),
    }
    logger.info("started", extra={"facts": known})


def words(error):
    """The message of an exception; during a request only a code or a message that cannot quote the reader, or ""."""
    if not request_id.get():
        return str(error)[:500]
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return error.strerror or ""
    driver = error.__cause__ if type(error).__module__.startswith("django.db.") else error
    code = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", "")
    # Without a code, psycopg could not reach the server: it names the server, and no query.
    return str(driver)[:500] if code is None and type(driver).__name__ == "OperationalError" else code or ""


def _log(request, status, ms):
    place = _place(request)
    known = {"status": status, "method": request.method, **place, "ms": ms}
    if request.method not in ("GET", "HEAD", "OPTIONS", "TRACE") and place["route"].startswith("admin:"):
        # Without a query: the user that has just logged in, else the one that Django has loaded.
        users = (vars(request).get(name) for name in ("user", "_cached_user"))
        user = next((user.pk for user in users if type(user).__name__ == "User"), None)
        level = logging.INFO if status < 400 else logging.WARNING
        logger.log(level, "admin", extra={"facts": {**known, "user": user}})
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        logger.warning("refused: too many", extra={"facts": known})
    elif ms >= SLOW:
        logger.warning("slow", extra={"facts": known})


def _place(request):
    """The route's name, and the row that the address names."""
    match = getattr(request, "resolver_match", None)
    if match is None:
        return {"route": ""}
    row = {name: match.kwargs[name] for name, key in _ROW.items() if key.fullmatch(str(match.kwargs.get(name, "")))}
    return {"route": match.view_name or "", **({"of": row} if row else {})}


def _chain(error):
    """The exception and its causes, outermost first, each as `{kind, message, at}`."""
    links, seen = [], set()
    while error and error not in seen and not seen.add(error):
        kind, message, frames = type(error), words(error), traceback.extract_tb(error.__traceback__)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        links.append({"kind": name, **({"message": message} if message else {}), "at": _places(frames)})
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return links


def _places(frames):
    """The project's own frames and the innermost ones, each as `file:line function: source`."""
    ours = [
        frame for frame in frames[:-8] if frame.filename.startswith(_ROOT) and "/site-packages/" not in frame.filename
    ]
    names = [
        (frame.filename.removeprefix(_ROOT).rpartition("site-packages/")[2], frame)
        for frame in ours[-32:] + frames[-8:]
    ]
    return [f"{name}:{frame.lineno} {frame.name}: {frame.line}"[:200] for name, frame in names]
