"""Moving from one database to another: every row comes over and proves itself, or nothing does."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import Client
from django_otp.plugins.otp_static.models import StaticToken

from faq import log, moving, publishing
from faq.models import Check, Edition, Event, MissedSearch, Question, Report, Synonym
from faq.search import rebuilding
from faq.tests.test_workflow import change, question

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[2]
FILL = """
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from django.test import Client
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from faq import publishing, reporting, seedfile
from faq.models import Report, Synonym, Topic
from faq.search import missed
from faq.tests.conftest import import_text
from faq.tests.test_sources import cite
from faq.tests.test_workflow import change, question

import_text(publish=True)
people = []
for name, group in (("erin", "Editors"), ("pat", "Publishers"), ("gone", "Editors")):
    user = User.objects.create_user(name, password="correct horse", is_staff=True, first_name=name.title())
    user.groups.add(Group.objects.get(name=group))
    people.append(user)
erin, pat, gone = people
gone.delete()
StaticDevice.objects.create(user=pat, name="paper").token_set.create(token="abcd2345")
TOTPDevice.objects.create(user=pat, name="phone", confirmed=True)
cite(question(1).points.first())
publishing.publish(change(erin), by=pat, note="Four – “weeks”, señora.")
publishing.check(question(), by=pat, comment="Looked at it.")
publishing.withdraw(question(3), because="A mistake.", by=pat)
reporting.store(question().live, None, "This is wrong.\\nReally.")
Report.objects.update(received_at=timezone.now() - timedelta(days=3))
missed.note("hovercraft")
Topic.objects.get(slug="visits").delete()
Synonym.objects.first().delete()
Client().force_login(erin)
"""


@pytest.fixture(scope="session")
def filled(tmp_path_factory):
    """An SQLite file of a site that was used for a while."""
    folder = tmp_path_factory.mktemp("filled")
    manage(folder, "migrate", "-v0")
    manage(folder, "shell", "-v0", "-c", FILL)
    return folder / "kb.sqlite3"


@pytest.fixture
def old(filled, tmp_path):
    """A copy of it, for one test."""
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


@pytest.fixture(autouse=True)
def _may_connect(monkeypatch, transactional_db, django_db_blocker):
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)


def manage(folder, *arguments, code=0, **settings):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "DATABASE_"))}
    environment |= {"VAR_DIR": str(folder), "COLUMNS": "80", **settings}
    done = subprocess.run(
        [sys.executable, "manage.py", *map(str, arguments)],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done


def run(*arguments):
    out = StringIO()
    call_command("move_database", *map(str, arguments), stdout=out, stderr=out)
    return out.getvalue()


def plain(value):
    """PostgreSQL keeps JSON without the order of its keys."""
    if isinstance(value, str) and value.startswith(("{", "[")):
        return json.dumps(json.loads(value), sort_keys=True)
    return value


def everything(path):
    """All rows of all tables of an SQLite file, but what is derived from them."""
    derived = ("sqlite_", "faq_search", "faq_contentversion", "django_migrations", "kb_cache")
    with closing(sqlite3.connect(path)) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: sorted(repr(tuple(map(plain, row))) for row in database.execute(f"SELECT * FROM {name}"))
            for name in names
            if not name.startswith(derived)
        }


def address():
    """The tests' own database, as a new site would name it."""
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    return f"postgres://{facts['USER']}@{facts['HOST']}:{facts['PORT']}/{facts['NAME']}"


def test_everything_comes_over_and_proves_itself(old):
    told = run(old)
    assert "entries of the log follow from one another, and 4 editions are as sealed. Last hash: " in told
    assert "2 questions are in the search index." in told and "verify_backup" in told
    verdict = log.verify()
    assert verdict.problems == [] and verdict.head in told and verdict.entries == Event.objects.count() > 8
    assert rebuilding.drift() == []
    assert question().live.content["blocks"][0]["text"] == "Four weeks."
    assert question().live.change_note == "Four – “weeks”, señora."
    assert question(3).withdrawn_because == "A mistake."
    assert Check.objects.get().comment == "Looked at it."
    report = Report.objects.get()
    assert report.text == "This is wrong.\nReally." and (Event.objects.last().at - report.received_at).days == 2
    assert MissedSearch.objects.get().words == "hovercraft"
    pat = User.objects.get(username="pat")
    assert Argon2PasswordHasher().verify("correct horse", pat.password) and pat.has_perm("faq.publish_question")
    assert StaticToken.objects.get(device__user=pat).token == "abcd2345" and pat.totpdevice_set.count() == 1
    assert Client().get(question().get_absolute_url()).status_code == 200
    assert [Client().get(f"/topics/{slug}/").status_code for slug in ("cards", "visits")] == [200, 410]


def test_what_went_there_and_back_is_what_it_was(old, tmp_path):
    run(old)
    connection.close()
    new = tmp_path / "back" / "kb.sqlite3"
    new.parent.mkdir()
    told = manage(new.parent, "move_database", address()).stdout
    assert everything(new) == everything(old)
    assert "Last hash: " + log.verify().head in told
    assert "follow from one another" in manage(new.parent, "verify_log").stdout
    assert "in line" in manage(new.parent, "rebuild_search", "--check").stdout


