"""Copying everything from one database to another: either all rows are there and the log proves them, or none is."""

import json
import sqlite3
from contextlib import closing
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client

from faq.models import Event, Question, Report, Synonym
from faq.search import rebuilding
from faq.tests.installations import Site, database_url, migrated_site
from faq.tests.test_workflow import change, question
from faq.workflow import audit, publishing

pytestmark = pytest.mark.django_db(transaction=True)

FILL = """
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from faq.site import reports
from faq.workflow import publishing, working_copy
from faq.models import Report, Synonym
from faq.tests.conftest import import_text
from faq.tests.test_sources import cite
from faq.tests.test_workflow import change, question

import_text(publish=True)
erin, pat, gone = (User.objects.create_user(name, is_staff=True, first_name=name) for name in ("erin", "pat", "gone"))
pat.groups.add(Group.objects.get(name="Publishers"))
gone.delete()
StaticDevice.objects.create(user=pat, name="paper").token_set.create(token="abcd2345")
row = change(erin)
cite(row.points.first())
working_copy.refresh(row, erin)
publishing.publish(row, by=pat, note="Four – “weeks”, señora.")
publishing.check(question(), by=pat, comment="Looked at it.")
publishing.withdraw(question(3), because="A mistake.", by=pat)
reports.store(question().live, None, "This is wrong.\\nReally.")
Report.objects.update(received_at=timezone.now() - timedelta(days=3))
Synonym.objects.first().delete()
"""


@pytest.fixture(scope="session")
def filled(migrated, tmp_path_factory):
    """An SQLite file of a site that was used."""
    site = migrated_site(migrated, tmp_path_factory.mktemp("filled"))
    site.manage("shell", "-v0", "-c", FILL)
    return site.folder / "var" / "kb.sqlite3"


@pytest.fixture
def old(filled, tmp_path):
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


@pytest.fixture(autouse=True)
def _may_connect(monkeypatch, transactional_db, django_db_blocker):
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)


def run(*arguments):
    out = StringIO()
    call_command("move_database", *map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def execute(path, *statements):
    with closing(sqlite3.connect(path)) as file:
        rows = [file.execute(statement).fetchall() for statement in statements]
        file.commit()
    return rows[-1]


def everything(path):
    """All rows of the models' tables. (PostgreSQL keeps JSON without the order of its keys.)"""
    others = ("sqlite_", "faq_search_", "faq_contentversion", "django_migrations", "kb_cache")
    names = [name for (name,) in execute(path, "SELECT name FROM sqlite_master WHERE sql LIKE 'CREATE TABLE%'")]
    return {
        name: sorted(
            json.dumps([plain(value) for value in row], sort_keys=True)
            for row in execute(path, f"SELECT * FROM {name}")
        )
        for name in names
        if not name.startswith(others)
    }


def plain(value):
    return json.loads(value) if isinstance(value, str) and value.startswith(("{", "[")) else value


def test_a_copy_has_all_rows_and_the_site_goes_on_from_there(old):
    [(version,)] = execute(old, "SELECT version FROM faq_contentversion WHERE id = 1")
    [(synonyms,)] = execute(old, "SELECT count(*) FROM faq_synonym")
    execute(old, "CREATE TABLE invoices (id integer)")
    told = run(old)
    assert "4 editions verified" in told and "2 questions indexed." in told and "invoices" in told
    assert audit.verify().problems == [] and audit.verify().head in told and audit.verify().entries > 8
    assert rebuilding.drift() == [] and Synonym.objects.count() == synonyms
    assert question(3).withdrawn_because == "A mistake." and question().live.change_note == "Four – “weeks”, señora."
    assert Report.objects.get().text == "This is wrong.\nReally."
    assert (Event.objects.last().at - Report.objects.get().received_at).days == 2
    pat = User.objects.get(username="pat")
    assert pat.has_perm("faq.publish_question") and pat.staticdevice_set.get().token_set.get().token == "abcd2345"
    assert "weeks</mark>" in Client().get("/questions/?q=weeks").content.decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM faq_contentversion")
        assert cursor.fetchone()[0] > version and cursor.fetchone() is None
    assert User.objects.create_user("new").pk == 4  # 3 was the deleted account
    publishing.publish(change(User.objects.get(username="erin"), "Five weeks."), by=pat, note="Five.")
    assert audit.verify().problems == []
    for statement in ("DELETE FROM faq_event", "UPDATE faq_edition SET digest = ''", "DELETE FROM faq_check"):
        with pytest.raises(Exception, match="never changed or deleted"):
            connection.cursor().execute(statement)


def test_a_copy_there_and_back_has_the_same_rows(old, tmp_path):
    run(old)
    connection.close()
    site = Site(tmp_path)
    assert f"Last hash: {audit.verify().head}" in site.manage("move_database", database_url()).stdout.decode()
    assert everything(tmp_path / "var" / "kb.sqlite3") == everything(old)
    assert b"agrees with the public answers" in site.manage("rebuild_search", "--check").stdout


@pytest.mark.parametrize("table", ["faq_answerpoint", "invoices"])
def test_nothing_is_written_into_a_database_that_is_in_use(old, request, table):
    if table == "invoices":
        connection.cursor().execute("CREATE TABLE invoices (id integer)")
        request.addfinalizer(lambda: connection.cursor().execute("DROP TABLE invoices"))
    else:
        request.getfixturevalue("library")
    with pytest.raises(CommandError, match=f"is not empty, and nothing is written over: see {table}"):
        run(old)
    assert not User.objects.exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "There is no file"), ("empty", "The old database is not one of this site"),
        ("wrong", "file is not a database"), ("mysql://a:hush@127.0.0.1/kb", "The old database"),
        ("hush://a", "The old database"), ("postgres://a:hush@127.0.0.1:1/kb", "The old database"),
        ("postgres://a:hush@127.0.0.1:port/kb", "The old database"), ("postgres://", "The old database"),
    ],
)  # fmt: skip
def test_an_address_without_a_site_is_refused_and_its_password_is_not_shown(tmp_path, name, message):
    (tmp_path / "empty").touch()
    (tmp_path / "wrong").write_bytes(b"not a database" * 100)
    with pytest.raises(CommandError, match=message) as refused:
        run(name if "://" in name else tmp_path / name)
    assert "hush" not in str(refused.value) and not (tmp_path / "nothing").exists()


@pytest.mark.parametrize(
    ("statements", "message"),
    [
        (["DELETE FROM django_migrations WHERE app = 'faq' AND name LIKE '0002%'"], "an older version"),
        (["INSERT INTO django_migrations (app, name, applied) VALUES ('faq', '9999_new', '2030-01-01')"], "a newer"),
        (["DROP TRIGGER faq_event_no_update", "UPDATE faq_event SET act = 'checked' WHERE number = 2"], "Entry 2 was"),
        (["PRAGMA ignore_check_constraints = ON", "UPDATE faq_question SET text = ''"], "faq_question does not fit"),
    ],
)  # fmt: skip
def test_a_copy_that_fails_leaves_no_row(old, statements, message):
    execute(old, *statements)
    with pytest.raises(CommandError, match=message):
        run(old)
    assert not Question.objects.exists() and not User.objects.exists() and Synonym.objects.exists()
