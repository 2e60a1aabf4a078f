"""The WSGI application that the web server runs."""

import os
import re

from django.conf import settings
from django.core.wsgi import get_wsgi_application

from . import logs, private, proxies, sqlite_file

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb_site.settings")

_CHARSET = re.compile(r"""\s*;\s*charset\s*=\s*(?!["']?utf-?8\b)[^;]*""", re.IGNORECASE)


def utf8_only(application):
    """Remove any other charset than UTF-8 from the Content-Type header of requests.

    Django decodes addresses and forms with that charset before any middleware runs, and answers 500 if it is not one
    for text, such as “base64”."""

    def wrapped(environ, start_response):
        if "charset" in environ.get("CONTENT_TYPE", "").lower():
            environ["CONTENT_TYPE"] = _CHARSET.sub("", environ["CONTENT_TYPE"])
        return application(environ, start_response)

    return wrapped


application = utf8_only(get_wsgi_application())
sqlite_file.use_existing()
if settings.KEEP_PAGES:
    from faq.models import content_version

    from .page_cache import PageCache

    application = PageCache(application, content_version.current)
if settings.FORWARDED:
    application = proxies.forwarded(application)
application = logs.catch_errors(application)
private.tighten(settings.VAR_DIR)
logs.serve()
