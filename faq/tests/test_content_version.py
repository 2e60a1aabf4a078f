"""The content version: every public change raises it, and no process shows a page of an earlier version."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from django.db import connection, transaction
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
