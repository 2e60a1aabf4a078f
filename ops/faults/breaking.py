"""The faults: how each thing is taken away from the running site, and given back.

Each is a context manager that yields a `Case` for a `Ground` (where sites are made). `Impossible` says in words why a
machine cannot show one."""

import contextlib
import os
import secrets
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ops import with_postgres

from .site import Site, free_port, wait_for


class Impossible(Exception):
    """Why this machine cannot show the fault."""


@dataclass
class Case:
    """A site that is not started yet, and what is done to it. `take` returns what it did, in words."""

    site: Site
    take: Callable
    give_back: Callable
    saves: int = 1  # tried until one is refused: a full disk still has room in the pages that are there
    long_words: bool = False

    def more_words(self):
        return " ".join(secrets.token_hex(8) for _ in range(150)) if self.long_words else secrets.token_hex(4)


class Ground:
    """A scratch folder with prepared sites, made once and copied for each fault."""

    def __init__(self, folder, ports):
        self.folder, self.ports = Path(folder), ports
        self._template = self._postgres = None
        self._count = 0

    def port(self):
        """A free one that nothing here was given before."""
        port = free_port(*self.ports)
        self.ports = (port + 1, self.ports[1])
        return port

    def new_folder(self):
        self._count += 1
        return self.folder / f"site-{self._count}"

    def sqlite_site(self, folder=None):
        if self._template is None:
            self._template = Site(self.folder / "template", self.port())
            self._template.prepare()
        return self._template.copied_to(folder or self.new_folder(), self.port())

    def postgres_site(self):
        """A site with a database of its own on the server that all of them share, as (site, server)."""
        if self._postgres is None:
            self._postgres = self._prepared_on(self._server())
        template, server = self._postgres
        server_address, _, name = template.environment["DATABASE_URL"].rpartition("/")
        folder = self.new_folder()
        address = f"{server_address}/kb{self._count}"
        # Without the checkpoint, a crash would set the copy's sequences back: PostgreSQL takes their next values for
        # written down, as they were in the database that was copied.
        psql(f"{server_address}/postgres", f"CREATE DATABASE kb{self._count} TEMPLATE {name}", "CHECKPOINT")
        return template.copied_to(folder, self.port(), DATABASE_URL=address), server

    @contextlib.contextmanager
    def postgres_site_in(self, folder):
        """The same on a server of its own, in this folder."""
        server = self._server(folder)
        try:
            yield self._prepared_on(server)
        finally:
            server.remove()

    def _server(self, folder=None):
        programs = with_postgres.find_programs()
        if programs is None:
            raise Impossible("There is no PostgreSQL server here. On Debian: apt-get install postgresql")
        return with_postgres.Server(programs, folder)

    def _prepared_on(self, server):
        try:
            address = f"postgres://kb@127.0.0.1:{server.start()}/kb"
            site = Site(self.new_folder(), self.port(), DATABASE_URL=address)
            site.prepare()
        except BaseException:
            server.remove()
            raise
        return site, server

    def close(self):
        if self._postgres:
            self._postgres[1].remove()


@contextlib.contextmanager
def small_disk(megabytes, folder):
    """A disk of its own in memory, as (where, fill, empty)."""
    folder.mkdir(parents=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "kb-faults", folder],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Impossible(f"a small disk cannot be mounted here: {done.stderr.strip()}")
    filler = folder / "filler"

    def fill():
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 4096)
        return f"a disk of {megabytes} MB filled to the last byte"

    try:
        yield folder, fill, filler.unlink
    finally:
        subprocess.run(["umount", "-l", folder], check=False)


def checkpoint(site):
    """Empty SQLite's write-ahead log, so that the next write needs room."""
    with contextlib.closing(sqlite3.connect(site.database)) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def sqlite_disk_full(ground):
    try:
        with small_disk(24, ground.new_folder()) as (folder, fill, empty):
            site = ground.sqlite_site(folder)

            def take():
                checkpoint(site)
                return fill()

            yield Case(site, take, empty, saves=40, long_words=True)
    except Impossible as impossible:
        why, site = str(impossible), ground.sqlite_site()

        def limit(size):
            for pid in site.workers():
                subprocess.run(["prlimit", f"--pid={pid}", f"--fsize={size}"], check=True)

        def take():
            checkpoint(site)
            limit("0:unlimited")
            return f"no file may grow (RLIMIT_FSIZE on the workers, since {why})"

        yield Case(site, take, lambda: limit("unlimited"), saves=40, long_words=True)


