"""The WSGI application that the web server runs."""

import os
import re

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from . import logs, private, proxies, sqlite_file

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb_site.settings")

_CHARSET = re.compile(r"""\s*;\s*charset\s*=\s*(?!["']?utf-?8\b)[^;]*""", re.IGNORECASE)


def utf8_only(application):
    """Read addresses and forms as UTF-8, whatever a request's header claims: Django answers 500 to a charset, such as
    “base64”, that is none for text, before any middleware is asked."""

    def wrapped(environ, start_response):
        if "charset" in environ.get("CONTENT_TYPE", "").lower():
            environ["CONTENT_TYPE"] = _CHARSET.sub("", environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return wrapped


application = utf8_only(get_wsgi_application())
sqlite_file.use_existing()
if settings.KEEP_PAGES:
    from faq.models import content_version

    from .page_cache import Kept

    application = Kept(application, content_version.current)
if settings.FORWARDED:
    application = proxies.forwarded(application)
application = logs.guarded(application)
private.tighten(settings.VAR_DIR)
logs.serve()