def test_what_comes_afterwards_goes_on_where_the_old_database_ended(old, tmp_path):
    before = everything(old)
    run(old)
    assert User.objects.create_user("new").pk == 4  # 3 was somebody whose account is gone, and stays theirs
    erin, pat = User.objects.get(username="erin"), User.objects.get(username="pat")
    publishing.publish(change(erin, "Five weeks."), by=pat, note="Five.")
    assert log.verify().problems == []
    for statement in ("DELETE FROM faq_event", "UPDATE faq_edition SET digest = ''", "DELETE FROM faq_check"):
        with pytest.raises(Exception, match="never changed or deleted"):
            connection.cursor().execute(statement)
    assert everything(old) == before


def test_pages_that_were_kept_before_are_not_taken_for_what_is_true_now(old):
    with closing(sqlite3.connect(old)) as database:
        (before,) = database.execute("SELECT version FROM faq_contentversion WHERE id = 1").fetchone()
    run(old)
    with connection.cursor() as cursor:
        cursor.execute("SELECT version FROM faq_contentversion")
        assert cursor.fetchone()[0] > before and cursor.fetchone() is None


def test_nothing_is_written_over(old, library):
    with pytest.raises(CommandError, match=r"is not empty, and nothing is written over: see faq_answerpoint, "):
        run(old)
    assert Question.objects.count() == 3 and not User.objects.exists()


def test_another_programs_database_is_not_written_into(old):
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE invoices (id integer)")
    try:
        with pytest.raises(CommandError, match="is not empty, and nothing is written over: see invoices"):
            run(old)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE invoices")


def test_the_sites_own_database_is_no_old_one(library):
    with pytest.raises(CommandError, match="Set DATABASE_URL to the new one"):
        run(address())


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing", None, "There is no file"),
        ("empty", b"", "There is no site in the old database"),
        ("wrong", b"not a database" * 100, "file is not a database"),
    ],
)
def test_what_is_no_site_is_refused_in_words(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError, match=message):
        run(path)
    assert path.exists() == (content is not None)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://a:hush@127.0.0.1/kb",
        "hush://a",
        "postgres://a:hush@127.0.0.1:1/kb",
        "postgres://a:hush@127.0.0.1:port/kb",
        "postgres://a:hush@127.0.0.1:1/kb?connect_timeout=soon",
        "postgres://",
    ],
)
def test_an_address_that_leads_nowhere_is_refused_without_its_password(url):
    with pytest.raises(CommandError, match="The old database") as refused:
        run(url)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM django_migrations WHERE name = '0002_search_and_vocabulary'", "is older than this version"),
        ("INSERT INTO django_migrations (app, name, applied) VALUES ('faq', '9999_new', '2030-01-01')", "newer"),
    ],
)
def test_a_database_of_another_version_is_refused(old, statement, message):
    with closing(sqlite3.connect(old)) as database:
        database.execute(statement)
        database.commit()
    with pytest.raises(CommandError, match=message):
        run(old)
    assert not Question.objects.exists()


def test_a_database_that_was_tampered_with_does_not_come_over(old):
    with closing(sqlite3.connect(old)) as database:
        database.execute("DROP TRIGGER faq_event_no_update")
        database.execute("UPDATE faq_event SET act = 'checked' WHERE number = 2")
        database.commit()
    with pytest.raises(CommandError, match="is not as it was written, so nothing was moved: Entry 2 was changed"):
        run(old)
    assert not Edition.objects.exists() and not User.objects.exists() and Synonym.objects.exists()
    assert log.verify().entries == 0


def test_nobody_writes_to_the_old_database_while_it_is_read_and_readers_go_on(old, monkeypatch):
    seen = []

    def look(model, progress):
        with closing(sqlite3.connect(old, timeout=0)) as database:
            seen.append(database.execute("SELECT count(*) FROM faq_question").fetchone())
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                database.execute("DELETE FROM faq_missedsearch")
        return copy(model, progress)

    copy = moving._copy
    monkeypatch.setattr(moving, "_copy", look)
    run(old)
    assert set(seen) == {(3,)}


def test_a_row_that_does_not_fit_is_named_and_nothing_is_moved(old):
    with closing(sqlite3.connect(old)) as database:
        (pk,) = database.execute("SELECT id FROM faq_question WHERE number = 2").fetchone()
        database.execute("PRAGMA foreign_keys = OFF")
        database.execute("PRAGMA ignore_check_constraints = ON")
        database.execute("UPDATE faq_question SET text = '' WHERE id = ?", [pk])
        database.commit()
    with pytest.raises(CommandError, match=f"Row {pk} of faq_question does not fit into the new database"):
        run(old)
    assert not Question.objects.exists() and not User.objects.exists()


def test_tables_that_nothing_here_knows_are_said_to_stay_behind(old):
    with closing(sqlite3.connect(old)) as database:
        database.execute("CREATE TABLE invoices (id integer)")
    assert "Left behind, as nothing here knows them: invoices." in run(old)
