"""Backups: made while the site is used, proved by restoring them, and put back."""

import os
import secrets
import threading
import time
from contextlib import closing
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from faq.admin import site
from faq.models import BackupProof, Question, triggers
from faq.operations import backups
from faq.tests.test_workflow import change, question
from faq.workflow import audit, publishing, working_copy

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _scratch(settings, tmp_path, monkeypatch, transactional_db, django_db_blocker):
    """A folder of its own, and leave to connect to the databases in which backups are proved."""
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)


def run(name, *arguments, **options):
    out, err = StringIO(), StringIO()
    call_command(name, *arguments, stdout=out, stderr=err, **options)
    return out.getvalue()


def test_a_backup_is_made_proved_and_put_back(library, editor, publisher):
    publishing.publish(change(editor), by=publisher, note="Four.")
    made = run("backup")
    path = backups.latest()
    assert made.startswith(f"{path}: ") and path.stat().st_mode & 0o777 == 0o600
    head = audit.verify().head
    told = run("verify_backup")
    assert "3 questions, 4 editions, 8 entries of the log." in told
    assert BackupProof.objects.get().name == path.name and backups.age() == 0
    publishing.withdraw(question(), because="A mistake.", by=publisher)
    told = run("restore_backup", path, yes=True)
    assert question().live.content.blocks[0].text == "Four weeks."
    assert audit.verify().head == head and audit.verify().problems == []
    with pytest.raises(Exception, match="append-only"):
        connection.cursor().execute("DELETE FROM faq_event")  # the restored database guards itself, too
    before = told.split("The previous database is in ")[1].rstrip(".\n")
    run("restore_backup", before, yes=True)
    assert question().withdrawn_because == "A mistake."


def databases():
    with connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname LIKE 'kb_backup%'")
        return [name for [name] in cursor.fetchall()]


def test_a_scratch_copy_that_was_left_behind_is_taken_away_by_the_next_proof(library):
    run("backup")
    if connection.vendor == "sqlite":
        left = backups.folder() / ".scratch-killed"
        left.mkdir()
        (left / "copy.sqlite3").write_text("all that is not public")
    else:
        with backups._scratch_name() as name:
            backups._run("createdb", name)
        elsewhere = f"kb_backup_{secrets.token_hex(6)}"  # of another site on the same server
        backups._run("createdb", elsewhere)
    run("verify_backup")
    if connection.vendor == "sqlite":
        assert not list(backups.folder().glob(".scratch-*"))
    else:
        assert name not in databases() and elsewhere in databases()
        backups._run("dropdb", elsewhere)


def test_two_proofs_at_once_do_not_take_each_others_copies(library):
    run("backup")
    other = backups._scratch_folder() if connection.vendor == "sqlite" else closing(connection.copy())
    with other as held:
        if connection.vendor == "postgresql":
            held.cursor().execute("SELECT pg_advisory_lock(%s)", [backups._ADVISORY_LOCK])
        with pytest.raises(CommandError, match="Wait until that has ended"):
            run("verify_backup")
        if connection.vendor == "postgresql":
            held.cursor().execute("SELECT pg_advisory_unlock_all()")  # the server notices only later that it is closed
    run("verify_backup")


def test_a_copy_that_was_killed_is_forgotten_after_a_day(library):
    backups.folder().mkdir()
    old, new = (backups.folder() / f".kb-{name}.sqlite3.0000.part" for name in ("old", "new"))
    for part in (old, new):
        part.touch()
    os.utime(old, (0, 0))
    run("backup")
    assert not old.exists() and new.exists()


def test_nothing_of_a_newer_version_holds_on_when_an_older_backup_is_put_back(library):
    run("backup")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE faq_remark (id integer PRIMARY KEY, of bigint REFERENCES faq_edition (id))")
        cursor.execute("INSERT INTO faq_remark SELECT 1, MIN(id) FROM faq_edition")
        cursor.execute("CREATE TABLE faq_alone (id integer PRIMARY KEY)")
    run("restore_backup", backups.latest(), yes=True)
    assert not {"faq_remark", "faq_alone"} & set(connection.introspection.table_names())
    assert Question.objects.public().count() == 3 and audit.verify().problems == []


