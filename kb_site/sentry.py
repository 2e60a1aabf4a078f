"""Reports errors to Sentry if SENTRY_DSN is set: classes, places in the code and codes, as in the log."""

from django.core.exceptions import ImproperlyConfigured

from . import logs

KEPT = ("event_id", "timestamp", "level", "platform", "sdk", "release", "environment", "server_name")
"""The only fields of an event that are sent, so that a later version of the library sends no more."""
_KEPT_OF_A_FRAME = ("filename", "function", "module", "lineno", "context_line", "in_app")


def start(dsn):
    """Report each logged error and each crash of a command to `dsn`."""
    try:
        import sentry_sdk
        from sentry_sdk.integrations import atexit, excepthook, logging
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, but the package that reports to it is not installed. Install requirements-server.txt "
            "in place of requirements.txt, or leave SENTRY_DSN out."
        ) from None
    quiet = atexit.AtexitIntegration(callback=lambda pending, timeout: None)
    try:
        sentry_sdk.init(
            dsn=dsn,
            before_send=scrubbed,
            send_default_pii=False,
            max_request_body_size="never",
            include_local_variables=False,
            max_breadcrumbs=0,
            auto_session_tracking=False,
            send_client_reports=False,
            default_integrations=False,
            auto_enabling_integrations=False,
            integrations=[logging.LoggingIntegration(level=None), excepthook.ExcepthookIntegration(), quiet],
        )
    except sentry_sdk.utils.BadDsn:  # the address is not repeated: it holds a key
        raise ImproperlyConfigured(
            "SENTRY_DSN is no address of a Sentry project. Copy it anew, or leave it out."
        ) from None


def scrubbed(event, hint):
    """The event with the fields in `KEPT` and its exceptions; None if it has no exception."""
    exceptions = []
    for link in event.get("exception", {}).get("values", []):
        frames = (link.get("stacktrace") or {}).get("frames", [])
        frames = [{name: frame[name] for name in _KEPT_OF_A_FRAME if name in frame} for frame in frames]
        exceptions.append({"type": link.get("type"), "module": link.get("module"), "stacktrace": {"frames": frames}})
    if not exceptions:
        return None
    exceptions[-1]["value"] = logs.words(hint["exc_info"][1])
    kept = {name: event[name] for name in KEPT if name in event}
    return {**kept, "exception": {"values": exceptions}, "tags": {"request": logs.request_id.get()}}
