"""The page cache: no outdated page, no private page, bounded memory."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from django.db import DatabaseError, connection, transaction
from taggit.models import Tag

from faq.models import (
    AnswerPoint,
    Collection,
    Question,
    RetiredTopic,
    SiteText,
    Source,
    Synonym,
    Topic,
    content_version,
)
from faq.search import rebuilding, zero_results
from faq.site import reports
from faq.tests.conftest import import_text, logged_in, name_sources
from faq.tests.installations import database_url
from faq.workflow import audit, collection_texts, publishing, working_copy
from kb_site import page_cache

TEXT = b"Three weeks. " * 100


class Site:
    """An application under `PageCache` that counts what it is asked, and a content version to be moved."""

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


pure = pytest.mark.pure


@pure
def test_a_page_is_made_once_for_as_long_as_nothing_changes(site):
    assert [site.get()[2] for _ in range(3)] == [TEXT] * 3
    assert len(site.asked) == 1
    site.version = 2
    site.body = b"Four weeks."
    assert site.get()[2] == b"Four weeks." and len(site.asked) == 2


@pure
@pytest.mark.parametrize(
    "other",
    [
        {"path": "/other"}, {"QUERY_STRING": "q=card"}, {"HTTP_HOST": "b.example"}, {"wsgi.url_scheme": "https"},
        {"HTTP_X_FORWARDED_PROTO": "https"}, {"HTTP_ACCEPT_ENCODING": "br"},
    ],
)  # fmt: skip
def test_requests_that_can_differ_have_separate_pages(site, other):
    site.get()
    site.get(**other)
    assert len(site.asked) == 2


@pure
@pytest.mark.parametrize(
    "request_of_one",
    [
        {"HTTP_COOKIE": "sessionid=1"}, {"HTTP_AUTHORIZATION": "Basic x"}, {"HTTP_RANGE": "bytes=0-1"},
        {"method": "POST"},
    ],
)  # fmt: skip
def test_a_personal_request_is_neither_answered_from_the_cache_nor_cached(site, request_of_one):
    site.get()
    site.get(**request_of_one)
    site.get(**request_of_one)
    assert len(site.asked) == 3


@pure
@pytest.mark.parametrize(
    "response",
    [
        {"Cache-Control": "private"}, {"Cache-Control": "no-store"}, {"Cache-Control": ""}, {"Set-Cookie": "a=b"},
        {"Vary": "Cookie"}, {"Vary": "Accept-Encoding, Cookie"},
    ],
)  # fmt: skip
def test_a_private_response_is_not_cached(site, response):
    site.headers |= response
    site.get()
    site.get()
    assert len(site.asked) == 2


@pure
@pytest.mark.parametrize(("status", "asked"), [("301 Moved", 1), ("410 Gone", 1), ("404 None", 2), ("503 Down", 2)])
def test_only_lasting_statuses_are_cached(site, status, asked):
    site.status = status
    assert [site.get()[0] for _ in range(2)] == [status] * 2
    assert len(site.asked) == asked


@pure
def test_a_matching_etag_is_answered_304(site):
    for _ in range(2):  # the application is asked for the whole page also where it would have said the same
        status, headers, body = site.get(HTTP_IF_NONE_MATCH='"x", W/"a"')
        assert (status, body) == ("304 Not Modified", b"") and "Content-Length" not in headers
        assert headers["ETag"] == 'W/"a"' and headers["X-Frame-Options"] == "DENY"
    assert site.get(HTTP_IF_NONE_MATCH='W/"b"')[2] == TEXT and len(site.asked) == 1


@pure
def test_a_head_request_gets_the_same_headers_and_no_body(site):
    site.get()
    _, headers, body = site.get(method="HEAD")
    assert body == b"" and headers["Content-Length"] == str(len(TEXT)) and len(site.asked) == 1


@pure
def test_the_application_gets_the_normalised_encoding_of_the_cache_key(site):
    """Else somebody who refuses one encoding in an odd way could leave it for those who cannot read it."""
    for accepted, asked in [("br;q=0, gzip", "gzip"), ("gzip;q=0.5, br;q=0.1", "br"), ("zstd", ""), ("GZIP", "")]:
        site.get("/" + accepted, HTTP_ACCEPT_ENCODING=accepted)
        assert site.asked[-1]["HTTP_ACCEPT_ENCODING"] == asked


@pure
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


@pure
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


@pure
def test_a_thread_with_a_newer_version_gets_no_older_page(site):
    """One that was told an older version, and came late, finds nothing, and leaves nothing, for those who know more."""
    site.get()
    site.front._current_generation = lambda: (2, site.front._generation[1])
    site.body = b"Four weeks."
    assert site.get()[2] == b"Four weeks."


@pure
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


@pure
def test_a_new_day_empties_the_cache(site, monkeypatch):
    site.get()
    tomorrow = page_cache._end_of_day() + 1
    monkeypatch.setattr(page_cache.time, "time", lambda: tomorrow)
    monkeypatch.setattr(page_cache, "_end_of_day", lambda: tomorrow + 86400)
    site.get()
    assert len(site.asked) == 2


@pure
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


# What raises the version, on the real database.


def rises(act):
    before = content_version.current()
    act()
    return content_version.current() > before


@pytest.fixture
def town(transactional_db, monkeypatch):
    monkeypatch.setattr(content_version, "MAX_AGE", 0)
    collection = import_text(publish=True).collection
    yield collection
    content_version.close()


def first():
    return Question.objects.order_by("number").first()


def test_every_public_change_raises_the_content_version(town, editor, publisher):
    name_sources(Question.objects.filter(pk=first().pk))

    def publish():
        AnswerPoint.objects.filter(question=first()).update(text="Four weeks.")
        working_copy.refresh(first(), editor)
        publishing.publish(first(), by=publisher, note="Four.")

    def _confirmed():
        collection_texts.save(town, {"title": "The town's library"}, by=editor)
        town.refresh_from_db()
        collection_texts.confirm(town, by=publisher, seen=collection_texts.digest(town))

    acts = {
        "publish": publish,
        "check": lambda: publishing.check(first(), by=publisher),
        "topic": lambda: Topic.objects.filter(slug="cards").update(name="Cards"),
        "topic of a question": lambda: first().topics.clear(),
        "topic becomes public": lambda: Topic.objects.create(slug="new", name="New").questions.add(first()),
        "topic deleted": lambda: Topic.objects.get(slug="new").delete(),
        "retired topic": lambda: RetiredTopic.objects.update(name="Newer"),
        "keyword": lambda: first().tags.add("weeks"),
        "keyword renamed": lambda: Tag.objects.filter(name="weeks").update(name="week"),
        "related": lambda: first().related.add(Question.objects.last()),
        "collection": lambda: Collection.objects.update(title="Town library"),
        "proposal confirmed": _confirmed,
        "site's words": lambda: SiteText.objects.create(name="help", language="en", text="Ask at the desk."),
        "synonym": lambda: Synonym.objects.create(words="lend", means="borrow"),
        "raw": lambda: connection.cursor().execute("UPDATE faq_topic SET position = position + 7"),
        "import": lambda: import_text("1. Where may I ride?\nOn the lane.\n", slug="lanes", publish=True),
        "rebuild": rebuilding.rebuild,
        "withdraw": lambda: publishing.withdraw(first(), by=publisher, because="Wrong."),
    }
    assert {name: rises(act) for name, act in acts.items()} == dict.fromkeys(acts, True)


def test_a_change_that_is_not_public_leaves_the_content_version(town, editor, publisher):
    row = first()

    def save():
        row.points.update(text="Four weeks.")
        working_copy.refresh(first(), editor)

    acts = {
        "save": save,
        "whole row": lambda: first().save(),
        "submit": lambda: publishing.submit(first(), by=editor),
        "log in": lambda: logged_in(editor).get("/admin/"),
        "missed": lambda: zero_results.note("unicycle"),
        "report": lambda: reports.store(row.live, None, "Is this right?"),
        "proposal": lambda: collection_texts.save(town, {"title": "Town library"}, by=editor),
        "source": lambda: Source.objects.create(title="Leaflet"),
        "refused": _refused,
    }
    assert {name: rises(act) for name, act in acts.items()} == dict.fromkeys(acts, False)
    assert audit.verify().problems == []


def _refused():
    try:
        with transaction.atomic():
            Topic.objects.update(name="Never")
            raise RuntimeError
    except RuntimeError:
        pass


def test_a_version_that_was_seen_never_comes_back(town):
    seen = {content_version.current()}
    for number in range(20):
        Topic.objects.update(position=number)
        seen.add(content_version.current())
    assert len(seen) == 21 and sorted(seen)[-1] - sorted(seen)[0] != 20


def test_the_version_is_read_again_after_its_connection_broke(town):
    before = content_version.current()
    content_version._local.reader.connection.close()
    assert content_version.current() == before


def test_an_empty_database_has_a_version(town):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM faq_contentversion")
    assert content_version.current() == content_version.UNKNOWN
    Topic.objects.create(slug="bicycles", name="Bicycles")
    assert content_version.current() > content_version.UNKNOWN


def test_a_version_that_was_read_is_used_for_50_ms_on_postgresql_and_not_at_all_on_sqlite(town, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(content_version, "monotonic", lambda: now)
    monkeypatch.setattr(content_version, "MAX_AGE", 0.05)
    before = content_version.current()
    Topic.objects.update(position=7)
    now += 0.049
    assert (content_version.current() == before) == (connection.vendor == "postgresql")
    now += 0.001
    assert content_version.current() > before


# The real server, with two processes; this one writes.


@pytest.fixture
def server(town, tmp_path):
    """The site on granian with two workers, on the database of this test; yields its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = os.environ | {
        "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "kb_site.settings", "VAR_DIR": str(tmp_path)
    }  # fmt: skip
    environ.pop("ALLOWED_HOSTS", None)
    subprocess.run([sys.executable, "manage.py", "collectstatic", "--no-input", "-v0"], env=environ, check=True)
    command = [Path(sys.executable).parent / "granian", "--interface", "wsgi", "--port", str(port), "--workers", "2"]
    command += ["--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "5", "--log-level", "warning"]
    process = subprocess.Popen([*command, "kb_site.wsgi:application"], env=environ, start_new_session=True)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urlopen(base + "/healthz")
                break
            except OSError:
                time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(20)


def read(address, **headers):
    with urlopen(Request(address, headers=headers)) as response:
        return response.read().decode()


def test_no_process_shows_an_old_page_after_a_commit(server, publisher):
    """On SQLite at once, on PostgreSQL within 50 ms. Each read has a connection of its own, which the system gives to
    one of the two processes."""
    reads, delay = int(os.environ.get("STALE_READS", "120")), 0.05 if connection.vendor == "postgresql" else 0
    topic = Topic.objects.get(slug="cards")
    address, stale = server + topic.get_absolute_url(), 0
    for number in range(reads // 4):
        Topic.objects.filter(pk=topic.pk).update(description=f"Words number {number}.")
        committed = time.monotonic()
        read(address)  # so that a page may be kept with the version before it
        time.sleep(max(0, committed + delay - time.monotonic()))
        stale += sum(f"Words number {number}." not in read(address) for _ in range(4))
    assert stale == 0
    withdrawn = server + first().get_absolute_url()
    assert "Library card" in read(withdrawn)
    publishing.withdraw(first(), by=publisher, because="It was wrong.")
    time.sleep(delay)
    for _ in range(4):
        assert "It was wrong" in _gone(withdrawn)


def _gone(address):
    try:
        return read(address)
    except OSError as error:
        assert error.code == 410
        return error.read().decode()