@pytest.mark.parametrize("spoiled", ["the backup ends early", "a program ends early"])
def test_a_restore_that_fails_half_way_leaves_the_database_as_it_was(library, tmp_path, monkeypatch, spoiled):
    path = backups.make()
    if spoiled == "the backup ends early":
        path.write_bytes(path.read_bytes()[: -path.stat().st_size // 3])
    elif connection.vendor == "postgresql":
        monkeypatch.setattr(backups, "_EMPTY_POSTGRESQL", backups._EMPTY_POSTGRESQL + b"SELECT nothing;")
    else:
        path.write_bytes(b"")
    connection.close()
    with pytest.raises(backups.CannotBackUp):
        backups._replace_postgresql(path) if connection.vendor == "postgresql" else backups.restore(path)
    assert Question.objects.public().count() == 3 and audit.verify().problems == []


def test_a_backup_that_was_changed_is_no_proof_and_is_not_put_back(library, publisher):
    triggers.remove()
    connection.cursor().execute("UPDATE faq_edition SET content = '{}' WHERE number = 1")
    triggers.install()
    run("backup")
    with pytest.raises(CommandError, match="is damaged or was changed"):
        run("verify_backup")
    assert not BackupProof.objects.exists()
    with pytest.raises(CommandError, match="is damaged, so nothing was changed"):
        run("restore_backup", backups.latest(), yes=True)


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + b"\x00" * 4000])
def test_a_file_that_is_no_backup_is_refused_and_nothing_is_changed(library, tmp_path, content):
    path = tmp_path / "wrong"
    path.write_bytes(content)
    for command, options in (("verify_backup", {}), ("restore_backup", {"yes": True})):
        with pytest.raises(CommandError):
            run(command, path, **options)
    assert Question.objects.count() == 3 and audit.verify().problems == []


def test_a_missing_file_and_a_missing_backup_are_reported(library, tmp_path):
    with pytest.raises(CommandError, match="There is no file"):
        run("restore_backup", tmp_path / "nothing", yes=True)
    with pytest.raises(CommandError, match=r"There is no backup in .* Make one: manage.py backup"):
        run("verify_backup")


def test_nothing_is_written_over_and_nothing_half_is_left(library, tmp_path):
    path = tmp_path / "mine"
    run("backup", path)
    with pytest.raises(CommandError, match="nothing is written over"):
        run("backup", path)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(CommandError, match="could not be written"):
        run("backup", tmp_path / "file" / "copy")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "mine"]


def test_the_site_goes_on_while_it_is_backed_up(library, editor):
    stop, errors, saves = threading.Event(), [], []

    def keep_saving():
        try:
            while not stop.is_set():
                row = question()
                row.points.update(text=f"{len(saves)} weeks.")
                working_copy.refresh(row, editor)
                saves.append(1)
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    writer = threading.Thread(target=keep_saving)
    writer.start()
    for number in range(2):
        backups.make(backups.folder() / f"kb-{number}.copy")
        saved = len(saves)
        while writer.is_alive() and len(saves) == saved:
            time.sleep(0.01)
    stop.set()
    writer.join()
    assert errors == [] and len(saves) >= 2
    for number in range(2):
        assert backups.prove(backups.folder() / f"kb-{number}.copy").verdict.problems == []


def test_the_desk_asks_for_a_proof_where_none_is_recent(library, editor, publisher, monkeypatch):
    publisher.is_superuser = True
    publisher.save()

    def asked(user):
        return [line.label for line in site.queue(user) if "backup" in line.label]

    assert asked(publisher) == ["No backup was ever proved"] and asked(editor) == []
    run("backup")
    run("verify_backup")
    assert asked(publisher) == []
    monkeypatch.setattr(backups, "age", lambda: 40)
    assert asked(publisher) == ["Days since a backup was last proved"]


def test_readyz_reports_database_migrations_and_backup(library, client, monkeypatch):
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.content.decode().splitlines() == ["database: ok", "migrations: ok", "backup: never proved"]
    run("backup")
    run("verify_backup")
    assert "backup: proved 0 days ago" in client.get("/readyz").content.decode()
    last = "SELECT MAX(name) FROM django_migrations WHERE app = 'faq'"
    connection.cursor().execute(f"DELETE FROM django_migrations WHERE app = 'faq' AND name IN ({last})")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert "migrations: 1 not applied. Run: manage.py migrate" in response.content.decode()
    call_command("migrate", fake=True, verbosity=0)


@pytest.mark.sqlite
def test_a_database_that_is_not_there_yet_cannot_be_copied_and_the_reason_is_said(db, tmp_path, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "NAME", tmp_path / "absent.sqlite3")
    with pytest.raises(backups.CannotBackUp, match=r"no database at .*absent\.sqlite3 yet"):
        backups.make(tmp_path / "copy.sqlite3")
