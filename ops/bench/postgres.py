"""A PostgreSQL server with the data sets in it, from `ops/with_postgres.py`.

A scratch server forgets everything, and filling it takes minutes. So its folder is copied to `var/bench/postgres` once
it is filled and stopped, and copied back before the next start.
"""

import json
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager

from . import sets
from .places import ROOT, SIZES, VAR
from .sets import Failed, say

sys.path.insert(0, str(ROOT / "ops"))
from with_postgres import CONFIGURATION, Server, find_programs, free_port

KEPT = VAR / "postgres"


class Filled(Server):
    """A server that starts with what was in it when it was last kept."""

    def start(self):
        if not (KEPT / "data").exists():
            return super().start()
        shutil.copytree(KEPT / "data", self.data)
        if "user" in self.how:
            for path in (self.data, *self.data.rglob("*")):
                shutil.chown(path, self.how["user"], self.how["group"])
        port = free_port()
        (self.data / "postgresql.auto.conf").write_text(CONFIGURATION.format(port=port))
        if not self._up():
            raise Failed(f"PostgreSQL did not start from {KEPT}. Delete that folder, and it is made anew.")
        return port

    def keep(self, notes):
        """Stop it in good order and copy what it has, with `notes`: texts by the names of their files."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=120)
        rough = KEPT.with_name("postgres-new")
        shutil.rmtree(rough, ignore_errors=True)
        shutil.copytree(self.data, rough / "data")
        for name, text in notes.items():
            (rough / name).write_text(text)
        shutil.rmtree(KEPT, ignore_errors=True)
        rough.rename(KEPT)


def available():
    return find_programs() is not None


def version():
    done = subprocess.run([find_programs() / "postgres", "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def address(port, size):
    return f"postgres://kb@127.0.0.1:{port}/{database(size)}"


def database(size):
    return f"kb_{size}"


def note(size):
    return KEPT / f"import-{size}.json"


def fill(sizes=SIZES):
    """Make sure that `var/bench/postgres` holds these data sets."""
    if (KEPT / "version").exists() and (KEPT / "version").read_text() != version():
        shutil.rmtree(KEPT)
    missing = [size for size in sizes if not sets.usable(note(size))]
    if not missing:
        return
    notes = {file.name: file.read_text() for file in KEPT.glob("*.json")} | {"version": version()}
    server = Filled(find_programs())
    try:
        port = server.start()
        for size in missing:
            say(f"  importing {size:,} questions into PostgreSQL (kept for the next run)")
            # In the database that every server has: no client program is needed to make another.
            _execute(port, f"DROP DATABASE IF EXISTS {database(size)}", f"CREATE DATABASE {database(size)}")
            settings = {"DATABASE_URL": address(port, size), "VAR_DIR": VAR / "postgres-var"}
            took = sets.import_into(size, **settings)
            _execute(port, "VACUUM ANALYZE", name=database(size))
            notes[note(size).name] = json.dumps(took | {"fingerprint": sets.fingerprint()})
            say(f"    {took['seconds']:.1f} s, {took['peak_mb']:.0f} MB")
        server.keep(notes)
    finally:
        server.remove()


def _execute(port, *statements, name="kb"):
    import psycopg

    with psycopg.connect(host="127.0.0.1", port=port, user="kb", dbname=name, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


@contextmanager
def filled(sizes):
    """A running server with these data sets: a function from size to DATABASE_URL, and the server's pid."""
    fill(sizes)
    server = Filled(find_programs())
    try:
        port = server.start()
        for size in sizes:  # a migration may be younger than the data
            sets.manage("migrate", "-v0", DATABASE_URL=address(port, size), VAR_DIR=VAR / "postgres-var")
        yield (lambda size: address(port, size)), server.process.pid
    finally:
        server.remove()
