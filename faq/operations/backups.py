"""Copies of everything while the site runs, and the proof that one of them can be used.

SQLite is copied by its own backup call, PostgreSQL by `pg_dump`. A proof restores the copy into a scratch database and
verifies the log and every edition there. A backup that nobody has restored is a hope.
"""

import fcntl
import os
import secrets
import shutil
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections
from django.utils import timezone

from faq.models import BackupProof, Event, Question
from faq.workflow import audit

OLD = 35
"""Days after which the desk asks for a new proof."""


_LOCK = 0x6B625F62  # any number, as long as nothing else here locks by it
_BUSY = "Another backup is being proved or put back at this moment. Wait until that has ended, and try again."

# What belongs to an extension stays.
_EMPTY_POSTGRESQL = b"""
SET client_min_messages = warning;
DO $$
DECLARE
  command text;
BEGIN
  FOR command IN
    SELECT format('DROP %s IF EXISTS %s CASCADE', kind, name) FROM (
      SELECT oid, 'TABLE' AS kind, oid::regclass::text AS name FROM pg_class
      WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
      UNION ALL
      SELECT oid, 'FUNCTION', oid::regprocedure::text FROM pg_proc
      WHERE pronamespace = current_schema()::regnamespace AND prokind = 'f'
    ) things
    WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = things.oid AND deptype = 'e')
  LOOP
    EXECUTE command;
  END LOOP;
END $$;
"""


class CannotBackUp(Exception):
    """Why a backup could not be made, used or proved, and what to do (sentences)."""


@dataclass(frozen=True)
class Found:
    """What a proof found in a backup."""

    questions: int
    verdict: audit.Verdict


def folder():
    return settings.VAR_DIR / "backups"


def make(path=None):
    """Copy the whole database to `path` (default: a new file in VAR_DIR/backups). Returns the path.

    The file is there whole or not at all, and readable by its owner only: it holds accounts."""
    ending = "sqlite3" if connection.vendor == "sqlite" else "pgdump"
    path = Path(path) if path else folder() / f"kb-{timezone.now():%Y%m%d-%H%M%S}.{ending}"
    if path.exists():
        raise CannotBackUp(f"There is a file {path} already, and nothing is written over. Name another one.")
    database = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and not Path(database).exists():
        raise CannotBackUp(f"There is no database at {database} yet, so there is nothing to copy. Start the site once.")
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_old_parts(path.parent)
        part.touch(mode=0o600)
        _copy_to(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    except (OSError, sqlite3.Error) as error:
        raise CannotBackUp(f"The backup could not be written to {path}: {error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def latest():
    """The newest file in VAR_DIR/backups; raises `CannotBackUp` if there is none."""
    files = sorted(folder().glob("kb-[0-9]*.*"))
    if not files:
        raise CannotBackUp(f"There is no backup in {folder()}. Make one: manage.py backup")
    return files[-1]


def prove(path):
    """Restore into a scratch database, verify everything there, and note it. Returns what was `Found`."""
    path = _known(path)
    with _scratch(path) as alias:
        found = Found(Question.objects.using(alias).count(), audit.verify(using=alias))
    problems = found.verdict.problems
    head = found.verdict.head
    if head and not Event.objects.filter(number=found.verdict.entries, hash=head).exists():
        problems.append("The log in it is not the beginning of this site's log: it is a backup of another site.")
    if not problems:
        BackupProof.objects.create(
            at=timezone.now(), name=path.name[:200], editions=found.verdict.editions, entries=found.verdict.entries
        )
    return found


def restore(path):
    """Put a backup in place of the database. The site must not run. Returns a backup of what was there before."""
    path = _known(path)
    with _scratch(path) as alias:  # what cannot be read replaces nothing
        problems = audit.verify(using=alias).problems
    if problems:
        raise CannotBackUp(f"{path} is damaged, so nothing was changed: {problems[0]}")
    before = make(folder() / f"before-restore-{timezone.now():%Y%m%d-%H%M%S-%f}.{path.suffix.lstrip('.')}")
    connection.close()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(_file(), timeout=20)) as target:
            source.backup(target)
    else:
        _replace_postgresql(path)
    return before


def _replace_postgresql(path):
    """In one transaction. First all tables and functions go, those included of which the backup knows nothing: a newer
    version's would hold on to older ones, or stand in the way when they are made again.

    Whatever ends before the last word, this process included, leaves everything as it was."""
    read, known = _command("pg_restore", "--clean", "--if-exists", "--no-owner", "--file", "-", path)
    write, _ = _command("psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", _name())
    with (
        tempfile.TemporaryFile("w+") as told,
        subprocess.Popen(write, env=known, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=told) as target,  # noqa: S603
        subprocess.Popen(read, env=known, stdout=subprocess.PIPE, stderr=told) as source,  # noqa: S603
    ):
        with suppress(BrokenPipeError):  # then psql has failed, and told why
            target.stdin.write(b"BEGIN;\n" + _EMPTY_POSTGRESQL)
            shutil.copyfileobj(source.stdout, target.stdin)
            if source.wait() == 0:
                target.stdin.write(b"COMMIT;\n")
        source.stdout.close()
        target.communicate()
        if source.wait() or target.returncode:
            told.seek(0)
            raise CannotBackUp(f"The backup could not be put back, so nothing was changed: {told.read().strip()}")


def age():
    """Days since a backup was last proved, or None if none ever was."""
    last = BackupProof.objects.order_by("-at").values_list("at", flat=True).first()
    return (timezone.now() - last).days if last else None


def _known(path):
    path = Path(path)
    if not path.is_file():
        raise CannotBackUp(f"There is no file {path}.")
    return path


def _remove_old_parts(place):
    """Copies that were killed before they were whole. (One that is being written is younger.)"""
    for left in place.glob(".kb-*.part"):
        if left.stat().st_mtime < time.time() - 24 * 60 * 60:
            left.unlink(missing_ok=True)


def _copy_to(part):
    if connection.vendor == "sqlite":
        site = sqlite3.connect(f"{Path(_file()).resolve().as_uri()}?mode=ro", uri=True)
        with closing(site) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)  # in one step: who reads and writes meanwhile is not held up
        return
    _run("pg_dump", "--format=custom", "--no-owner", "--file", part, _name())


