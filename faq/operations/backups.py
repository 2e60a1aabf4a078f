"""Backups of the database: making, proving and restoring them.

SQLite is copied with its online backup API, PostgreSQL with `pg_dump`. To prove a backup means to restore it into a
temporary database and to verify the log and every edition there.
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

MAX_AGE = 35
"""Days since the last proof after which the desk asks superusers for a new one."""

_ADVISORY_LOCK = 0x6B625F62  # an arbitrary key that no other code uses
_BUSY = "Another backup is being proved or restored at the moment. Wait until that has ended, and try again."

# Drops all tables and functions of the schema except those of extensions.
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
    ) objects
    WHERE NOT EXISTS (SELECT FROM pg_depend WHERE objid = objects.oid AND deptype = 'e')
  LOOP
    EXECUTE command;
  END LOOP;
END $$;
"""


class CannotBackUp(Exception):
    """A backup could not be made, proved or restored. The message says why and what to do."""


@dataclass(frozen=True)
class Found:
    """The content of a backup: the number of questions, and the verdict on the log and the editions."""

    questions: int
    verdict: audit.Verdict


def folder():
    return settings.VAR_DIR / "backups"


def make(path=None):
    """Copy the whole database to `path` (default: a new file in VAR_DIR/backups). Returns the path.

    Only its owner can read the file, since it contains accounts. If the copy fails, no file is left."""
    ending = "sqlite3" if connection.vendor == "sqlite" else "pgdump"
    path = Path(path) if path else folder() / f"kb-{timezone.now():%Y%m%d-%H%M%S}.{ending}"
    if path.exists():
        raise CannotBackUp(f"The file {path} exists already, and nothing is written over. Name another file.")
    database = connection.settings_dict["NAME"]
    if connection.vendor == "sqlite" and not Path(database).exists():
        raise CannotBackUp(f"There is no database at {database} yet, so nothing can be copied. Start the site first.")
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
    """Return the newest file in VAR_DIR/backups. Raises `CannotBackUp` if there is none."""
    files = sorted(folder().glob("kb-[0-9]*.*"))
    if not files:
        raise CannotBackUp(f"There is no backup in {folder()}. Make one: manage.py backup")
    return files[-1]


def prove(path):
    """Restore a backup into a temporary database and verify it there. Returns `Found`.

    If there is no problem, the proof is stored as a `BackupProof`."""
    path = _existing(path)
    with _restored(path) as alias:
        found = Found(Question.objects.using(alias).count(), audit.verify(using=alias))
    problems = found.verdict.problems
    head = found.verdict.head
    if head and not Event.objects.filter(number=found.verdict.entries, hash=head).exists():
        problems.append("Its log is not the beginning of this site's log, so it is a backup of another site.")
    if not problems:
        BackupProof.objects.create(
            at=timezone.now(), name=path.name[:200], editions=found.verdict.editions, entries=found.verdict.entries
        )
    return found


def restore(path):
    """Replace the database by a backup. The site must not run. Returns a backup of the replaced database."""
    path = _existing(path)
    with _restored(path) as alias:
        problems = audit.verify(using=alias).problems
    if problems:
        raise CannotBackUp(f"{path} is damaged, so nothing was changed: {problems[0]}")
    before = make(folder() / f"before-restore-{timezone.now():%Y%m%d-%H%M%S-%f}.{path.suffix.lstrip('.')}")
    connection.close()
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(_name(), timeout=20)) as target:
            source.backup(target)
    else:
        _replace_postgresql(path)
    return before


def _replace_postgresql(path):
    """Drop all tables and functions and restore the backup, in one transaction.

    `pg_restore --clean` would drop only the tables in the backup, and fail if a table of a newer version refers to one
    of them. If either program or this process ends early, nothing is committed."""
    read, env = _command("pg_restore", "--clean", "--if-exists", "--no-owner", "--file", "-", path)
    write, _ = _command("psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", _name())
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(write, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=errors) as target,  # noqa: S603
        subprocess.Popen(read, env=env, stdout=subprocess.PIPE, stderr=errors) as source,  # noqa: S603
    ):
        with suppress(BrokenPipeError):  # psql has failed and written an error
            target.stdin.write(b"BEGIN;\n" + _EMPTY_POSTGRESQL)
            shutil.copyfileobj(source.stdout, target.stdin)
            if source.wait() == 0:
                target.stdin.write(b"COMMIT;\n")
        source.stdout.close()
        target.communicate()
        if source.wait() or target.returncode:
            errors.seek(0)
            raise CannotBackUp(f"The backup could not be restored, so nothing was changed: {errors.read().strip()}")


