"""Things that the site needs are taken away: readers read what can be read, editors are told, and nothing is lost."""

import errno
import re

import psycopg
import pytest
import redis
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from django.db import OperationalError, connection
from django.test import Client, RequestFactory
from taggit.models import Tag

from faq.models import Presence, QuestionTag, SearchText
from faq.operations import fault_pages
from faq.tests.conftest import form_token, logged_in
from faq.tests.test_admin import form_data, page_of, question
from kb_site import sqlite_file, static_files


def patient(client):
    """The client, seeing the page of an error instead of the error."""
    client.raise_request_exception = False
    return client


def words_of(response):
    """The title and the first paragraph of a page that stands alone."""
    found = re.findall(r"<h1>(.*?)</h1>|<p class=\"lead\">(.*?)</p>", response.content.decode(), re.DOTALL)
    return [" ".join("".join(pair).split()) for pair in found]


class nothing_can_be_written:
    """The database refuses every write, in its own words (SQLite)."""

    def __enter__(self):
        connection.cursor().execute("PRAGMA query_only = ON")

    def __exit__(self, *_):
        connection.cursor().execute("PRAGMA query_only = OFF")


# What people are told


@pytest.mark.pure
@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ("08006", fault_pages.AWAY), ("57P01", fault_pages.AWAY), ("53300", fault_pages.AWAY), (None, fault_pages.AWAY),
        ("XX001", fault_pages.AWAY), ("53100", fault_pages.DISK), ("25006", fault_pages.DISK),
        ("40P01", fault_pages.BUSY), ("55P03", fault_pages.BUSY), ("22012", None), ("42703", None),
        (OSError(errno.ENOSPC, "No space left on device"), fault_pages.DISK), (FileNotFoundError(), None),
        (redis.ConnectionError("refused"), fault_pages.CACHE), (ValueError("a mistake"), None),
        (OperationalError("without a driver"), None),
    ],
)  # fmt: skip
def test_faults_are_recognized_by_class_and_code_and_not_by_words(error, fault):
    if error is None or isinstance(error, str):
        code, error = error, OperationalError("words in any language")
        error.__cause__ = (psycopg.errors.lookup(code) if code else psycopg.OperationalError)("words in any language")
    assert fault_pages.fault_of(error) is fault


@pytest.mark.django_db
@pytest.mark.sqlite
def test_a_save_that_cannot_be_stored_gives_back_what_was_typed_and_can_be_sent_again(library, editor):
    client = patient(logged_in(editor))
    typed = form_data(client, question()) | {"points-0-text": "Four weeks & <b>more</b>."}
    with nothing_can_be_written():
        refused = client.post(page_of(question()), typed)
    assert refused.status_code == 503 and refused["Retry-After"] == "60" and refused["Cache-Control"] == "no-store"
    assert words_of(refused) == [
        "Nothing can be stored at the moment",
        "The disk that holds the database is full, or the database is read-only.",
    ]
    html = refused.content.decode()
    assert "Nothing that you submitted was saved or published" in html
    assert "Four weeks &amp; &lt;b&gt;more&lt;/b&gt;.</textarea>" in html and "Points 1, text" in html
    hidden = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', html))
    assert hidden["seen"] == typed["seen"] and f'action="{page_of(question())}"' in html
    assert client.post(page_of(question()), typed).status_code == 302
    assert question().points.first().text == "Four weeks & <b>more</b>."


@pytest.mark.django_db
@pytest.mark.sqlite
def test_a_reader_whose_report_cannot_be_stored_keeps_their_words(library, client):
    address = f"{question().get_absolute_url().rpartition('how')[0]}report/"
    with nothing_can_be_written():
        refused = patient(client).post(
            f"/es{address}", {"point": "", "token": form_token(), "text": "The date is wrong."}
        )
    assert refused.status_code == 503
    assert words_of(refused)[0] == "En este momento no se puede guardar nada"
    assert "The date is wrong.</textarea>" in refused.content.decode()


@pytest.mark.django_db
@pytest.mark.sqlite
def test_no_password_is_ever_shown_again(library, editor):
    with nothing_can_be_written():
        refused = patient(Client()).post("/admin/login/", {"username": "erin", "password": "correct horse"})
    assert refused.status_code == 503 and "correct horse" not in refused.content.decode()


@pytest.mark.django_db
def test_another_site_cannot_make_this_one_show_its_words(library, editor, monkeypatch):
    request = RequestFactory().post("/admin/", {"text": "Words of another site."})
    request.resolver_match = None
    error = OSError(errno.ENOSPC, "No space left on device")
    assert "Words of another site" not in fault_pages.answer(request, error).content.decode()


@pytest.mark.django_db
@pytest.mark.sqlite
def test_a_question_can_be_opened_while_nothing_can_be_stored(library, editor):
    client = logged_in(editor)
    with nothing_can_be_written():
        opened = client.get(page_of(question()))
    assert opened.status_code == 200 and "Three weeks. A reminder is sent before.</textarea>" in opened.content.decode()
    assert not Presence.objects.exists()


