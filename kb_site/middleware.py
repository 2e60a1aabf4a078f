"""Middleware of this site."""

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

_NOTHING = ", ".join(
    f"{feature}=()"
    for feature in ("browsing-topics", "camera", "display-capture", "geolocation", "microphone", "payment", "usb")
)
# Loaded by a page, whose own headers count. (A picture in SVG can be opened as a page of its own.)
_PART_OF_A_PAGE = re.compile(r"text/(css|javascript)\b")
# Text that is shorter than this gains nothing.
_WORTH_COMPRESSING = 200
# Templates are indented for people. (No public page has an element in which white space counts.)
_INDENTATION = re.compile(rb"\s*\n\s*")
_TEXT = re.compile(r"text/|application/(?:[a-z]+\+)?(?:xml|json)")
# U+202A to U+202E and U+2066 to U+2069, in UTF-8 (see `faq.answers.seedfile`); and NUL, which no page may have.
_TURNING = re.compile(rb"\xe2(?:\x80[\xaa-\xae]|\x81[\xa6-\xa9])|\0")


def admin_content_policy(get_response):
    """Let the admin's own pages run the admin's own scripts; public pages run none (see CONTENT_SECURITY_POLICY). No
    cache keeps what is in the admin."""

    def middleware(request):
        response = get_response(request)
        if request.path.startswith(reverse("admin:index")) and not hasattr(response, "_csp_update"):
            response._csp_update = {"script-src": [SELF], "img-src": [SELF, "data:"], "connect-src": [SELF]}
            response.headers.setdefault("Cache-Control", "private, no-store")
        return response

    return middleware


def headers_of_every_answer(get_response):
    """No page, and nothing that got into one, may ask the browser for more than to show it. The others are those that
    SecurityMiddleware sets, for what it refuses itself. And nobody who only reads is given a cookie."""
    always = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": settings.SECURE_REFERRER_POLICY}
    of_a_page = {
        "Permissions-Policy": _NOTHING,
        "Cross-Origin-Opener-Policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
    }

    def middleware(request):
        response = get_response(request)
        for name, value in always.items():
            response.headers.setdefault(name, value)
        if _PART_OF_A_PAGE.match(response.get("Content-Type", "")):
            response._csp_exempt = True
            for name in (*of_a_page, "X-Frame-Options"):
                del response.headers[name]
        else:
            for name, value in of_a_page.items():
                response.headers.setdefault(name, value)
        if not request.path.startswith(reverse("admin:index")):
            response.cookies.clear()  # not even in place of a broken one
        return response

    return middleware


class Sessions(SessionMiddleware):
    """Shows a page also where what the session would note of it, such as when somebody was here, cannot be stored."""

    def process_response(self, request, response):
        try:
            return super().process_response(request, response)
        except (DatabaseError, SessionInterrupted) as error:
            if request.method in ("GET", "HEAD") and fault_pages.fault_of(error):
                return response
            raise


def language_of_address(get_response):
    """The interface's language is what the address says (`/es/…`), and never guessed from the reader's browser."""

    def middleware(request):
        language = translation.get_language_from_path(request.path_info) or settings.LANGUAGE_CODE
        with translation.override(language):
            request.LANGUAGE_CODE = language
            response = get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

    return middleware


def text_runs_as_stored(get_response):
    """Take out what turns the direction of text and cannot be seen, as no form and no seed file lets it in.

    Here for what came in by other ways, and for what an address says: a title or a description has no element around it
    that would keep such a turn to itself."""

    def middleware(request):
        response = get_response(request)
        if (
            not response.streaming
            and _TEXT.match(response.get("Content-Type", ""))
            and _TURNING.search(response.content)
        ):
            response.content = _TURNING.sub(b"", response.content)
            if response.has_header("Content-Length"):
                response.headers["Content-Length"] = str(len(response.content))
        return response

    return middleware


def compact_public_pages(get_response):
    """Compress public responses and answer 304 to who has them already, by an ETag over what they say.

    It is a weak one, the same however well they are compressed. Only public ones: they hold nothing secret, so their
    compressed size gives nothing away."""

    def middleware(request):
        response = get_response(request)
        if response.streaming or "public" not in response.get("Cache-Control", "").split(", "):
            return response
        patch_vary_headers(response, ["Accept-Encoding"])
        if response.get("Content-Type", "").startswith("text/html"):
            response.content = _INDENTATION.sub(b"\n", response.content)
        etag = f'W/"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        if len(response.content) >= _WORTH_COMPRESSING and not response.has_header("Content-Encoding"):
            _compress(response, request.META.get("HTTP_ACCEPT_ENCODING", ""))
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["ETag"] = etag
        if response.status_code != 200:
            return response
        return get_conditional_response(request, etag=etag, response=response)

    return middleware


def _compress(response, header):
    names = encodings.accepted(header)
    if "br" in names:
        response.content, name = brotli.compress(response.content, quality=5), "br"
    elif "gzip" in names:
        # Without a time in it: the same page is the same bytes, and has the same ETag.
        response.content, name = gzip.compress(response.content, compresslevel=6, mtime=0), "gzip"
    else:
        return
    response.headers["Content-Encoding"] = name
