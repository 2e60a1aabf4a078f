"""WSGI middleware that keeps whole public responses in memory until the public content changes.

It runs before Django, because Django's own work is most of the cost of a page. Each request first reads the content
version, which every transaction raises when it changes public content. When the version changes, or when a new day
begins (a check may be overdue now), all responses are dropped. On SQLite a cached response is never stale; on
PostgreSQL it is stale for at most 50 ms (see `faq.models.content_version`).

The cache stores responses to GET requests without a cookie if they are marked as public. It stores them as Django made
them, with their headers, and compressed.
"""

import threading
import time
from collections import OrderedDict
from datetime import datetime, timedelta

from django.utils import timezone

from . import encodings

MAX_SIZE = 30_000_000
"""Bytes of memory for each process, estimated: Python needs some 2 MB more."""
MAX_RESPONSE_SIZE = MAX_SIZE // 32
"""Bytes of one response, so that a few large ones do not replace all others."""
STALE_IF_ERROR = 600
"""Seconds for which cached responses are sent while the database does not answer.

On a single machine nothing can be published during that time. A node that is cut off from the database of a cluster may
send responses that are out of date; `/readyz` then fails, so that a proxy can take the node out."""

_RETRY_AFTER = 1  # seconds before the version is read again after an error
_OVERHEAD = 3000  # bytes that Python needs for a response, estimated
_STATUSES = ("200", "301", "410")
_KEY = ("HTTP_HOST", "PATH_INFO", "QUERY_STRING", "wsgi.url_scheme", "HTTP_X_FORWARDED_PROTO")
_UNCACHEABLE = ("HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_RANGE")
_CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE")
_BODY_HEADERS = {"content-encoding", "content-language", "content-length", "content-type"}


class PageCache:
    """Sends cached responses, and calls `application` for all other requests.

    `get_version` is called for each request and returns the content version; it may raise any exception while the
    database does not answer."""

    def __init__(self, application, get_version):
        self._application, self._get_version = application, get_version
        self._lock = threading.Lock()
        self._responses = OrderedDict()  # the least recently used one comes first
        self._size = 0
        self._generation = None  # (content version, end of the day) of all stored responses
        self._last_success = self._retry_at = self._day_ends = 0.0

    def __call__(self, environ, start_response):
        method = environ["REQUEST_METHOD"]
        if method not in ("GET", "HEAD") or any(name in environ for name in _UNCACHEABLE):
            return self._application(environ, start_response)
        generation = self._current_generation()
        if generation is None:
            return self._application(environ, start_response)
        encoding = encodings.preferred(environ.get("HTTP_ACCEPT_ENCODING", ""))
        key = (encoding, *[environ.get(name) for name in _KEY])
        with self._lock:
            # Another thread may have read a newer version meanwhile.
            response = self._responses.get(key) if generation == self._generation else None
            if response:
                self._responses.move_to_end(key)
        if response:
            return response.send(environ, start_response)
        if method == "HEAD":
            return self._application(environ, start_response)
        return self._fetch(environ, start_response, key, generation)

    def _current_generation(self):
        """Return the generation of the responses that may be sent now, and drop all others. None: send none."""
        now = time.time()
        if now >= self._day_ends:
            self._day_ends = _end_of_day()
        if now < self._retry_at:
            return self._stale_generation(now)
        try:
            generation = self._get_version(), self._day_ends
        except Exception:
            self._retry_at = now + _RETRY_AFTER
            return self._stale_generation(now)
        self._last_success = now
        if generation != self._generation:
            with self._lock:
                self._responses.clear()
                self._size, self._generation = 0, generation
        return generation

    def _stale_generation(self, now):
        same_day = self._generation and self._generation[1] == self._day_ends
        return self._generation if same_day and now - self._last_success < STALE_IF_ERROR else None

    def _fetch(self, environ, start_response, key, generation):
        """Send the application's response, and store it if it is the same for all readers.

        Conditions are removed from the request, since a 304 has no body to store. Accept-Encoding is reduced to the one
        encoding in the key, so that the response depends on nothing that the key does not contain."""
        started, request = [], {name: environ[name] for name in environ if name not in _CONDITIONS}
        request["HTTP_ACCEPT_ENCODING"] = key[0]

        def start(*arguments):
            started[:] = arguments

        body = self._application(request, start)
        status, headers, *_ = started
        if not _is_shareable(status, headers):
            start_response(*started)
            return body
        try:
            response = _Response(key, status, headers, b"".join(body))
        finally:
            if hasattr(body, "close"):
                body.close()
        self._store(key, response, generation)
        return response.send(environ, start_response)

    def _store(self, key, response, generation):
        if response.size > MAX_RESPONSE_SIZE:
            return
        with self._lock:
            if generation != self._generation:  # the content changed while the response was made
                return
            previous = self._responses.pop(key, None)
            self._responses[key] = response
            self._size += response.size - (previous.size if previous else 0)
            while self._size > MAX_SIZE:
                self._size -= self._responses.popitem(last=False)[1].size


class _Response:
    """A response that can be sent any number of times, whole or as “304 Not Modified”."""

    def __init__(self, key, status, headers, body):
        self.status, self.body = status, body
        self.headers = [(name, value) for name, value in headers if name.lower() != "content-length"]
        self.headers_of_304 = [(name, value) for name, value in self.headers if name.lower() not in _BODY_HEADERS]
        self.headers.append(("Content-Length", str(len(body))))
        values = {name.lower(): value for name, value in headers}
        self.etag = values.get("etag") if status.startswith("200") else None
        # The key and the Location header contain addresses, which can be long.
        texts = [*filter(None, key), *(text for header in headers for text in header)]
        self.size = _OVERHEAD + len(body) + sum(map(len, texts))

    def send(self, environ, start_response):
        if self.etag and self.etag in environ.get("HTTP_IF_NONE_MATCH", ""):
            start_response("304 Not Modified", self.headers_of_304.copy())
            return [b""]
        start_response(self.status, self.headers.copy())
        return [self.body if environ["REQUEST_METHOD"] == "GET" else b""]


def _is_shareable(status, headers):
    """Whether every reader gets this response to the same request."""
    values = {name.lower(): value for name, value in headers}
    return (
        status[:3] in _STATUSES
        and "public" in values.get("cache-control", "").replace(",", " ").split()
        and values.get("vary", "").lower() in ("", "accept-encoding")
        and "set-cookie" not in values
    )


def _end_of_day():
    """The next midnight in the site's time zone, in seconds since 1970."""
    tomorrow = timezone.localtime().date() + timedelta(days=1)
    return datetime.combine(tomorrow, datetime.min.time(), timezone.get_current_timezone()).timestamp()
