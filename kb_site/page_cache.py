"""Whole public responses, kept for as long as the content version stands.

In front of Django, since most of what a kept page costs would be spent on the way to it. Each request first asks for
the version, which every transaction raises that changes what the public sees. On SQLite a kept page is never stale, on
PostgreSQL for 50 ms at most (see `faq.models.content_version`). There are no lists of what to forget: when the version
moves, or the day does (a check may be overdue now), all is forgotten.

Kept is what any reader would get: the answer to a GET without a cookie that is marked as public. It is kept as Django
made it, with its headers, and compressed.
"""

import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta
from functools import lru_cache

import brotli
from django.utils import timezone

from . import encodings

MOST = 30_000_000
"""Bytes of memory, for each process. (With what Python needs around them, some 32 MB.)"""
LARGEST = MOST // 32
"""Bytes of one response, so that a few do not push all others out."""
ON_TRUST = 600
"""Seconds for which kept pages are shown on when the database does not answer.

On one machine nobody can publish then either. Where one node of several is cut off, others can, and it shows on what it
had; `/readyz` says so to a proxy that asks."""

_PAUSE = 1  # seconds until a database that did not answer is asked again
_AROUND = 3000  # bytes of a kept response beside its body and what was asked for, about: its headers
_TO_PRESS = 256 * 1024  # bytes of a page: the best compression takes a third of a second for so many
_LONG = 500  # characters of a header that no browser sends; it is not remembered
_STATUSES = ("200", "301", "410")
_PLACE = ("HTTP_HOST", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO")
_NOT_KEPT = ("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_RANGE")  # for one reader alone, or a part of it
_CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE")
_OF_THE_BODY = {"content-encoding", "content-language", "content-length", "content-type"}


class Kept:
    """WSGI middleware: answers from memory what it can, and asks `application` for the rest.

    `version` is called at each request. What it returns stands for all that is public; an exception means that nobody
    knows."""

    def __init__(self, application, version):
        self._application, self._version = application, version
        self._lock = threading.Lock()
        self._responses = OrderedDict()  # what was asked for least lately comes first
        self._size = 0
        self._holds = None  # what all of them are true for: the version and the end of the day
        self._known = self._ask_again = self._day_ends = 0.0

    def __call__(self, environ, start_response):
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD") or any(name in environ for name in _NOT_KEPT):
            return self._application(environ, start_response)
        holds = self._what_holds()
        if holds is None:
            return self._application(environ, start_response)
        accepted = environ.get("HTTP_ACCEPT_ENCODING", "")
        encoding = _encoding(accepted) if len(accepted) < _LONG else ""
        key = (encoding, *[environ.get(name) for name in _PLACE])
        with self._lock:
            # (Another thread may have heard of another version in the meantime.)
            response = self._responses.get(key) if holds == self._holds else None
            if response:
                self._responses.move_to_end(key)
        if response:
            if response.hasty:
                response = self._compress_well(key, response)
            return response.send(environ, start_response)
        if method == "HEAD":  # has no body to keep
            return self._application(environ, start_response)
        return self._ask(environ, start_response, key, holds)

    def _what_holds(self):
        """What a response must have been made for to be shown now; all others are forgotten. None: nobody knows."""
        now = time.time()
        if now >= self._day_ends:
            self._day_ends = _end_of_day()
        if now < self._ask_again:
            return self._on_trust(now)
        try:
            holds = self._version(), self._day_ends
        except Exception:
            self._ask_again = now + _PAUSE
            return self._on_trust(now)
        self._known = now
        if holds != self._holds:
            with self._lock:
                self._responses.clear()
                self._size, self._holds = 0, holds
        return holds

    def _on_trust(self, now):
        same_day = self._holds and self._holds[1] == self._day_ends
        return self._holds if same_day and now - self._known < ON_TRUST else None

    def _ask(self, environ, start_response, key, holds):
        """The application's answer, kept if it may be.

        It is asked without conditions, since a 304 has no body, and for the one encoding that the key names: it must
        not choose by a header that says more than the key does."""
        begun, asked = [], {name: environ[name] for name in environ if name not in _CONDITIONS}
        asked["HTTP_ACCEPT_ENCODING"] = key[0]

        def begin(*arguments):
            begun[:] = arguments

        answer = self._application(asked, begin)
        status, headers, *_ = begun
        if not _is_for_all(status, headers):
            start_response(*begun)
            return answer
        try:
            response = _Response(status, headers, b"".join(answer))
        finally:
            if hasattr(answer, "close"):
                answer.close()
        self._keep(key, response, holds)
        return response.send(environ, start_response)

    def _keep(self, key, response, holds):
        response.size += _length(key, response.headers)  # both can hold a whole address, of any length
        if response.size > LARGEST:
            return
        with self._lock:
            if holds != self._holds:  # it moved on in the meantime
                return
            before = self._responses.pop(key, None)
            self._responses[key] = response
            self._size += response.size - (before.size if before else 0)
            while self._size > MOST:
                self._size -= self._responses.popitem(last=False)[1].size

    def _compress_well(self, key, response):
        """The best compression costs more than to make the page. Who is asked for again is worth it, once."""
        response.hasty = False  # who asks meanwhile need not do it, too
        page = brotli.decompress(response.body)
        if len(page) > _TO_PRESS:
            return response
        better = _Response(response.status, response.headers, brotli.compress(page, mode=brotli.MODE_TEXT, quality=11))
        better.hasty = False
        better.size += response.size - len(response.body) - _AROUND
        with self._lock:
            if self._responses.get(key) is response:
                self._responses[key] = better
                self._size += better.size - response.size
        return better


class _Response:
    """One response as it is sent, whole or as “not modified”."""

    __slots__ = ("body", "etag", "hasty", "headers", "size", "status", "without_body")

    def __init__(self, status, headers, body):
        self.status, self.body = status, body
        self.headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        self.without_body = [(name, value) for name, value in self.headers if name.lower() not in _OF_THE_BODY]
        self.headers.append(("Content-Length", str(len(body))))
        values = {name.lower(): value for name, value in headers}
        self.etag = values.get("etag") if status.startswith("200") else None
        # What is immutable was compressed when it was collected.
        self.hasty = values.get("content-encoding") == "br" and "immutable" not in values["cache-control"]
        self.size = len(body) + _AROUND

    def send(self, environ, start_response):
        if self.etag and self.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            start_response("304 Not Modified", self.without_body.copy())
            return [b""]
        start_response(self.status, self.headers.copy())
        return [self.body if environ["REQUEST_METHOD"] == "GET" else b""]


def _is_for_all(status, headers):
    """Whether any other reader would get the same response to the same request."""
    values = {name.lower(): value for name, value in headers}
    return (
        status[:3] in _STATUSES
        and "public" in values.get("cache-control", "").replace(",", " ").split()
        and values.get("vary", "").lower() in ("", "accept-encoding")
        and "set-cookie" not in values
    )


def _length(key, headers):
    return sum(len(part) for part in key if part) + sum(len(name) + len(value) for name, value in headers)


@lru_cache(maxsize=200)
def _encoding(accepted):
    """The one that responses are sent in to a browser which says this."""
    return next((name for name in ("br", "gzip") if name in encodings.accepted(accepted)), "")


def _end_of_day():
    """The moment, in seconds since 1970, at which a new day begins where the site is."""
    tomorrow = timezone.localtime().date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), timezone.get_current_timezone()).timestamp()
