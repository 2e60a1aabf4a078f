"""The page cache: no outdated page, no private page, bounded memory."""

import time

import pytest
from django.db import DatabaseError

from kb_site import page_cache

pytestmark = pytest.mark.pure

TEXT = b"Three weeks. " * 100


class Site:
    """An application under `PageCache` that records its requests, and a content version that tests can change."""

    def __init__(self):
        self.asked, self.version, self.body, self.status = [], 1, TEXT, "200 OK"
        self.headers = {"Cache-Control": "public, max-age=0", "ETag": 'W/"a"', "X-Frame-Options": "DENY"}
        self.front = page_cache.PageCache(self.application, lambda: self.version)

    def application(self, environ, start_response):
        self.asked.append(environ)
        start_response(self.status, list(self.headers.items()))
        return [self.body]

    def get(self, path="/", method="GET", **environ):
        begun = []
        given = {"REQUEST_METHOD": method, "PATH_INFO": path, "HTTP_HOST": "a.example", "wsgi.url_scheme": "http"}
        body = b"".join(self.front(given | environ, lambda *arguments: begun.extend(arguments)))
        return begun[0], dict(begun[1]), body


@pytest.fixture
def site():
    return Site()


def test_a_page_is_made_once_for_as_long_as_nothing_changes(site):
    assert [site.get()[2] for _ in range(3)] == [TEXT] * 3
    assert len(site.asked) == 1
    site.version = 2
    site.body = b"Four weeks."
    assert site.get()[2] == b"Four weeks." and len(site.asked) == 2


def test_requests_that_can_differ_have_separate_pages(site):
    others = [
        {}, {"path": "/other"}, {"QUERY_STRING": "q=card"}, {"HTTP_HOST": "b.example"}, {"wsgi.url_scheme": "https"},
        {"HTTP_X_FORWARDED_PROTO": "https"}, {"HTTP_ACCEPT_ENCODING": "br"},
    ]  # fmt: skip
    for number, other in enumerate(others, start=1):
        site.get(**other)
        assert len(site.asked) == number, other


def test_a_personal_request_is_neither_answered_from_the_cache_nor_cached(site):
    site.get()
    for number, personal in enumerate(
        [{"HTTP_COOKIE": "sessionid=1"}, {"HTTP_AUTHORIZATION": "Basic x"}, {"HTTP_RANGE": "bytes=0-1"},
         {"method": "POST"}]
    ):  # fmt: skip
        site.get(**personal)
        site.get(**personal)
        assert len(site.asked) == 3 + 2 * number, personal


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Cache-Control", "private"), ("Cache-Control", "no-store"), ("Cache-Control", ""), ("Set-Cookie", "a=b"),
        ("Vary", "Cookie"), ("Vary", "Accept-Encoding, Cookie"),
    ],
)  # fmt: skip
def test_a_private_response_is_not_cached(site, name, value):
    site.headers[name] = value
    site.get()
    site.get()
    assert len(site.asked) == 2


@pytest.mark.parametrize(("status", "asked"), [("301 Moved", 1), ("410 Gone", 1), ("404 None", 2), ("503 Down", 2)])
def test_only_lasting_statuses_are_cached(site, status, asked):
    site.status = status
    assert [site.get()[0] for _ in range(2)] == [status] * 2
    assert len(site.asked) == asked


def test_a_matching_etag_is_answered_304(site):
    for _ in range(2):  # the application is asked for the whole page also where it would have said the same
        status, headers, body = site.get(HTTP_IF_NONE_MATCH='"x", W/"a"')
        assert (status, body) == ("304 Not Modified", b"") and "Content-Length" not in headers
        assert headers["ETag"] == 'W/"a"' and headers["X-Frame-Options"] == "DENY"
    assert site.get(HTTP_IF_NONE_MATCH='W/"b"')[2] == TEXT and len(site.asked) == 1


def test_a_head_request_gets_the_same_headers_and_no_body(site):
    site.get()
    _, headers, body = site.get(method="HEAD")
    assert body == b"" and headers["Content-Length"] == str(len(TEXT)) and len(site.asked) == 1


def test_the_application_gets_the_normalised_encoding_of_the_cache_key(site):
    """Otherwise an odd Accept-Encoding header could store a page in an encoding that the next reader cannot read."""
    for accepted, asked in [("br;q=0, gzip", "gzip"), ("gzip;q=0.5, br;q=0.1", "br"), ("zstd", ""), ("GZIP", "")]:
        site.get("/" + accepted, HTTP_ACCEPT_ENCODING=accepted)
        assert site.asked[-1]["HTTP_ACCEPT_ENCODING"] == asked


def test_memory_is_bounded_and_pages_in_use_stay(site, monkeypatch):
    monkeypatch.setattr(page_cache, "MAX_SIZE", 20 * (len(TEXT) + 3000))
    for number in range(1000):
        site.get(f"/{number}")
        site.get("/wanted")
    assert len(site.asked) == 1001 and site.front._size <= page_cache.MAX_SIZE
    monkeypatch.setattr(page_cache, "MAX_RESPONSE_SIZE", 100)
    site.get("/large")
    site.get("/large")
    assert len(site.asked) == 1003


def test_long_addresses_count_as_memory(site, monkeypatch):
    monkeypatch.setattr(page_cache, "MAX_SIZE", 1_000_000)
    site.status, site.body = "301 Moved Permanently", b""
    for number in range(30):
        site.headers["Location"] = query = f"/?{number}" + "x" * 20_000
        site.get(QUERY_STRING=query)
    held = sum(len(key[3]) + len(dict(kept.headers)["Location"]) for key, kept in site.front._responses.items())
    assert 900_000 < held <= site.front._size <= 1_000_000
    site.get(QUERY_STRING="x" * 2_000_000)
    assert site.front._size <= 1_000_000
    site.version = 2
    site.get()
    assert site.front._size < 30_000


def test_a_thread_with_a_newer_version_gets_no_older_page(site):
    """A thread that read an older version and comes late neither finds nor stores a page of the newer version."""
    site.get()
    site.front._current_generation = lambda: (2, site.front._generation[1])
    site.body = b"Four weeks."
    assert site.get()[2] == b"Four weeks."


def test_a_page_made_during_a_change_is_not_cached(site):
    def changes_meanwhile(environ, start_response):
        site.version += 1
        site.front._application = site.application
        site.get("/other")
        return site.application(environ, start_response)

    site.front._application = changes_meanwhile
    site.get()
    site.get()
    assert len(site.asked) == 3


def test_a_new_day_empties_the_cache(site, monkeypatch):
    site.get()
    tomorrow = page_cache._end_of_day() + 1
    monkeypatch.setattr(page_cache.time, "time", lambda: tomorrow)
    monkeypatch.setattr(page_cache, "_end_of_day", lambda: tomorrow + 86400)
    site.get()
    assert len(site.asked) == 2


def test_cached_pages_are_shown_for_a_while_without_a_database(site, monkeypatch):
    now = time.time()
    monkeypatch.setattr(page_cache.time, "time", lambda: now)
    monkeypatch.setattr(page_cache, "_end_of_day", lambda: now + 86400)
    site.get()
    asked = []

    def gone():
        asked.append(now)
        raise DatabaseError

    site.front._get_version = gone
    assert site.get()[2] == TEXT and len(site.asked) == 1
    site.get()
    assert len(asked) == 1  # it is not asked at every request
    now += page_cache.STALE_IF_ERROR
    site.get()
    assert len(site.asked) == 2