def age():
    """Return the number of days since a backup was last proved, or None."""
    last = BackupProof.objects.order_by("-at").values_list("at", flat=True).first()
    return (timezone.now() - last).days if last else None


def _existing(path):
    path = Path(path)
    if not path.is_file():
        raise CannotBackUp(f"There is no file {path}.")
    return path


def _remove_old_parts(directory):
    """Remove incomplete copies of killed processes, which are more than a day old."""
    for part in directory.glob(".kb-*.part"):
        if part.stat().st_mtime < time.time() - 24 * 60 * 60:
            part.unlink(missing_ok=True)


def _copy_to(part):
    if connection.vendor == "sqlite":
        site = sqlite3.connect(f"{Path(_name()).resolve().as_uri()}?mode=ro", uri=True)
        with closing(site) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)  # in one step, which blocks neither readers nor writers
        return
    _run("pg_dump", "--format=custom", "--no-owner", "--file", part, _name())


@contextmanager
def _restored(path):
    """Restore a backup into a temporary database for this block, and give its alias."""
    alias = "backup"
    if connection.vendor == "sqlite":
        with _scratch_folder() as scratch:
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
    with _scratch_name() as name:
        _run("createdb", name)
        try:
            _run("pg_restore", "--no-owner", "--exit-on-error", "--dbname", name, path)
            yield from _connected(alias, name)
        finally:
            _run("dropdb", "--if-exists", name)


@contextmanager
def _scratch_folder():
    """Give a temporary folder, to one process at a time. Folders that killed processes left are removed."""
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
def _scratch_name():
    """Give the name of a temporary PostgreSQL database, to one process at a time, and drop those of killed processes.

    The name identifies the site's own database, since a server may have several sites."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT oid, pg_try_advisory_lock(%s) FROM pg_database WHERE datname = current_database()", [_ADVISORY_LOCK]
        )
        [[database, locked]] = cursor.fetchall()
        if not locked:
            raise CannotBackUp(_BUSY)
        try:
            prefix = f"kb_backup_{database}_"
            cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [prefix])
            for [left] in cursor.fetchall():
                _run("dropdb", "--if-exists", "--force", left)
            yield prefix + secrets.token_hex(6)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_ADVISORY_LOCK])


def _connected(alias, name):
    """Give the alias of the temporary database, after applying migrations that the backup lacks."""
    connections.databases[alias] = {**connections.databases["default"], "NAME": name}
    try:
        if "faq_edition" not in connections[alias].introspection.table_names():
            raise CannotBackUp("This is not a backup of this site: it has no table of editions.")
        call_command("migrate", database=alias, verbosity=0)
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.databases[alias]


def _name():
    return str(connection.settings_dict["NAME"])


def _run(program, *arguments):
    """Run a program of PostgreSQL, and wait for it."""
    command, environment = _command(program, *arguments)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise CannotBackUp(f"{program} failed: {done.stderr.strip() or done.returncode}")


def _command(program, *arguments):
    """Return the command and the environment that run a program of PostgreSQL on the site's server."""
    config = connection.settings_dict
    variables = {"PGHOST": "HOST", "PGPORT": "PORT", "PGUSER": "USER", "PGPASSWORD": "PASSWORD"}
    environment = {variable: str(config[name]) for variable, name in variables.items() if config.get(name)}
    if attributes := config["OPTIONS"].get("target_session_attrs"):  # selects the primary of several servers
        environment["PGTARGETSESSIONATTRS"] = attributes
    path = shutil.which(program)
    if not path:
        raise CannotBackUp(f"{program} is not installed. On Debian, run: apt-get install postgresql-client")
    return [path, *map(str, arguments)], os.environ | environment