@contextmanager
def _scratch(path):
    """The alias of a database that holds what is in the backup, for as long as the block runs."""
    alias = "backup"
    if connection.vendor == "sqlite":
        with _alone_with_folder() as scratch:
            copy = scratch / path.name
            try:
                shutil.copy(path, copy)
                with closing(sqlite3.connect(copy)) as database:
                    state = database.execute("PRAGMA integrity_check").fetchone()[0]
            except OSError as error:
                raise CannotBackUp(f"The scratch copy could not be written to {folder()}: {error}.") from error
            except sqlite3.DatabaseError as error:
                state = str(error)
            if state != "ok":
                raise CannotBackUp(f"{path} is damaged: {state}.")
            yield from _connected(alias, copy)
        return
    with _alone_with_name() as name:
        _run("createdb", name)
        try:
            _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", name, path)
            yield from _connected(alias, name)
        finally:
            _run("dropdb", "--if-exists", name)


@contextmanager
def _alone_with_folder():
    """A scratch folder, for one process at a time; so what is found there was left by one that was killed."""
    folder().mkdir(parents=True, exist_ok=True)
    with (folder() / ".scratch.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CannotBackUp(_BUSY) from None
        for left in folder().glob(".scratch-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".scratch-", dir=folder()) as scratch:
            yield Path(scratch)


@contextmanager
def _alone_with_name():
    """The same on PostgreSQL: a name for a scratch database. It says whose it is: a server may have several sites."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid, pg_try_advisory_lock(%s) FROM pg_database WHERE datname = current_database()", [_LOCK]
        )
        [[ours, alone]] = cursor.fetchall()
        if not alone:
            raise CannotBackUp(_BUSY)
        try:
            prefix = f"kb_backup_{ours}_"
            cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
            for [left] in cursor.fetchall():
                _run("dropdb", "--if-exists", "--force", left)
            yield prefix + secrets.token_hex(6)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _connected(alias, name):
    connections.databases[alias] = {**connections.databases["default"], "NAME": name}
    try:
        if "faq_edition" not in connections[alias].introspection.table_names():
            raise CannotBackUp("There is no site in this backup: it has no table of editions.")
        call_command("migrate", database=alias, verbosity=0)  # it may be older than this version
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


def _file():
    return connection.settings_dict["NAME"]


def _name():
    return str(connection.settings_dict["NAME"])


def _run(program, *arguments):
    """Run one of PostgreSQL's own programs."""
    command, known = _command(program, *arguments)
    done = subprocess.run(command, env=known, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotBackUp(f"{program} failed: {done.stderr.strip() or done.returncode}")


def _command(program, *arguments):
    """The command and the environment for one of PostgreSQL's own programs, on the site's server."""
    facts = connection.settings_dict
    variables = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    known = {variable: str(facts[name]) for variable, name in variables.items() if facts.get(name)}
    if which := facts["OPTIONS"].get("target_session_attrs"):  # where several servers are named, the one that is meant
        known["PGTARGETSESSIONATTRS"] = which
    found = shutil.which(program)
    if not found:
        raise CannotBackUp(f"{program} is not installed here. On Debian: apt-get install postgresql-client")
    return [found, *map(str, arguments)], os.environ | known
