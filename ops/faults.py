#!/usr/bin/env python3
"""Kill the commands that write, and take away what the running site needs. Prints one table.

    python -m ops.faults [--kills NUMBER] [--seed NUMBER] [--only WORDS] [--no-drills]

Kills: `import`, `publish`, `restore` and `migrate` get kill -9 at random moments, on SQLite and PostgreSQL. After each
kill, the data must be as before, as after, or as between two complete steps; the log, the editions and the search index
must be in order; and pages must answer.

Drills: disk full, database away, database busy, cache away, search index broken. Readers must get pages or a proper
503. A save and a publication that are refused must be on the page, and go in when they are sent again later.
"""

import argparse
import contextlib
import hashlib
import json
import os
import random
import re
import secrets
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import lxml.html
import psycopg

from ops import with_postgres

ROOT = Path(__file__).resolve().parents[1]
SEED = ROOT / "seeds" / "wyoming-courts-ice.txt"
ANSWER = "/answers/wyoming-courts-ice/1/"
PAGES = ["/", "/questions/", ANSWER, f"{ANSWER}history/", "/questions/?q=judges", "/changes.atom", f"/es{ANSWER}"]
DONE = {"save": "was changed successfully", "publication": "is public now."}
OLD = "0003_findings"
"""The first migration whose data all later ones must keep."""


class NotHere(Exception):
    """Why this machine cannot show a drill."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=0, help="how often to kill the commands that write")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="chooses the moments of the kills")
    parser.add_argument("--only", default="", help="only drills with these words in their names")
    parser.add_argument("--no-drills", action="store_true")
    parser.add_argument("--kill-here", nargs=3, help=argparse.SUPPRESS)  # in a process for one database: see `kills`
    options = parser.parse_args()
    if options.kill_here:
        return kill_here(*options.kill_here)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # stops the servers as well
    print(f"{'fault':<34} | readers | editors | lost      (seed {options.seed})", flush=True)
    with tempfile.TemporaryDirectory(prefix="kb-faults-", dir=with_postgres.reachable_folder()) as folder:
        Path(folder).chmod(0o755)
        with contextlib.ExitStack() as stack:
            makers = {"SQLite": lambda name, **more: Site(Path(folder) / name, **more)}
            if programs := with_postgres.find_programs():
                server = with_postgres.Server(programs)
                stack.callback(server.remove)
                url = f"postgres://kb@127.0.0.1:{server.start()}"
                psql(f"{url}/kb", "ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")

                def on_postgres(name, **more):
                    psql(f"{url}/postgres", f"CREATE DATABASE {name}")
                    return Site(Path(folder) / name, server=server, DATABASE_URL=f"{url}/{name}", **more)

                makers["PostgreSQL"] = on_postgres
            failed = sum(
                kills(make, engine, options.kills // len(makers), options.seed) for engine, make in makers.items()
            )
            if not options.no_drills:
                failed += drills(makers, options.only)
    return min(failed, 1)


def row(name, *cells):
    print(" | ".join([f"{name:<34}", *cells]), flush=True)


def psql(url, *statements):
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            found = connection.execute(statement)
        return found.fetchall() if found.description else []


def wait_for(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"Waited {seconds} seconds for this: {what}.")
        time.sleep(0.1)


class Site:
    """An installation in a folder, with the environment of its processes."""

    def __init__(self, folder, server=None, **variables):
        own = ("DJANGO_", "DATABASE_", "CACHE_", "SECRET_", "PYTEST_", "GRANIAN_", "KEEP_PAGES")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.folder, self.server, self.database = folder, server, folder / "kb.sqlite3"
        self.environment = kept | {"VAR_DIR": str(folder), **variables}
        self.passwords = dict(re.findall(r"log in as (\w+) +password (\S+)", self.manage("prepare")))

    def manage(self, *arguments):
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=self.environment, capture_output=True, text=True,
            check=True,
        ).stdout  # fmt: skip

    def sql(self, statement):
        if self.server:
            psql(self.environment["DATABASE_URL"], statement)
            return
        with contextlib.closing(sqlite3.connect(self.database, timeout=20, isolation_level=None)) as database:
            database.execute(statement)

    @contextlib.contextmanager
    def running(self):
        """Serve as `make run` does; the value is the site's address."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        command = [
            Path(sys.executable).with_name("granian"),
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            port,
        ]
        command += ["--workers", "2", "--blocking-threads", "1", "--respawn-failed-workers", "kb_site.wsgi:application"]
        with Path(f"{self.folder}.log").open("w") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        try:
            base = f"http://127.0.0.1:{port}"
            wait_for(lambda: Browser(base).get("/healthz").status == 200, "the server answers")
            yield base
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


