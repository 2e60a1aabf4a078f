#!/usr/bin/env python3
"""Kill the commands that write, and take away what the running site needs. Prints one table.

    python -m ops.faults [--kills NUMBER] [--seed NUMBER] [--only WORDS] [--no-drills]

Kills: `import`, `publish`, `restore` and `migrate` get kill -9 at random moments, on SQLite and PostgreSQL. After each
kill, the data must be as before the command, as after it, or as between two complete steps. The log, the editions and
the search index must be in order, and pages must answer.

Drills: disk full, database away, database busy, cache away, search index broken. Readers must get pages or a 503 page.
If the site refuses a save or a publication, the editor must see that, and can send it again later.
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
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from urllib.parse import quote

import psycopg

from ops import servers
from ops.browser import Browser

SEED = servers.ROOT / "seeds" / "wyoming-courts-ice.txt"
ANSWER = "/answers/wyoming-courts-ice/1/"
PAGES = ["/", "/questions/", ANSWER, f"{ANSWER}history/", "/questions/?q=judges", "/changes.atom", f"/es{ANSWER}"]
DONE = {"save": "was changed successfully", "publication": "is public now."}
OLD = "0001_initial"  # the later migrations must keep the data of this one


class NotPossible(Exception):
    """This machine cannot run a drill."""


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
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kb-faults-")))
        makers = {"SQLite": lambda name, **more: Site(folder / name, **more)}
        if programs := servers.find_programs():
            server = stack.enter_context(servers.PostgreSQL(programs))
            server.configure("synchronous_commit = on\n")

            def on_postgres(name, **more):
                psql(server.url("postgres"), f"CREATE DATABASE {name}")
                return Site(folder / name, server, DATABASE_URL=server.url(name), **more)

            makers["PostgreSQL"] = on_postgres
        each = options.kills // len(makers)
        failed = sum(kills(make, engine, each, options.seed) for engine, make in makers.items())
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


class Site:
    """An installation in a folder, with demo accounts and the environment of its processes."""

    def __init__(self, folder, server=None, **settings):
        self.folder, self.server, self.database = folder, server, folder / "kb.sqlite3"
        self.env = servers.environment(VAR_DIR=folder, **settings)
        self.passwords = dict(re.findall(r"log in as (\w+) +password (\S+)", self.manage("prepare")))

    def manage(self, *arguments):
        return servers.manage(self.env, *arguments)

    def sql(self, statement):
        if self.server:
            psql(self.env["DATABASE_URL"], statement)
            return
        with contextlib.closing(sqlite3.connect(self.database, timeout=20, isolation_level=None)) as database:
            database.execute(statement)


# Kills


def kills(make, engine, times, seed):
    """Kill `times` times in a process of its own, which has the environment of the database. Returns 0 or 1."""
    if not times:
        return 0
    site = make(f"kills_{engine.lower()}")
    command = [sys.executable, "-m", "ops.faults", "--kill-here", engine, str(times), str(seed)]
    return subprocess.run(command, cwd=servers.ROOT, env=site.env, check=False).returncode


def kill_here(engine, times, seed):
    """Run each command once without a kill, to know its steps and its time; then kill it again and again."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "kb_site.settings"
    import django

    django.setup()
    from django.conf import settings

    from faq.operations import backups

    settings.ALLOWED_HOSTS = ["localhost"]
    chance, data, failed = random.Random(int(seed)), Data(settings), 0
    backup = str(settings.VAR_DIR.with_name(f"{settings.VAR_DIR.name}-backup"))
    commands = {  # name: the data before it, and the command itself
        "import": ("empty", lambda tell: command("import_seed", str(SEED), publish=True)),
        "publish": ("filled", publish),
        "restore": ("changed", lambda tell: command("restore_backup", backup, yes=True)),
        "migrate": ("old", lambda tell: command("migrate")),
    }
    data.keep("filled")
    in_child(lambda tell: backups.make(backup))
    in_child(publish)
    data.keep("changed")
    in_child(lambda tell: command("migrate", "faq", OLD))
    data.keep("old")
    data.set_back()
    in_child(commands["migrate"][1])
    data.keep("empty")
    for place, (name, (base, act)) in enumerate(commands.items()):
        data.set_back(base)
        shapes = [] if name == "migrate" else [look()["shape"]]
        shapes += in_child(lambda tell, act=act: act(lambda: tell(shape())))[1] or [look()["shape"]]
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
            problems, now = seen["broken"], seen["shape"]
            if now not in shapes:
                problems.append("the data is neither as before nor as after")
            elif name == "publish" and not 0 <= shapes.index(now) - len(steps) <= 1:
                problems.append(f"{len(steps)} steps were done, {shapes.index(now)} are there")
            elif status == 0 and now != shapes[-1]:
                problems.append("the command had ended, but its work is not there")
            broken += [f"killed after {moment:.3f} s: {problem}" for problem in problems]
        row(f"{engine}: {count} kills of {name}", f"promises broken: {len(broken) or 'none'}")
        print(*broken, sep="\n", end="", file=sys.stderr, flush=True)
        failed += len(broken)
    return min(failed, 1)


