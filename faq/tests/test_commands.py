"""The commands as a user runs them: in processes of their own, on a database file, with the production server."""

import json
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from faq.answers import seedfile
from faq.tests.conftest import LIBRARY

pytestmark = pytest.mark.commands

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT / "seeds" / "wyoming-courts-ice.txt"
FIXTURE = ROOT / "fixtures" / "wyoming-courts-ice.json"


class Site:
    """One installation in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        keep = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "DATABASE_"))}
        self.environment = {**keep, "VAR_DIR": str(folder / "var"), "PYTHONWARNINGS": "error", "COLUMNS": "80"}
        self.environment.pop("SECRET_KEY", None)

    def manage(self, *arguments, code=0):
        done = subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=ROOT, env=self.environment, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
        return done

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip

    def sql(self, statement):
        with sqlite3.connect(self.folder / "var" / "kb.sqlite3") as connection:
            return connection.execute(statement).fetchall()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path)
    site.manage("migrate", "-v0")
    return site


def test_the_seed_goes_in_and_comes_out_byte_for_byte(site):
    assert site.manage("import_seed", SEED, "--publish").stdout.decode() == (
        "wyoming-courts-ice: 20 questions: 20 new. 20 published.\n"
    )
    kinds = dict(site.sql("SELECT kind, count(*) FROM faq_answerpoint GROUP BY kind"))
    assert kinds == {"numbered": 44, "bullet": 6, "paragraph": 29}
    assert site.sql(
        "SELECT DISTINCT number FROM faq_question q JOIN faq_answerpoint p ON p.question_id = q.id"
        " WHERE kind = 'bullet'"
    ) == [(9,)]
    assert site.manage("export_seed", "wyoming-courts-ice").stdout == SEED.read_bytes()
    assert site.manage("export_seed", "wyoming-courts-ice", "--working-copy").stdout == SEED.read_bytes()
    again = site.manage("import_seed", SEED, "--publish").stdout.decode()
    assert again == "wyoming-courts-ice: 20 questions: 20 unchanged.\n"


def test_a_dry_run_says_what_would_happen_question_by_question_and_writes_nothing(site, tmp_path):
    (tmp_path / "library.txt").write_text(LIBRARY)
    printed = site.manage("import_seed", tmp_path / "library.txt", "--dry-run").stdout.decode()
    assert printed == (
        "  question 1: new\n  question 2: new\n  question 3: new\n"
        "library: 3 questions: 3 new.\nThis was a dry run: nothing was changed.\n"
    )
    assert site.sql("SELECT count(*) FROM faq_collection") == [(0,)]


def test_options_stand_in_for_a_manifest(site, tmp_path):
    (tmp_path / "Town Library.txt").write_text(LIBRARY)
    site.manage("import_seed", tmp_path / "Town Library.txt", "--jurisdiction", "Springfield", "--language", "es")
    assert site.sql("SELECT slug, title, jurisdiction, language FROM faq_collection") == [
        ("town-library", "Town library", "Springfield", "es")
    ]


@pytest.mark.parametrize(
    ("content", "manifest", "message"),
    [
        (b"", None, "line 1: found nothing but white space. A seed file starts with"),
        (b"1. A?\nb\n3. C?\nd\n", None, "line 3: found “3. C?”. What would fit here: question 2"),
        (b"1. A?\n\xff\n", None, "line 2: found the byte 0xff, which is not UTF-8."),
        (b"1. A?\n" + b"x" * 30_000_000, None, "line 2: found a line of 30,000,000 characters"),
        (LIBRARY.encode(), b"title = 3", "“title” is not part of a manifest."),
        (LIBRARY.encode(), b'[collection]\ntitle="L"\n[[tags]]\nname="x"\nquestions=[8]', "names question 8, which"),
    ],
)
def test_a_refused_file_is_named_with_the_reason_and_leaves_the_database_as_it_was(
    site, tmp_path, content, manifest, message
):
    (tmp_path / "bad.txt").write_bytes(content)
    if manifest:
        (tmp_path / "bad.toml").write_bytes(manifest)
    refused = site.manage("import_seed", tmp_path / "bad.txt", "--publish", code=1)
    assert message in refused.stderr.decode()
    assert "Nothing was imported." in refused.stderr.decode()
    assert "Traceback" not in refused.stderr.decode()
    assert site.sql("SELECT count(*) FROM faq_collection") == [(0,)]


def test_commands_name_what_does_not_exist_and_what_does(site, tmp_path):
    absent = site.manage("import_seed", tmp_path / "absent.txt", code=1).stderr.decode()
    assert "absent.txt cannot be read (No such file or directory). Nothing was imported." in absent
    assert "Collections: none." in site.manage("export_seed", "nothing", code=1).stderr.decode()
    assert "Collections: none." in site.manage("write_fixture", "nothing", code=1).stderr.decode()


def test_of_several_files_all_are_imported_or_none(site, tmp_path):
    files = []
    for name in ("cards", "lanes"):
        files.append(tmp_path / f"{name}.txt")
        files[-1].write_text("1. May I?\nYes.\n2. Must I?\nNo.\n")
    bad = tmp_path / "bad.txt"
    bad.write_text("This is no question.\n")
    refused = site.manage("import_seed", *files, bad, "--publish", code=1).stderr.decode()
    assert "bad.txt, line 1" in refused and "Nothing was imported." in refused
    twice = site.manage("import_seed", files[0], files[0], code=1).stderr.decode()
    assert "are both the collection cards" in twice
    assert "is for one file" in site.manage("import_seed", *files, "--title", "Both", code=1).stderr.decode()
    assert site.manage("import_seed", *files, "--publish").stdout.decode() == (
        "cards: 2 questions: 2 new. 2 published.\nlanes: 2 questions: 2 new. 2 published.\n"
    )


def test_an_export_with_a_gap_says_that_it_cannot_be_imported_again(site, tmp_path):
    (tmp_path / "library.txt").write_text(LIBRARY)
    site.manage("import_seed", tmp_path / "library.txt", "--publish")
    site.sql("UPDATE faq_question SET live_id = NULL WHERE number = 2")
    done = site.manage("export_seed", "library")
    assert b"How long" not in done.stdout
    assert "You cannot import this text again without changes: question 2 is missing." in done.stderr.decode()


@pytest.mark.parametrize("moment", [0.0, 0.3, 0.6, 0.9, 1.2])
def test_a_killed_import_leaves_the_database_as_it_was(site, tmp_path, moment):
    """The file is large enough that the import is under way from its first bytes in the log until well after 1.2 s."""
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
    time.sleep(moment)
    assert process.poll() is None, "the import was over before it could be killed"
    process.kill()
    process.communicate()
    assert site.sql("PRAGMA integrity_check") == [("ok",)]
    assert site.sql("SELECT slug FROM faq_collection") == [("small",)]
    assert (site.sql("SELECT * FROM faq_question"), site.sql("SELECT * FROM faq_answerpoint")) == before
    assert site.manage("import_seed", tmp_path / "small.txt").stdout == b"small: 3 questions: 3 unchanged.\n"


def test_the_fixture_in_the_repository_is_the_seed(site):
    """Loading the fixture and importing the seed make the same rows, but for the moment of publishing."""
    assert b'"public_since": null' not in FIXTURE.read_bytes()
    loaded = site.manage("loaddata", FIXTURE).stdout.decode()
    assert re.fullmatch(r"Installed \d+ object\(s\) from 1 fixture\(s\)\n", loaded)
    assert site.manage("import_seed", SEED, "--publish").stdout.decode() == (
        "wyoming-courts-ice: 20 questions: 20 unchanged.\n"
    )
    assert site.manage("write_fixture", "wyoming-courts-ice").stdout == FIXTURE.read_bytes()
    other = Site(site.folder / "other")
    other.manage("migrate", "-v0")
    other.manage("import_seed", SEED, "--publish")
    imported = json.loads(other.manage("write_fixture", "wyoming-courts-ice").stdout)
    in_repository = json.loads(FIXTURE.read_bytes())
    for row in [*imported, *in_repository]:
        row["fields"].pop("published_at", None)
        row["fields"].pop("public_since", None)
    assert imported == in_repository
    words = """SELECT number, title, short, labels, found_by, points, words
        FROM faq_searchtext JOIN faq_question ON id = question_id ORDER BY number"""
    assert site.sql(words) == other.sql(words) and len(site.sql(words)) == 20


def test_the_fixture_can_be_loaded_twice(site):
    site.manage("loaddata", FIXTURE)
    before = site.sql("SELECT * FROM faq_edition"), site.sql("SELECT * FROM faq_event")
    assert b"20 log entries and 20 editions verified." in site.manage("verify_log").stdout
    site.manage("loaddata", FIXTURE)
    assert (site.sql("SELECT * FROM faq_edition"), site.sql("SELECT * FROM faq_event")) == before


def test_a_change_by_hand_ends_verify_log_with_its_name(site):
    site.manage("loaddata", FIXTURE)
    site.sql("UPDATE faq_question SET checked_on = '2026-01-02', check_due = '2030-01-02' WHERE number = 3")
    told = site.manage("verify_log", code=1).stderr.decode()
    assert "The day of the last check of wyoming-courts-ice 3 does not follow from the log: it is “2026-01-02”" in told
    assert "2 problems: the database or its log was changed." in told


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def fetch(address):
    """Status, headers and text; an error page is an answer like any other, and a redirect is not followed."""

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


def test_make_run_prepares_serves_and_stops(tmp_path):
    """`make run` without its install step: prepare, then the production server, then Ctrl-C; and once more."""
    site, port = Site(tmp_path), _free_port()
    site.environment |= {"HOST": "127.0.0.1", "PORT": str(port)}
    first = site.manage("prepare").stdout.decode()
    assert f"Read   http://127.0.0.1:{port}/\n" in first and f"Edit   http://127.0.0.1:{port}/admin/" in first
    assert "Stop   Ctrl-C" in first
    assert re.findall(r"log in as (\w+) +password \S{16}", first) == ["editor", "publisher", "manager"]
    counted = site.sql("SELECT count(*) FROM faq_edition"), site.sql("SELECT count(*) FROM auth_user")
    assert counted == ([(20,)], [(3,)])
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
        assert fetch(f"{address}/nowhere/")[0] == 404
        assert "DEBUG" not in fetch(f"{address}/nowhere/")[2]
        assert headers.get_all("Set-Cookie") is None
    finally:
        os.kill(server.pid, signal.SIGTERM)  # what `make run` makes of Ctrl-C
        printed = server.communicate(timeout=20)[0].decode()
    assert server.returncode == 0, printed
    assert "Traceback" not in printed


def test_a_host_that_nobody_could_reach_is_refused_with_the_mend(tmp_path):
    site = Site(tmp_path)
    site.environment["HOST"] = "0.0.0.0"
    refused = site.manage("prepare", code=1).stderr.decode()
    assert "set ALLOWED_HOSTS to the names that readers will use" in refused
    assert not (tmp_path / "var" / "kb.sqlite3").exists()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("DEBUG", "maybe", "DEBUG='maybe' is neither on nor off."),
        ("DATABASE_URL", "nonsense", "DATABASE_URL is not the address of a PostgreSQL or SQLite database"),
    ],
)
def test_a_wrong_setting_is_refused_in_words(tmp_path, name, value, message):
    site = Site(tmp_path)
    site.environment[name] = value
    refused = site.manage("check", code=1).stderr.decode()
    assert message in refused and "Traceback" not in refused


def test_the_secret_key_is_made_once_and_kept_private(site):
    key = site.folder / "var" / "secret_key"
    assert key.stat().st_mode & 0o777 == 0o600 and len(key.read_text()) == 50
    before = key.read_text()
    site.manage("check")
    assert key.read_text() == before


def test_the_parser_alone_prints_json():
    done = subprocess.run(
        [sys.executable, "-m", "faq.answers.seedfile", SEED], cwd=ROOT, capture_output=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == seedfile.as_json(seedfile.parse(SEED.read_bytes()))
