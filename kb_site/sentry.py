"""Reports errors to Sentry if SENTRY_DSN is set, with classes, stack frames and error codes, as in the log."""

from django.core.exceptions import ImproperlyConfigured

from . import logs

EVENT_FIELDS = ("event_id", "timestamp", "level", "platform", "sdk", "release", "environment", "server_name")
"""The only fields of an event that are sent. Later versions of the library may add others."""
_FRAME_FIELDS = ("filename", "function", "module", "lineno", "context_line", "in_app")


def start(dsn):
    """Report each logged error and each crash of a command to `dsn`."""
    try:
        import sentry_sdk
        from sentry_sdk.integrations import atexit, excepthook, logging
    except ImportError:
        raise ImproperlyConfigured(
            "SENTRY_DSN is set, but sentry-sdk is not installed. Install requirements-server.txt instead of "
            "requirements.txt, or leave SENTRY_DSN out."
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
    except sentry_sdk.utils.BadDsn:  # the message does not repeat the address, which contains a key
        raise ImproperlyConfigured(
            "SENTRY_DSN is not the address of a Sentry project. Copy it again, or leave it out."
        ) from None


def scrubbed(event, hint):
    """Return the event with the fields in `EVENT_FIELDS` and its exceptions; None if it has no exception."""
    exceptions = []
    for link in event.get("exception", {}).get("values", []):
        frames = (link.get("stacktrace") or {}).get("frames", [])
        frames = [{name: frame[name] for name in _FRAME_FIELDS if name in frame} for frame in frames]
        exceptions.append({"type": link.get("type"), "module": link.get("module"), "stacktrace": {"frames": frames}})
    if not exceptions:
        return None
    exceptions[-1]["value"] = logs.safe_message(hint["exc_info"][1])
    kept = {name: event[name] for name in EVENT_FIELDS if name in event}
    return {**kept, "exception": {"values": exceptions}, "tags": {"request": logs.request_id.get()}}