def in_child(act, kill_after=None):
    """Run `act(tell)` in a fork, without open connections. Returns the exit status and a list of all that was told."""
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
        for kill in (os.killpg, os.kill):  # the group includes pg_dump and pg_restore
            with contextlib.suppress(ProcessLookupError):
                kill(pid, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        told = [json.loads(line) for line in pipe if line.endswith("\n")]
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status and kill_after is None:
        raise servers.Failed("A command failed without a kill.")
    return status, told


class Data:
    """The database of the settings. `keep` stores a copy under a name, `set_back` puts a copy in place."""

    def __init__(self, settings):
        self.file, database = settings.VAR_DIR / "kb.sqlite3", settings.DATABASES["default"]
        self.name = database["NAME"] if database["ENGINE"].endswith("postgresql") else None
        self.url = os.environ.get("DATABASE_URL", "").rpartition("/")[0] + "/postgres"

    def keep(self, name):
        if self.name:
            self.wait_until_alone()
            psql(self.url, f"CREATE DATABASE {self.name}_{name} TEMPLATE {self.name}")
        else:
            with contextlib.closing(sqlite3.connect(self.file)) as database:
                database.execute(f"VACUUM INTO '{self.file}-{name}'")

    def set_back(self, name=None):
        """Without a name, to an empty database."""
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
        servers.wait_for(lambda: not self.name or not psql(self.url, sessions), "PostgreSQL ends the sessions")


def command(*arguments, **options):
    from django.core.management import call_command

    with Path(os.devnull).open("w") as nothing:
        call_command(*arguments, verbosity=0, stdout=nothing, stderr=nothing, **options)


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


def look():
    """A dict with the `shape` of the data, and `broken`: a list of sentences."""
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
    """A hash of all rows of the site, without keys, times and random values."""
    from faq.models import AnswerPoint, Edition, Event, Question, SearchText

    question = "question__collection__slug question__number "
    tables = [
        (Question, "collection__slug number text short_answer state live__number digest imported contributors review"),
        (Question.topics.through, "question__number topic__slug"),
        (AnswerPoint, question + "position key kind label text"),
        (Edition, question + "number digest change_note second_check"),
        (Event, "number act collection question"),
        (SearchText, question + "edition__number title points"),
    ]
    rows = [sorted(map(repr, model.objects.values_list(*names.split()))) for model, names in tables]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


# Drills


def drills(makers, only):
    """Run each drill. Returns how many failed."""
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
        except NotPossible as why:
            row(name, f"not shown: {why}")
        except Exception:
            wrong.append(traceback.format_exc())
            row(name, "the drill itself failed")
            print(wrong[-1], file=sys.stderr)
        failed += bool(wrong)
    return failed


def try_out(site, take, give_back, wrong):
    """Take something away and give it back while people use the site.

    Returns the results of readers and of editors. `wrong` gets a sentence for each broken promise."""
    with servers.serving(site.env, log=Path(f"{site.folder}.log")) as server:
        base = server.address
        editor, publisher = Browser(base), Browser(base)
        for person, account in ((editor, "editor"), (publisher, "publisher")):
            if "Log out" not in person.log_in(account, site.passwords[account]).text:
                raise servers.Failed(f"{account} cannot log in.")
        listed = set(re.findall(r"/admin/faq/question/(\d+)/change/", editor.get("/admin/faq/question/").text))
        first, second = (f"/admin/faq/question/{pk}/" for pk in sorted(listed, key=int)[:2])
        ready = f"Ready words {secrets.token_hex(4)}."
        editor.send(f"{second}change/", editor.get(f"{second}change/"), **{"points-0-text": ready})
        to_save, to_publish = editor.get(f"{first}change/"), publisher.get(f"{second}publish/")
        if bad := [path for path in PAGES if Browser(base).get(path).status != 200]:
            raise servers.Failed(f"{bad} do not answer before anything was taken away.")

        take()
        seen = [Browser(base).get(path) for path in PAGES for _ in range(2)]
        wrong += [f"a reader got {page.status}" for page in seen if page.status not in (200, 503)]
        words = " ".join(secrets.token_hex(8) for _ in range(150))
        saved = editor.send(f"{first}change/", to_save, _continue="1", **{"points-0-text": words})
        published = publisher.send(f"{second}publish/", to_publish, note="Tried while something was away.")
        refused = [page for page in [*seen, saved, published] if page.status == 503]
        for page in refused:
            if not (page.title and page.headers["Retry-After"] and "no-store" in page.headers["Cache-Control"]):
                wrong.append("a 503 page lacks its title or its headers")
        give_back()
        # After a kill, PostgreSQL recovers first; pages in the memory of the workers may answer before.
        every = ["/readyz", *PAGES]
        servers.wait_for(lambda: all(Browser(base).get(path).status == 200 for path in every), "the site answers")

        results = []
        acts = [("save", editor, saved, f"{first}change/"), ("publication", publisher, published, f"{second}publish/")]
        for act, person, page, path in acts:
            again = person.send(path, page) if page.status == 503 else page
            if DONE[act] not in again.text:
                wrong.append(f"the {act} did not go in: {page.status} {page.title}, then {again.status} {again.title}")
            results.append(f"{act}: {'done' if DONE[act] in page.text else page.title}")
        if words not in editor.get(f"{first}change/").text:
            wrong.append("the words of the save are lost")
        if ready not in Browser(base).get("/questions/?q=" + quote(ready)).text:
            wrong.append("the publication is lost")
        site.manage("verify_log")
        site.manage("rebuild_search", "--check")
    titles = [page.title for page in seen if page.status == 503]
    readers = f"{len(titles)} of {len(seen)} pages 503" + (f" “{titles[-1]}”" if titles else "")
    return readers, "; ".join(results)


@contextlib.contextmanager
def disk_full(make, name):
    """Fill a small disk in memory to the last byte."""
    if name.endswith("postgresql"):
        raise NotPossible("PostgreSQL has its own disk")
    with tempfile.TemporaryDirectory(prefix="kb-disk-") as folder:
        mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "kb-faults", folder]
        if subprocess.run(mount, capture_output=True, check=False).returncode:
            raise NotPossible("only root can mount a small disk")
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
    """Move the file away, or kill PostgreSQL."""
    site = make(name)
    away = site.database.with_name("moved-away")
    if site.server:
        yield site, site.server.kill, site.server.up
    else:
        yield site, lambda: site.database.rename(away), lambda: away.rename(site.database)


@contextlib.contextmanager
def database_busy(make, name):
    """Hold the write lock for longer than the site waits."""
    site = make(name)
    with contextlib.closing(sqlite3.connect(site.database, isolation_level=None)) as other:
        yield site, lambda: other.execute("BEGIN IMMEDIATE"), lambda: other.execute("ROLLBACK")


@contextlib.contextmanager
def cache_away(make, name):
    """Kill Redis."""
    if not shutil.which("redis-server"):
        raise NotPossible("redis-server is not installed")
    port, running = str(servers.free_port()), []

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
    """Delete the index pages of SQLite (1 to 10 are its structure), or rename the column of PostgreSQL."""
    site = make(name)
    rename = "ALTER TABLE faq_searchtext RENAME COLUMN {} TO {}".format
    if site.server:
        yield site, lambda: site.sql(rename("vector", "gone")), lambda: site.sql(rename("gone", "vector"))
    else:
        yield site, lambda: site.sql("DELETE FROM faq_search_data WHERE id > 10"), lambda: site.manage("rebuild_search")


DRILLS = (disk_full, database_away, database_busy, cache_away, search_broken)

if __name__ == "__main__":
    sys.exit(main())