def immutable(change, *files):
    """Let nobody write to files, root included (`+i`), or let them again (`-i`)."""
    done = subprocess.run(["chattr", change, *files], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Impossible(f"files cannot be made immutable here: {done.stderr.strip()}")


@contextlib.contextmanager
def sqlite_read_only(ground):
    site = ground.sqlite_site()
    files = [site.database, site.database.with_name("kb.sqlite3-wal")]

    def take():
        immutable("+i", *files)
        # What has a file open already is told of a broken disk; only who opens it anew learns that it is read-only.
        kill_workers(site)
        return "the database's files made immutable (chattr +i), and the workers started anew"

    try:
        yield Case(site, take, lambda: immutable("-i", *files))
    finally:
        subprocess.run(["chattr", "-i", *files], capture_output=True, check=False)


@contextlib.contextmanager
def sqlite_disk_refuses(ground):
    site = ground.sqlite_site()
    wal = site.database.with_name("kb.sqlite3-wal")

    def take():
        immutable("+i", wal)
        return "the write-ahead log made immutable (chattr +i) while it is open: each write fails"

    try:
        yield Case(site, take, lambda: immutable("-i", wal))
    finally:
        subprocess.run(["chattr", "-i", wal], capture_output=True, check=False)


@contextlib.contextmanager
def sqlite_gone(ground):
    site = ground.sqlite_site()
    away = site.database.with_name("moved-away")

    def take():
        site.database.rename(away)
        return "the database file moved away, and back"

    yield Case(site, take, lambda: away.rename(site.database))


@contextlib.contextmanager
def sqlite_gone_nothing_kept(ground):
    with sqlite_gone(ground) as case:
        case.site.environment["KEEP_PAGES"] = "off"
        yield case


@contextlib.contextmanager
def sqlite_replaced(ground):
    site = ground.sqlite_site()
    other = site.folder / "other"

    def take():
        with (
            contextlib.closing(sqlite3.connect(site.database)) as old,
            contextlib.closing(sqlite3.connect(other)) as new,
        ):
            old.backup(new)
        for ending in ("-shm", "-wal", ""):
            path = Path(f"{site.database}{ending}")
            path.rename(site.folder / f"moved-away{ending}")
        other.rename(site.database)
        return "a copy put in the place of the database file"

    yield Case(site, take, lambda: None)


@contextlib.contextmanager
def search_gone(site, take, undo):
    def give_back():
        undo()
        site.manage("migrate", "-v0")
        site.manage("rebuild_search")

    yield Case(site, take, give_back)


@contextlib.contextmanager
def sqlite_search_gone(ground):
    site = ground.sqlite_site()

    def take():
        sql(site, "DROP TABLE faq_search")
        return "the full-text index dropped; back by manage.py migrate and rebuild_search"

    with search_gone(site, take, lambda: None) as case:
        yield case


@contextlib.contextmanager
def sqlite_search_damaged(ground):
    site = ground.sqlite_site()

    def take():
        sql(site, "UPDATE faq_search_data SET block = randomblob(length(block)) WHERE id > 10")
        return "the full-text index overwritten with noise; back by manage.py rebuild_search"

    with search_gone(site, take, lambda: None) as case:
        yield case


def sql(site, statement):
    with contextlib.closing(sqlite3.connect(site.database, timeout=20)) as database:
        database.execute(statement)
        database.commit()


def kill_workers(site, count=None):
    """kill -9, and wait until there are new ones in their place."""
    old = site.workers()
    for pid in old[:count]:
        os.kill(pid, signal.SIGKILL)
    there = len(old)
    wait_for(
        lambda: not set(old[:count]) & set(site.workers()) and len(site.workers()) == there and site.answers(),
        "the server starts a worker for one that died",
    )


@contextlib.contextmanager
def worker_killed(ground):
    site = ground.sqlite_site()

    def take():
        kill_workers(site, 1)
        return "one of two workers killed (kill -9)"

    yield Case(site, take, lambda: None)


@contextlib.contextmanager
def static_gone(ground):
    site = ground.sqlite_site()
    away = site.folder / "moved-away"

    def take():
        (site.folder / "static").rename(away)
        kill_workers(site, 1)  # one has read the list of the files, the other finds none
        return (
            "collected static files moved away, and back; one of two workers started anew meanwhile (its pages have no "
            "style until it is started again)"
        )

    yield Case(site, take, lambda: away.rename(site.folder / "static"))


@contextlib.contextmanager
def cache_gone(ground, frozen=False):
    program = shutil.which("redis-server")
    if program is None:
        raise Impossible("There is no redis-server here. On Debian: apt-get install redis-server")
    site, port, running = ground.sqlite_site(), ground.port(), []

    def start():
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", site.folder]
        running.append(subprocess.Popen([program, *options], stdout=subprocess.DEVNULL))

    def take():
        if frozen:
            running[-1].send_signal(signal.SIGSTOP)
            return "redis-server frozen (SIGSTOP): it takes connections and says nothing"
        running[-1].kill()
        running[-1].wait()
        return "redis-server killed, and started again"

    def give_back():
        running[-1].send_signal(signal.SIGCONT) if frozen else start()

    start()
    site.environment["CACHE_URL"] = f"redis://127.0.0.1:{port}/1"
    try:
        yield Case(site, take, give_back)
    finally:
        running[-1].kill()
        running[-1].wait()


@contextlib.contextmanager
def cache_frozen(ground):
    with cache_gone(ground, frozen=True) as case:
        yield case


@contextlib.contextmanager
def postgres_gone(ground):
    site, server = ground.postgres_site()

    def take():
        stop(server, signal.SIGINT)
        return "PostgreSQL stopped, and started again"

    yield Case(site, take, lambda: start(server))


@contextlib.contextmanager
def postgres_gone_nothing_kept(ground):
    with postgres_gone(ground) as case:
        case.site.environment["KEEP_PAGES"] = "off"
        yield case


@contextlib.contextmanager
def postgres_crashed(ground):
    site, server = ground.postgres_site()

    def take():
        os.killpg(server.process.pid, signal.SIGKILL)
        server.process.wait()
        return "PostgreSQL killed (kill -9), and started again"

    # As in production: elsewhere the scratch server is faster, and forgets a second where it crashes.
    address = site.environment["DATABASE_URL"]
    psql(address, "ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")
    yield Case(site, take, lambda: start(server))


@contextlib.contextmanager
def postgres_read_only(ground):
    site, _ = ground.postgres_site()

    address = site.environment["DATABASE_URL"]

    def take():
        psql(address, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        return "ALTER SYSTEM SET default_transaction_read_only = on"

    def give_back():
        psql(address, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")

    yield Case(site, take, give_back)


@contextlib.contextmanager
def postgres_disk_full(ground):
    with small_disk(160, ground.new_folder()) as (folder, fill, empty):
        user = with_postgres.other_user()
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        ground.folder.chmod(0o755)
        with ground.postgres_site_in(folder) as (site, _):
            yield Case(site, fill, empty, saves=60, long_words=True)


@contextlib.contextmanager
def postgres_search_gone(ground):
    site, _ = ground.postgres_site()

    def take():
        psql(site.environment["DATABASE_URL"], "ALTER TABLE faq_searchtext DROP COLUMN vector")
        return "the full-text column dropped; back by manage.py migrate"

    with search_gone(site, take, lambda: None) as case:
        yield case


def stop(server, how):
    server.process.send_signal(how)
    server.process.wait(30)


def start(server):
    if not server._up():
        raise RuntimeError(f"PostgreSQL did not start again:\n{server.last_words()}")


def psql(address, *statements):
    import psycopg

    with psycopg.connect(address, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


FAULTS = {
    "SQLite: disk full": sqlite_disk_full,
    "SQLite: database read-only": sqlite_read_only,
    "SQLite: disk refuses to write": sqlite_disk_refuses,
    "SQLite: database gone": sqlite_gone,
    "SQLite: database gone, no page kept": sqlite_gone_nothing_kept,
    "SQLite: database replaced": sqlite_replaced,
    "SQLite: search gone": sqlite_search_gone,
    "SQLite: search damaged": sqlite_search_damaged,
    "PostgreSQL: disk full": postgres_disk_full,
    "PostgreSQL: database read-only": postgres_read_only,
    "PostgreSQL: database gone": postgres_gone,
    "PostgreSQL: database gone, no page kept": postgres_gone_nothing_kept,
    "PostgreSQL: database crashed": postgres_crashed,
    "PostgreSQL: search gone": postgres_search_gone,
    "cache gone": cache_gone,
    "cache frozen": cache_frozen,
    "worker killed": worker_killed,
    "static files gone": static_gone,
}


def scratch():
    """A folder for everything, that other users can reach into (PostgreSQL does not run as root)."""
    return tempfile.TemporaryDirectory(prefix="kb-faults-", dir=with_postgres.reachable_folder())