@pytest.mark.django_db
@pytest.mark.sqlite
def test_the_desk_can_be_read_by_somebody_whose_sign_of_life_cannot_be_stored(library, editor):
    client = logged_in(editor)
    session = client.session
    session["seen"] = 0
    session.save()
    with nothing_can_be_written():
        assert client.get("/admin/").status_code == 200
    assert client.session["seen"] == 0


@pytest.mark.django_db
def test_a_session_that_was_ended_meanwhile_is_refused_as_ever(library, editor):
    client = patient(logged_in(editor))
    session = client.session
    session["seen"] = 0
    session.save()
    with connection.execute_wrapper(_ends_sessions_before_they_are_saved):
        assert client.get("/admin/").status_code == 400


def _ends_sessions_before_they_are_saved(execute, sql, params, many, context):
    if sql.startswith('UPDATE "django_session"'):
        execute("DELETE FROM django_session", None, False, context)
    return execute(sql, params, many, context)


@pytest.mark.django_db
@pytest.mark.sqlite
@pytest.mark.parametrize(("prefix", "title"), [("", "The search does not work"), ("/es", "La búsqueda no funciona")])
def test_without_the_index_a_search_leads_to_the_topics_and_everything_else_works(library, client, prefix, title):
    connection.cursor().execute("DROP TABLE faq_search")
    refused = patient(client).get(f"{prefix}/questions/?q=book")
    assert refused.status_code == 503 and refused["Cache-Control"] == "no-store"
    assert words_of(refused)[0].startswith(title)
    assert re.findall(r'<li>\s*<a href="([^"]*)">', refused.content.decode()) == [
        f"{prefix}/topics/cards/", f"{prefix}/topics/visits/"
    ]  # fmt: skip
    for address in ("/", "/questions/", "/topics/cards/", question().get_absolute_url(), "/changes.atom"):
        assert client.get(f"{prefix}{address}" if address != "/changes.atom" else address).status_code == 200


@pytest.mark.django_db
@pytest.mark.sqlite
def test_without_the_index_editors_save_and_are_told_why_nothing_is_published(library, editor, publisher):
    client = logged_in(editor)
    typed = form_data(client, question()) | {"points-0-text": "Four weeks."}
    connection.cursor().execute("DROP TABLE faq_search")
    assert client.post(page_of(question()), typed).status_code == 302
    refused = patient(logged_in(publisher)).post(page_of(question(), "publish"), {"note": "Four weeks now."})
    assert refused.status_code == 503 and "manage.py rebuild_search" in words_of(refused)[1]
    assert question().editions.count() == 1 and "Four weeks now.</textarea>" in refused.content.decode()


@pytest.mark.django_db
def test_a_save_that_changes_no_keyword_leaves_the_index_alone(library, editor):
    SearchText.objects.filter(question=question()).update(title="as it was")
    client = logged_in(editor)
    assert client.post(page_of(question()), form_data(client, question())).status_code == 302
    assert SearchText.objects.get(question=question()).title == "as it was"
    question().tags.set([Tag.objects.create(name="loan")])
    assert SearchText.objects.get(question=question()).title != "as it was"
    assert QuestionTag.objects.filter(content_object=question()).count() == 1


@pytest.mark.django_db
def test_the_desk_does_without_its_cache(library, editor, monkeypatch):
    client, nobody = logged_in(editor), RedisCache("redis://127.0.0.1:1/1", {})
    monkeypatch.setattr(type(caches), "__getitem__", lambda self, alias: nobody)
    assert "Library cards" in client.get("/admin/").content.decode()


@pytest.mark.pure
def test_a_page_without_its_style_sheet_can_be_read(tmp_path):
    missing = static_files.Storage(location=tmp_path, base_url="/static/")
    assert missing.url("css/site.css") == "/static/css/site.css"


# A database file that comes and goes


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "kb.sqlite3"
    path.touch()
    return path


@pytest.mark.pure
def test_a_missing_file_is_never_made(tmp_path):
    with pytest.raises(sqlite_file.sqlite3.OperationalError, match="unable to open database file"):
        sqlite_file.ExistingFileConnection(tmp_path / "kb.sqlite3", uri=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.pure
def test_a_connection_is_given_up_when_its_file_is_another_one_and_kept_while_it_is_the_same(file):
    opened = sqlite_file.ExistingFileConnection(file, uri=True)
    assert not opened.is_outdated()
    file.rename(file.with_name("away"))
    assert opened.is_outdated()
    file.with_name("away").rename(file)
    assert not opened.is_outdated()
    file.with_name("other").touch()
    file.with_name("other").rename(file)
    assert opened.is_outdated()
    opened.close()