# Kills


def kills(make, engine, times, seed):
    """Kill `times` times in a process of its own, which has the environment of the database. Returns 0 or 1."""
    if not times:
        return 0
    site = make(f"kills_{engine.lower()}")
    command = [sys.executable, "-m", "ops.faults", "--kill-here", engine, str(times), str(seed)]
    return subprocess.run(command, cwd=ROOT, env=site.environment, check=False).returncode


def kill_here(engine, times, seed):
    """Measure each act once without a kill, then kill it again and again."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "kb_site.settings"
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["localhost"]
    chance, data, failed = random.Random(int(seed)), Data(settings), 0
    backup = settings.VAR_DIR.with_name(f"{settings.VAR_DIR.name}-backup")
    acts = {
        "import": ("empty", lambda tell: command("import_seed", str(SEED), publish=True)),
        "publish": ("filled", publish),
        "restore": ("changed", lambda tell: command("restore_backup", str(backup), yes=True)),
        "migrate": ("old", lambda tell: command("migrate")),
    }
    data.keep("filled")
    in_child(lambda tell: make_backup(backup))
    in_child(publish)
    data.keep("changed")
    data.set_back()
    in_child(acts["migrate"][1])
    data.keep("empty")
    data.set_back()
    in_child(migrate_to_old)
    data.keep("old")
    for place, (name, (base, act)) in enumerate(acts.items()):
        data.set_back(base)
        before = look() if name != "migrate" else None
        steps = in_child(lambda tell, act=act: act(lambda: tell(shape())))[1]
        shapes = [*([before["shape"]] if before else []), *steps]
        shapes += [] if steps else [look()["shape"]]
        data.set_back(base)
        began = time.monotonic()
        in_child(act)
        seconds, broken = time.monotonic() - began, []
        count = int(times) // 4 + (place < int(times) % 4)
        for _ in range(count):
            moment = chance.uniform(0, seconds)
            data.set_back(base)
            status, steps = in_child(act, kill_after=moment)
            data.wait_until_alone()
            if name == "migrate":
                in_child(act)  # as the next start of the site does
            seen = look()
            problems = seen["broken"]
            if seen["shape"] not in shapes:
                problems.append("the data is neither as before nor as after")
            elif name == "publish" and not 0 <= shapes.index(seen["shape"]) - len(steps) <= 1:
                problems.append(f"{len(steps)} steps were done, {shapes.index(seen['shape'])} are there")
            elif status == 0 and seen["shape"] != shapes[-1]:
                problems.append("the command had ended, but its work is not there")
            broken += [f"killed after {moment:.3f} s: {problem}" for problem in problems]
        row(f"{engine}: {count} kills of {name}", f"promises broken: {len(broken) or 'none'}")
        print(*broken, sep="\n", end="", file=sys.stderr, flush=True)
        failed += len(broken)
    return min(failed, 1)


def in_child(act, kill_after=None):
    """Run `act(tell)` in a fork, where no connection is open. Returns the exit status and all that it told (JSON)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setsid()
            os.close(reading)
            act(lambda *told: os.write(writing, (json.dumps(told[0] if told else None) + "\n").encode()))
            status = 0
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    os.close(writing)
    if kill_after is not None:
        time.sleep(kill_after)
        for kill in (os.killpg, os.kill):  # the group as well, with what the act had started
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line) for line in pipe if line.endswith("\n")]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status and kill_after is None:
        raise RuntimeError("An act failed that nothing had killed.")
    return status, told


