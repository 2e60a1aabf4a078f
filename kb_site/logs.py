"""Logging: JSON or text lines for operators, without personal data of readers.

A line contains no address, query string, request header, form value or token. There is no access log: a request to a
public page is logged only if it failed or was slow, and by the name of its route. During a request, an exception is
logged with its class, its stack frames, and the error code of the driver or the system, but without its message, which
may quote the reader.

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
"""Milliseconds from which a request is logged as slow."""
FORMATS = ("json", "text")

_ROOT = f"{Path(__file__).resolve().parent.parent}/"
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
# URL arguments that identify a row, and the values that are logged. Tokens, such as a draft's, are never logged.
_URL_ARGUMENTS = {name: re.compile(r"[0-9]{1,19}") for name in ("number", "edition", "object_id", "pk")}
_URL_ARGUMENTS["collection"] = re.compile(r"[-\w]{1,50}", re.ASCII)

logger = logging.getLogger("kb_site")
request_id = ContextVar("request_id", default="")


def configuration(style):
    """Return the LOGGING setting for lines in `style`, one of FORMATS. As text, only warnings and errors are logged."""
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
    """One JSON object a line, in ASCII, so that no value can end the line or control a terminal."""

    def add_fields(self, log_data, record, message_dict):
        log_data.update(fields(record))


class TextFormatter(logging.Formatter):
    """The same fields as text; the stack frames of an error follow on lines of their own."""

    def format(self, record):
        values = fields(record)
        time, level, name, message = (values.pop(key) for key in ("time", "level", "logger", "message"))
        lines = [f"{time[:19]} {level} {name}: {message}"]
        for error in values.pop("error", []):
            lines += [f"    {frame}" for frame in error["at"]]
            lines.append(f"  {error['kind']}: {error.get('message', '(not logged)')}")
        lines[0] += "".join(f" {key}={json.dumps(value, default=str)}" for key, value in values.items())
        return "\n".join("".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line) for line in lines)


def fields(record):
    """Return a log record as a dict: time, level, logger, message, request, error, and the `fields` in `extra`."""
    message, request = record.getMessage(), getattr(record, "request", None)
    values = dict(getattr(record, "fields", {}))
    if record.name.startswith("django.") and hasattr(request, "method"):  # Django's message contains the address
        status = getattr(record, "status_code", 500)
        message = f"answered {status} {HTTPStatus(status).phrase}"
        if record.name.startswith("django.security."):
            message = f"refused: {record.name.rpartition('.')[2]}"
        values |= {"status": status, "method": request.method, **_route(request)}
    if request_id.get():
        values["request"] = request_id.get()
    if record.exc_info and record.exc_info[1]:
        values["error"] = _errors(record.exc_info[1])
    return {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": message[:500],
        **values,
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
            _log_request(request, response.status_code, round((time.perf_counter() - start) * 1000))
        finally:
            request_id.reset(token)
        if "public" not in response.get("Cache-Control", "").split(", "):
            response.headers["X-Request-ID"] = request.id
        return response

    return middleware


def catch_errors(application):
    """Wrap the WSGI application: log an exception that was raised outside of Django, and answer 500."""

    def wrapped(environ, start_response):
        try:
            return application(environ, start_response)
        except Exception:
            token = request_id.set(uuid4().hex)
            logger.exception("failed outside of Django", extra={"fields": {"status": 500}})
            request_id.reset(token)
            start_response("500 Internal Server Error", [("Content-Type", "text/plain"), ("Cache-Control", "no-store")])
            return [b"Something went wrong here. It has been noted. Please try again later.\n"]

    return wrapped


def serve():
    """Log to stdout instead of stderr, and log the versions and settings with which the server started."""
    import platform
    import tomllib

    import django
    from django.conf import settings

    for handler in logging.getLogger().handlers:
        if handler.name == "console":
            handler.setStream(sys.stdout)
    values = {
        "version": tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"],
        "code": str(settings.BASE_DIR),
        "python": platform.python_version(),
        "django": django.get_version(),
        "database": settings.DATABASES["default"]["ENGINE"].rpartition(".")[2],
        "cache": settings.CACHES["default"]["BACKEND"].rpartition(".")[2],
        "hosts": settings.ALLOWED_HOSTS,
        **{name.lower(): getattr(settings, name) for name in ("TLS", "PROXY", "SECOND_FACTOR", "DEBUG")},
        "sentry": bool(settings.SENTRY_DSN),
    }
    logger.info("started", extra={"fields": values})


def safe_message(error):
    """Return the message of an exception. During a request, return only an error code or a message that cannot quote
    the reader, or ""."""
    if not request_id.get():
        return str(error)[:500]
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return error.strerror or ""
    driver = error.__cause__ if type(error).__module__.startswith("django.db.") else error
    code = getattr(driver, "sqlite_errorname", None) or getattr(driver, "sqlstate", "")
    # psycopg has no code if the connection failed; the message then names the server, and no query.
    return str(driver)[:500] if code is None and type(driver).__name__ == "OperationalError" else code or ""


def _log_request(request, status, ms):
    values = {"status": status, "method": request.method, **_route(request), "ms": ms}
    if request.method not in ("GET", "HEAD", "OPTIONS", "TRACE") and values["route"].startswith("admin:"):
        # Read without a query: `user` is set at a log-in, `_cached_user` when Django has loaded the account.
        users = (vars(request).get(name) for name in ("user", "_cached_user"))
        values["user"] = next((user.pk for user in users if type(user).__name__ == "User"), None)
        logger.log(logging.INFO if status < 400 else logging.WARNING, "admin", extra={"fields": values})
    elif status == HTTPStatus.TOO_MANY_REQUESTS:
        logger.warning("refused: too many", extra={"fields": values})
    elif ms >= SLOW:
        logger.warning("slow", extra={"fields": values})


def _route(request):
    """Return the name of the URL pattern, and the arguments that identify a row."""
    match = getattr(request, "resolver_match", None)
    if match is None:
        return {"route": ""}
    row = {
        name: match.kwargs[name]
        for name, value in _URL_ARGUMENTS.items()
        if value.fullmatch(str(match.kwargs.get(name, "")))
    }
    return {"route": match.view_name or "", **({"of": row} if row else {})}


def _errors(error):
    """Return the exception and its causes, outermost first, each as `{kind, message, at}`."""
    errors, seen = [], set()
    while error and error not in seen:
        seen.add(error)
        kind, message, frames = type(error), safe_message(error), traceback.extract_tb(error.__traceback__)
        name = kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
        errors.append({"kind": name, **({"message": message} if message else {}), "at": _frames(frames)})
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return errors


def _frames(frames):
    """Return the innermost frames and the project's own ones, at most 40, each as `file:line function: source`."""
    lines = []
    for depth, frame in enumerate(reversed(frames)):
        own = frame.filename.startswith(_ROOT) and "/site-packages/" not in frame.filename
        if own or depth < 8:
            name = frame.filename.removeprefix(_ROOT).rpartition("site-packages/")[2]
            lines.insert(0, f"{name}:{frame.lineno} {frame.name}: {frame.line}"[:200])
    return lines[-40:]
