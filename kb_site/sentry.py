"""Errors to Sentry, where an operator has set SENTRY_DSN: the kind, the places in the code, and no word of a reader.

What leaves is chosen (`KEPT`) and not struck out: a later version of the library that collects more sends no more.
"""

from django.core.exceptions import ImproperlyConfigured

from . import logs

KEPT = ("event_id", "timestamp", "level", "platform", "sdk", "release", "environment", "server_name")
_OF_A_FRAME = ("filename", "function", "module", "lineno", "context_line", "in_app")


def start(dsn):
    """Report errors to `dsn` from now on."""
    try:
        import sentry_sdk
        from sentry_sdk.integrations import atexit, dedupe, django, excepthook, logging
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, but the package that reports to it is not installed. Install requirements-server.txt "
            "in place of requirements.txt, or leave SENTRY_DSN out."
        ) from None
    try:
        sentry_sdk.init(
            dsn=dsn,
            before_send=scrubbed,
            before_send_transaction=lambda event, hint: None,
            send_default_pii=False,
            max_request_body_size="never",
            include_local_variables=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            # The others would put headers into visits to the sources' addresses, or collect what is not needed.
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[
                django.DjangoIntegration(middleware_spans=False, signals_spans=False),
                logging.LoggingIntegration(level=None, event_level="ERROR"),
                excepthook.ExcepthookIntegration(),
                dedupe.DedupeIntegration(),
                atexit.AtexitIntegration(callback=lambda pending, timeout: None),
            ],
        )
    except sentry_sdk.utils.BadDsn:
        raise ImproperlyConfigured(  # the address is not repeated: it holds a key
            "SENTRY_DSN is no address of a Sentry project. Copy it anew, or leave it out."
        ) from None


def scrubbed(event, hint):
    """The event with what is `KEPT`, and of its exceptions what the log has; None for mere words."""
    exceptions = [
        {
            "type": link.get("type"),
            "module": link.get("module"),
            "value": logs.telling(link.get("module") or "", link.get("value") or ""),
            "stacktrace": {
                "frames": [
                    {name: frame[name] for name in _OF_A_FRAME if name in frame}
                    for frame in (link.get("stacktrace") or {}).get("frames", [])
                ]
            },
        }
        for link in event.get("exception", {}).get("values", [])
    ]
    if not exceptions:
        return None
    kept = {name: event[name] for name in KEPT if name in event}
    return kept | {"exception": {"values": exceptions}, "tags": {"request": logs.current_request()}}