class Data:
    """The database of the settings, which can be kept under a name and set back."""

    def __init__(self, settings):
        self.file, facts = settings.VAR_DIR / "kb.sqlite3", settings.DATABASES["default"]
        self.name = facts["NAME"] if facts["ENGINE"].endswith("postgresql") else None
        self.url = os.environ.get("DATABASE_URL", "").rpartition("/")[0] + "/postgres"

    def keep(self, name):
        if self.name:
            self.wait_until_alone()
            psql(self.url, f"CREATE DATABASE {self.name}_{name} TEMPLATE {self.name}")
        else:
            with contextlib.closing(sqlite3.connect(self.file)) as database:
                database.execute(f"VACUUM INTO '{self.file}-{name}'")

    def set_back(self, name=None):
        shutil.rmtree(self.file.with_name("backups"), ignore_errors=True)
        if self.name:
            template = f"{self.name}_{name}" if name else "template1"
            psql(self.url, f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
            psql(self.url, f"CREATE DATABASE {self.name} TEMPLATE {template}")
            return
        for ending in ("", "-wal", "-shm", "-journal"):
            Path(f"{self.file}{ending}").unlink(missing_ok=True)
        if name:
            shutil.copy(f"{self.file}-{name}", self.file)

    def wait_until_alone(self):
        """PostgreSQL ends the sessions of a killed client a moment later."""
        sessions = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{self.name}' OR datname LIKE 'kb_backup%'"
        wait_for(lambda: not self.name or not psql(self.url, sessions), "PostgreSQL ends the sessions")


def command(*arguments, **options):
    from django.core.management import call_command

    with Path(os.devnull).open("w") as nothing:
        call_command(*arguments, verbosity=0, stdout=nothing, stderr=nothing, **options)


def make_backup(path):
    from faq.operations import backups

    backups.make(str(path))


def publish(tell):
    """Save and publish all questions, one after the other; each save and each publication is a step."""
    from django.contrib.auth.models import User
    from django.db import transaction

    from faq.models import Question
    from faq.workflow import publishing, working_copy

    editor, publisher = User.objects.get(username="editor"), User.objects.get(username="publisher")
    for question in Question.objects.in_order():
        with transaction.atomic():
            question.points.filter(position=1).update(text=f"Other words for question {question.number}.")
            working_copy.refresh(question, editor)
        tell()
        publishing.publish(question, by=publisher, note="Other words.")
        tell()


def migrate_to_old(tell):
    """A database as the migration OLD left it, with 60 public questions."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor
    from django.utils import timezone

    from faq.answers import content as contents

    command("migrate", "faq", OLD)
    models = MigrationExecutor(connection).loader.project_state([("faq", OLD)]).apps.get_model
    title = {"jurisdiction": "Springfield", "language": "en"}
    library = models("faq", "Collection").objects.create(slug="library", title="Library", **title)
    for number in range(1, 61):
        text, answer = f"May I borrow {number} books?", f"Yes, {number} books, with a library card."
        question = models("faq", "Question").objects.create(collection=library, number=number, text=text, last_key=1)
        models("faq", "AnswerPoint").objects.create(question=question, key=1, position=1, text=answer)
        block = {
            "key": 1,
            "kind": "paragraph",
            "ordinal": None,
            "depth": 0,
            "label": "",
            "text": answer,
            "citations": [],
        }
        content = {"question": text, "short_answer": "", **title, "blocks": [block]}
        question.digest = contents.digest(content)
        question.live = models("faq", "Edition").objects.create(
            question=question, number=1, content=content, digest=question.digest, change_note="First.",
            published_at=timezone.now(),
        )  # fmt: skip
        question.save()


def look():
    """The shape of the data, and sentences about every promise that is broken."""
    return in_child(lambda tell: tell(_look()))[1][0]


def _look():
    from django.test import Client

    from faq.models import Question
    from faq.search import rebuilding
    from faq.workflow import audit

    broken = [*audit.verify().problems, *rebuilding.drift()]
    public = Question.objects.public().select_related("collection").first()
    for address in ["/", "/questions/?q=books", *([public.get_absolute_url()] if public else [])]:
        response = Client(raise_request_exception=False).get(address, headers={"host": "localhost"})
        if response.status_code != 200:
            broken.append(f"{address} answers {response.status_code}")
    return {"shape": shape(), "broken": broken}


def shape():
    """A hash of the rows of all tables of the site's own, without keys, times and random values."""
    from faq.models import AnswerPoint, Edition, Event, Question, SearchText

    question = ("question__collection__slug", "question__number")
    tables = [
        (Question, "collection__slug number text short_answer state live__number digest imported contributors review"),
        (Question.topics.through, "question__number topic__slug"),
        (AnswerPoint, "position key kind label text"),
        (Edition, "number digest change_note second_check"),
        (Event, "number act collection question"),
        (SearchText, "edition__number title points"),
    ]
    facts = []
    for model, names in tables:
        own = question if model in (AnswerPoint, Edition, SearchText) else ()
        facts.append(sorted(map(repr, model.objects.values_list(*own, *names.split()))))
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


# Drills


class Page:
    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        found = re.search(r"<h1>(.*?)</h1>", text, re.DOTALL)
        self.title = " ".join(found[1].split()) if found else ""


class Browser:
    """Cookies, redirects and forms; no scripts."""

    def __init__(self, base):
        self.base, self.opener = base, urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def get(self, path, pairs=None):
        data = urllib.parse.urlencode(pairs).encode() if pairs else None
        try:
            try:
                response = self.opener.open(self.base + path, data, timeout=90)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                return Page(response.status, response.headers, response.read().decode())
        except OSError as error:
            return Page(0, {}, str(error))

    def send(self, path, page, **changes):
        """Send the largest form of the page, with some of its fields changed."""
        form = max(
            (form for form in lxml.html.fromstring(page.text).forms if form.method == "POST"),
            key=lambda f: len(f.fields),
        )
        pairs = [(name, value) for name, value in form.form_values() if name not in changes]
        return self.get(form.action or path, pairs + list(changes.items()))

    def log_in(self, name, password):
        path = "/admin/login/?next=/admin/"
        return self.send(path, self.get(path), username=name, password=password)


def drills(makers, only):
    """Try each drill. Returns how many failed."""
    failed = 0
    for engine, drill in [(engine, drill) for drill in DRILLS for engine in makers]:
        name = f"{engine}: {drill.__name__.replace('_', ' ')}"
        if only.lower() not in name.lower() or (engine == "PostgreSQL" and drill in (database_busy, cache_away)):
            continue
        wrong = []
        try:
            with drill(makers[engine], f"{drill.__name__}_{engine}".lower()) as (site, take, give_back):
                readers, editors = try_out(site, take, give_back, wrong)
            row(name, readers, editors, "; ".join(wrong) or "nothing")
        except NotHere as why:
            row(name, f"not shown: {why}")
        except Exception:
            wrong.append(traceback.format_exc())
            row(name, "the drill itself failed")
            print(wrong[-1], file=sys.stderr)
        failed += bool(wrong)
    return failed


def try_out(site, take, give_back, wrong):
    """Returns what readers and editors saw, and adds sentences about everything that was not as promised to `wrong`."""
    with site.running() as base:
        editor, publisher = Browser(base), Browser(base)
        for person, account in ((editor, "editor"), (publisher, "publisher")):
            if "Log out" not in person.log_in(account, site.passwords[account]).text:
                raise RuntimeError(f"{account} cannot log in.")
        listed = sorted(
            set(re.findall(r"/admin/faq/question/(\d+)/change/", editor.get("/admin/faq/question/").text)), key=int
        )
        first, second = (f"/admin/faq/question/{pk}/" for pk in listed[:2])
        ready = f"Ready words {secrets.token_hex(4)}."
        editor.send(f"{second}change/", editor.get(f"{second}change/"), **{"points-0-text": ready})
        to_save, to_publish = editor.get(f"{first}change/"), publisher.get(f"{second}publish/")
        for path in PAGES:
            if Browser(base).get(path).status != 200:
                raise RuntimeError(f"{path} does not answer before anything was taken away.")

        take()
        seen = [Browser(base).get(path) for path in PAGES for _ in range(2)]
        wrong += [f"a reader got {page.status}" for page in seen if page.status not in (200, 503)]
        words = " ".join(secrets.token_hex(8) for _ in range(150))
        saved = editor.send(f"{first}change/", to_save, _continue="1", **{"points-0-text": words})
        published = publisher.send(f"{second}publish/", to_publish, note="Tried while something was away.")
        for page in [*seen, saved, published]:
            if page.status == 503 and not (
                page.title and page.headers["Retry-After"] and "no-store" in page.headers["Cache-Control"]
            ):
                wrong.append("a 503 lacks its words or its headers")
        give_back()
        # PostgreSQL recovers first after a kill, while pages that the site keeps may answer already.
        wait_for(lambda: all(Browser(base).get(path).status == 200 for path in ["/readyz", *PAGES]), "the site answers")

        acts = [("save", editor, saved, f"{first}change/"), ("publication", publisher, published, f"{second}publish/")]
        for act, person, page, path in acts:
            again = person.send(path, page) if page.status == 503 else page
            if DONE[act] not in again.text:
                wrong.append(f"the {act} did not go in: {page.status} {page.title}, then {again.status} {again.title}")
        if words not in editor.get(f"{first}change/").text:
            wrong.append("the words of the save are lost")
        if ready not in Browser(base).get("/questions/?q=" + urllib.parse.quote(ready)).text:
            wrong.append("the publication is lost")
        site.manage("verify_log")
        site.manage("rebuild_search", "--check")
        refused = [page for page in seen if page.status == 503]
        readers = f"{len(refused)} of {len(seen)} pages 503" + (f" “{refused[-1].title}”" if refused else "")
        told = [f"{act}: {'done' if DONE[act] in page.text else page.title}" for act, _, page, _ in acts]
        return readers, "; ".join(told)


@contextlib.contextmanager
def disk_full(make, name):
    """A small disk in memory, filled to the last byte."""
    with tempfile.TemporaryDirectory(prefix="kb-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "kb-faults", folder]
        if name.endswith("postgresql"):
            raise NotHere("PostgreSQL has its own disk")
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise NotHere("only root can mount a small disk")
        try:
            site, filler = make(f"{folder}/site"), Path(folder) / "filler"

            def take():
                site.sql("PRAGMA wal_checkpoint(TRUNCATE)")
                with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                    while file.write(b"\0" * 4096):
                        pass

            yield site, take, filler.unlink
        finally:
            subprocess.run(["umount", "-l", folder], check=False)


@contextlib.contextmanager
def database_away(make, name):
    """The file is moved away, or PostgreSQL is killed; then it comes back."""
    site = make(name)
    away = site.database.with_name("moved-away")

    def take():
        if not site.server:
            site.database.rename(away)
            return
        os.killpg(site.server.process.pid, signal.SIGKILL)
        site.server.process.wait()

    yield site, take, lambda: site.server._up() if site.server else away.rename(site.database)


@contextlib.contextmanager
def database_busy(make, name):
    """Another connection writes for longer than the site waits."""
    site = make(name)
    with contextlib.closing(sqlite3.connect(site.database, isolation_level=None)) as other:
        yield site, lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK")


@contextlib.contextmanager
def cache_away(make, name):
    """Redis is killed, and started again."""
    if not shutil.which("redis-server"):
        raise NotHere("redis-server is not installed")
    port, running = str(with_postgres.free_port()), []

    def start():
        command = ["redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL))

    def stop():
        running[-1].kill()
        running[-1].wait()

    start()
    try:
        yield make(name, CACHE_URL=f"redis://127.0.0.1:{port}/1"), stop, start
    finally:
        stop()


@contextlib.contextmanager
def search_broken(make, name):
    """The full-text index is dropped, and made again."""
    site = make(name)
    drop = "ALTER TABLE faq_searchtext DROP COLUMN vector" if site.server else "DROP TABLE faq_search"

    def give_back():
        site.manage("migrate", "-v0")
        site.manage("rebuild_search")

    yield site, lambda: site.sql(drop), give_back


DRILLS = (disk_full, database_away, database_busy, cache_away, search_broken)

if __name__ == "__main__":
    sys.exit(main())
