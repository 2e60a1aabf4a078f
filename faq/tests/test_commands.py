"""The management commands, and the site as `make run` starts it. Processes run only where a process is the subject."""

import io
import json
import os
import re
import shlex
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from faq.models import Collection, Edition, Event, Question, SearchText
from faq.tests.conftest import LIBRARY
from faq.tests.installations import ROOT, Site, migrated_site

pytestmark = pytest.mark.django_db

SEED = ROOT / "seeds" / "wyoming-courts-ice.txt"
FIXTURE = ROOT / "fixtures" / "wyoming-courts-ice.json"


def run(*arguments, **options):
    """Run a command in this process; returns the text of its output and of its errors."""
    out, err = io.StringIO(), io.StringIO()
    call_command(*map(str, arguments), stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


def test_the_seed_is_imported_and_exported_byte_for_byte():
    assert run("import_seed", SEED, "--publish")[0] == "wyoming-courts-ice: 20 questions: 20 new. 20 published.\n"
    for options in ([], ["--working-copy"]):
        assert run("export_seed", "wyoming-courts-ice", *options)[0].encode() == SEED.read_bytes()
    assert run("import_seed", SEED, "--publish")[0] == "wyoming-courts-ice: 20 questions: 20 unchanged.\n"


def test_a_dry_run_says_what_would_happen_question_by_question_and_writes_nothing(tmp_path):
    (tmp_path / "library.txt").write_text(LIBRARY)
    assert run("import_seed", tmp_path / "library.txt", "--dry-run")[0] == (
        "  question 1: new\n  question 2: new\n  question 3: new\n"
        "library: 3 questions: 3 new.\nThis was a dry run: nothing was changed.\n"
    )
    assert not Collection.objects.exists()


def test_options_replace_a_manifest(tmp_path):
    (tmp_path / "Town Library.txt").write_text(LIBRARY)
    run("import_seed", tmp_path / "Town Library.txt", "--jurisdiction", "Springfield", "--language", "es")
    [facts] = Collection.objects.values_list("slug", "title", "jurisdiction", "language")
    assert facts == ("town-library", "Town library", "Springfield", "es")


@pytest.mark.parametrize(
    ("content", "manifest", "message"),
    [
        (b"", None, "line 1: found nothing but white space. A seed file starts with"),
        (b"1. A?\nb\n3. C?\nd\n", None, "line 3: found “3. C?”. What would fit here: question 2"),
        (b"1. A?\n\xff\n", None, "line 2: found the byte 0xff, which is not UTF-8."),
        (LIBRARY.encode(), b"title = 3", "“title” is not part of a manifest."),
        (LIBRARY.encode(), b'[collection]\ntitle="L"\n[[tags]]\nname="x"\nquestions=[8]', "names question 8, which"),
        (None, None, "bad.txt cannot be read (No such file or directory)."),
    ],
)
def test_a_refused_file_is_named_with_the_reason_and_nothing_is_imported(tmp_path, content, manifest, message):
    if content is not None:
        (tmp_path / "bad.txt").write_bytes(content)
    if manifest:
        (tmp_path / "bad.toml").write_bytes(manifest)
    with pytest.raises(CommandError) as refused:
        run("import_seed", tmp_path / "bad.txt", "--publish")
    assert message in str(refused.value) and "Nothing was imported." in str(refused.value)
    assert not Collection.objects.exists()


@pytest.mark.parametrize("command", ["export_seed", "write_fixture"])
def test_a_command_for_an_unknown_collection_lists_the_collections(library, command):
    with pytest.raises(CommandError, match="Collections: library"):
        run(command, "nothing")


def test_of_several_files_all_are_imported_or_none(tmp_path):
    files = [tmp_path / f"{name}.txt" for name in ("cards", "lanes", "bad")]
    for file in files:
        file.write_text("1. May I?\nYes.\n2. Must I?\nNo.\n")
    files[2].write_text("This is no question.\n")
    for arguments, message in (
        (files, "bad.txt, line 1.*Nothing was imported."), ([files[0], files[0]], "are both the collection cards"),
        ([*files[:2], "--title", "Both"], "is for one file"),
    ):  # fmt: skip
        with pytest.raises(CommandError, match=f"(?s){message}"):
            run("import_seed", *arguments, "--publish")
        assert not Collection.objects.exists()
    assert run("import_seed", *files[:2], "--publish")[0] == (
        "cards: 2 questions: 2 new. 2 published.\nlanes: 2 questions: 2 new. 2 published.\n"
    )


def test_an_export_with_a_gap_warns_that_it_cannot_be_imported_again(library):
    Question.objects.filter(number=2).update(live=None)
    text, warning = run("export_seed", "library")
    assert "How long" not in text
    assert "You cannot import this text again without changes: question 2 is missing." in warning


@pytest.mark.sqlite  # PostgreSQL keeps JSON without the order of its keys
def test_the_fixture_in_the_repository_has_the_rows_that_importing_the_seed_makes():
    """But for the times. The search index has the same words."""
    assert b'"public_since": null' not in FIXTURE.read_bytes()
    words = "SELECT number, title, short, labels, found_by, points, words FROM faq_searchtext JOIN faq_question "
    found = []
    for arguments in (["import_seed", SEED, "--publish"], ["loaddata", FIXTURE]):
        with transaction.atomic():
            run(*arguments)
            written = run("write_fixture", "wyoming-courts-ice")[0]
            rows = json.loads(written)
            for row in rows:
                row["fields"].pop("published_at", None)
                row["fields"].pop("public_since", None)
            with connection.cursor() as cursor:
                found.append((rows, cursor.execute(words + "ON id = question_id ORDER BY number").fetchall()))
            again = run("import_seed", SEED, "--publish")[0]
            transaction.set_rollback(True)
    assert found[0] == found[1] and len(found[0][1]) == 20
    assert written.encode() == FIXTURE.read_bytes() and "20 unchanged." in again


def test_the_fixture_can_be_loaded_twice():
    told = run("loaddata", FIXTURE)[0]
    assert re.fullmatch(r"Installed \d+ object\(s\) from 1 fixture\(s\)\n", told)
    before = list(Edition.objects.values()), list(Event.objects.values())
    assert "20 log entries and 20 editions verified." in run("verify_log")[0]
    run("loaddata", FIXTURE)
    assert (list(Edition.objects.values()), list(Event.objects.values())) == before
    assert SearchText.objects.count() == 20


def test_verify_log_names_a_change_by_hand_and_fails(library):
    Question.objects.filter(number=3).update(checked_on="2026-01-02", check_due="2030-01-02")
    told = io.StringIO()
    with pytest.raises(CommandError, match="2 problems: the database or its log was changed"):
        call_command("verify_log", stdout=told, stderr=told)
    assert "The day of the last check of library 3 does not follow from the log: it is “2026-01-02”" in told.getvalue()


# In processes of their own


@pytest.fixture
def site(migrated, tmp_path):
    return migrated_site(migrated, tmp_path)


@pytest.mark.commands
@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0])
def test_a_killed_import_leaves_the_database_as_it_was(site, tmp_path, seconds):
    """The file is large enough that the import still runs one second after it first wrote to the database's log."""
    big = "".join(f"{n}. Question {n}?\nIntro {n}.\n1. one\n2. two\n3. three\n" for n in range(1, 8001))
    (tmp_path / "big.txt").write_text(big)
    log = site.folder / "var" / "kb.sqlite3-wal"
    (tmp_path / "small.txt").write_text(LIBRARY)
    site.manage("import_seed", tmp_path / "small.txt", "--publish")
    before = site.sql("SELECT * FROM faq_question"), site.sql("SELECT * FROM faq_answerpoint")
    process = site.start("manage.py", "import_seed", tmp_path / "big.txt", "--publish")
    deadline = time.monotonic() + 60
    while process.poll() is None and not (log.exists() and log.stat().st_size > 0) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(seconds)
    assert process.poll() is None, "the import was over before it could be killed"
    process.kill()
    process.communicate()
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    assert site.sql("SELECT slug FROM faq_collection") == [("small",)]
    assert (site.sql("SELECT * FROM faq_question"), site.sql("SELECT * FROM faq_answerpoint")) == before
    assert site.manage("import_seed", tmp_path / "small.txt").stdout == b"small: 3 questions: 3 unchanged.\n"


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(address):
    """Return status, headers and text of a page, also of an error page; a redirect is not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *arguments):
            return None

    try:
        with urllib.request.build_opener(Stay).open(address, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def wait_until_it_answers(address, process):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return fetch(address)
        except OSError:
            time.sleep(0.1)
    raise AssertionError(process.communicate()[0].decode())


@pytest.mark.commands
def test_make_run_prepares_serves_and_stops(site):
    """`make run` without its install step: prepare, twice, then the production server, then Ctrl-C."""
    port = _free_port()
    site.environment |= {"HOST": "127.0.0.1", "PORT": str(port)}
    first = site.manage("prepare").stdout.decode()
    assert f"Read   http://127.0.0.1:{port}/\n" in first and f"Edit   http://127.0.0.1:{port}/admin/" in first
    assert "Stop   Ctrl-C" in first
    assert re.findall(r"log in as (\w+) +password \S{16}", first) == ["editor", "publisher", "manager"]
    counted = site.sql("SELECT count(*) FROM faq_edition"), site.sql("SELECT count(*) FROM auth_user")
    assert counted[0] == [(20,)]
    second = site.manage("prepare").stdout.decode()
    assert "password" not in second and "questions" not in second
    assert (site.sql("SELECT count(*) FROM faq_edition"), site.sql("SELECT count(*) FROM auth_user")) == counted

    makefile = (ROOT / "Makefile").read_text()
    [command] = re.findall(r"granian (--interface .*)", makefile.replace("\\\n", " "))
    options = shlex.split(command.replace("$(HOST)", "127.0.0.1").replace("$(PORT)", str(port)))
    server = site.start(Path(sys.executable).parent / "granian", *options, start_new_session=True)
    try:
        address = f"http://127.0.0.1:{port}"
        status, headers, html = wait_until_it_answers(f"{address}/", server)
        assert status == 200 and "Wyoming" in html
        [style] = re.findall(r'href="(/static/css/site\.[0-9a-f]+\.css)"', html)
        assert fetch(address + style)[0] == 200
        assert fetch(f"{address}/admin/login/")[0] == 200
        status, _, missing = fetch(f"{address}/nowhere/")
        assert status == 404 and "DEBUG" not in missing
        assert headers.get_all("Set-Cookie") is None
    finally:
        os.kill(server.pid, signal.SIGTERM)  # what `make run` makes of Ctrl-C
        printed = server.communicate(timeout=20)[0].decode()
    assert server.returncode == 0, printed
    assert "Traceback" not in printed


@pytest.mark.commands
def test_an_unusable_host_stops_the_start_before_there_is_a_database(tmp_path):
    refused = Site(tmp_path, HOST="0.0.0.0").manage("prepare", code=1).stderr.decode()
    assert "set ALLOWED_HOSTS to the names that readers will use" in refused
    assert not (tmp_path / "var" / "kb.sqlite3").exists()


@pytest.mark.commands
def test_the_secret_key_is_made_once_and_kept_private(site):
    key = site.folder / "var" / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_text()) == 50
    before = key.read_text()
    site.manage("check")
    assert key.read_text() == before


@pytest.mark.commands
@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ({"DEBUG": "maybe"}, ["check"], "DEBUG='maybe' is neither on nor off."),
        ({}, ["verify_log"], "manage.py migrate"),
        ({}, ["restore_backup", "missing.sqlite3"], "Add --yes."),
    ],
)
def test_a_command_that_cannot_go_on_says_what_to_do_and_shows_no_traceback(tmp_path, settings, arguments, message):
    refused = Site(tmp_path, **settings).manage(*arguments, code=1).stderr.decode()
    assert message in refused and "Traceback" not in refused
