"""Middleware for headers, sessions, languages and compression."""

import gzip
import hashlib
import re

import brotli
from csp.constants import SELF
from django.conf import settings
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware
from django.db import DatabaseError
from django.urls import reverse
from django.utils import translation
from django.utils.cache import get_conditional_response, patch_vary_headers

from faq.operations import fault_pages

from . import encodings

_PERMISSIONS_POLICY = ", ".join(
    f"{feature}=()"
    for feature in ("browsing-topics", "camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)
# The headers of the page that loads these files apply to them. (An SVG file can be opened as a page of its own.)
_SUBRESOURCE = re.compile(r"text/(css|javascript)\b")
_MIN_COMPRESSED_LENGTH = 200
# Indentation of the templates. (No public page has an element in which white space counts.)
_INDENTATION = re.compile(rb"\s*\n\s*")
_TEXT = re.compile(r"text/|application/(?:[a-z]+\+)?(?:xml|json)")
# U+202A to U+202E and U+2066 to U+2069, in UTF-8 (see `faq.answers.seedfile`), and NUL.
_BIDI_CONTROLS = re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])|\0")


def admin_content_policy(get_response):
    """Allow the pages of the admin to run its own scripts, and forbid caches to store them.

    Public pages run no scripts (see CONTENT_SECURITY_POLICY)."""

    def middleware(request):
        response = get_response(request)
        if request.path.startswith(reverse("admin:index")) and not hasattr(response, "_csp_update"):
            response._csp_update = {"script-src": [SELF], "img-src": [SELF, "data:"], "connect-src": [SELF]}
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


def security_headers(get_response):
    """Set the security headers of every response, and remove cookies from responses outside of the admin.

    Some are also set by SecurityMiddleware, but not on responses to requests that an earlier middleware refuses."""
    always = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": settings.SECURE_REFERRER_POLICY}
    for_pages = {
        "Permissions-Policy": _PERMISSIONS_POLICY,
        "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    }

    def middleware(request):
        response = get_response(request)
        for name, value in always.items():
            response.headers.setdefault(name, value)
        if _SUBRESOURCE.match(response.get("Content-Type", "")):
            response._csp_exempt = True
            for name in (*for_pages, "X-Frame-Options"):
                del response.headers[name]
        else:
            for name, value in for_pages.items():
                response.headers.setdefault(name, value)
        if not request.path.startswith(reverse("admin:index")):
            response.cookies.clear()  # Django also sets a cookie to delete a broken one
        return response

    return middleware


class Sessions(SessionMiddleware):
    """Sends the response to a GET request also if the session cannot be stored, such as while the disk is full."""

    def process_response(self, request, response):
        try:
            return super().process_response(request, response)
        except (DatabaseError, SessionInterrupted) as error:
            if request.method in ("GET", "HEAD") and fault_pages.fault_of(error):
                return response
            raise


def language_from_path(get_response):
    """Activate the language that the path names (`/es/…`). The browser's languages are not considered."""

    def middleware(request):
        language = translation.get_language_from_path(request.path_info) or settings.LANGUAGE_CODE
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def remove_bidi_controls(get_response):
    """Remove invisible characters that change the direction of text from every page.

    Forms and seed files refuse them. This covers text that was stored in another way or that comes from the address. In
    a title or a meta description, no element limits the effect of such a character."""

    def middleware(request):
        response = get_response(request)
        if (
            not response.streaming
            and _TEXT.match(response.get("Content-Type", ""))
            and _BIDI_CONTROLS.search(response.content)
        ):
            response.content = _BIDI_CONTROLS.sub(b"", response.content)
            if response.has_header("Content-Length"):
                response.headers["Content-Length"] = str(len(response.content))
        return response

    return middleware


def compress_public_pages(get_response):
    """Compress public responses, set an ETag, and answer 304 to conditional requests.

    The ETag does not depend on the encoding. Other responses are not compressed: the compressed size of a page with
    secrets can reveal them."""

    def middleware(request):
        response = get_response(request)
        if response.streaming or "public" not in response.get("Cache-Control", "").split(", "):
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if response.get("Content-Type", "").startswith("text/html"):
            response.content = _INDENTATION.sub(b"\n", response.content)
        etag = f'W/"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        if len(response.content) >= _MIN_COMPRESSED_LENGTH and not response.has_header("Content-Encoding"):
            _compress(response, encodings.preferred(request.META.get("HTTP_ACCEPT_ENCODING", "")))
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["ETag"] = etag
        if response.status_code != 200:
            return response
        return get_conditional_response(request, etag=etag, response=response)

    return middleware


def _compress(response, encoding):
    if encoding == "br":
        response.content = brotli.compress(response.content, quality=5)
    elif encoding == "gzip":
        response.content = gzip.compress(response.content, compresslevel=6, mtime=0)  # the same page, the same bytes
    if encoding:
        response.headers["Content-Encoding"] = encoding
