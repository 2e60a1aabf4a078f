"""Copies all rows from another database into the site's own, such as from an SQLite file to PostgreSQL, or back.

Rows are read and written in batches, in one transaction on each side, and are not changed. Row counts are compared and
the log is verified on both sides before the commit, so a copy that fails or is killed leaves the target without rows.
"""

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, sql

from faq.models import ContentVersion, SearchText, Synonym
from faq.workflow import audit
from kb_site.settings import SQLITE, database

SOURCE, TARGET = "source", "default"
BATCH = 500
MADE_BY_MIGRATE = [Group.permissions.through, Permission, Group, ContentType, Synonym]
"""Models that have rows in a new database. These rows are deleted before the copy."""
_UNMANAGED = ("django_migrations", "kb_cache", "faq_search", "sqlite_")
"""Prefixes of tables that belong to the site but have no model."""


class CannotCopy(Exception):
    """Nothing was copied. The message says why and what to do."""


@dataclass(frozen=True)
class Copied:
    """The result of a copy: the number of rows of each table, the verdict on the log, and the number of search entries.

    `unknown` are the tables of the source that do not belong to the site. They were not copied."""

    rows: dict
    verdict: audit.Verdict
    indexed: int
    unknown: list


def copy(address, progress=lambda rows, total, table: rows):
    """Copy all rows from the database at `address`, a URL or the path of an SQLite file, into the site's own.

    The site's own database must be empty, and the source is only read. `progress(rows, total, table)` wraps the
    iteration over a table. Returns `Copied`; raises `CannotCopy`."""
    with _connected(address), _database_errors("The old database cannot be read"):
        if "faq_edition" not in connections[SOURCE].introspection.table_names():
            raise CannotCopy("The old database is not one of this site: it has no table of editions.")
        if found := sorted(_filled() | _unknown(TARGET)):
            raise CannotCopy(
                f"The site's database is not empty, and nothing is written over: see {', '.join(found[:5])}. Make a "
                "new, empty database and set DATABASE_URL to it. The argument of the command is the old database."
            )
        call_command("migrate", database=TARGET, verbosity=0)
        old, new = (set(MigrationRecorder(connections[alias]).applied_migrations()) for alias in (SOURCE, TARGET))
        if old != new:
            raise CannotCopy(
                f"The old database was made by {'an older' if new - old else 'a newer'} version of the site. Copy it "
                "with that version, or run manage.py migrate with DATABASE_URL set to the old database first."
            )
        with _database_errors("Nothing was copied"), _locked_source(), transaction.atomic(TARGET):
            for model in MADE_BY_MIGRATE:
                _execute(TARGET, f"DELETE FROM {model._meta.db_table}")  # noqa: S608
            counts = {model._meta.db_table: _copy_table(model, progress) for model in _models()}
            _raise_version()
            copied = Copied(counts, _verified(), SearchText.objects.count(), sorted(_unknown(SOURCE)))
        ContentType.objects.clear_cache()
        _execute(TARGET, "ANALYZE")
        return copied


@contextmanager
def _connected(address):
    """Give the database at `address` the alias SOURCE in this block."""
    try:
        config = database(address) if "://" in address else {"ENGINE": SQLITE, "NAME": address}
    except ImproperlyConfigured:  # the message does not repeat the address, which may contain a password
        config = {"NAME": ""}
    if not config["NAME"]:
        raise CannotCopy("The old database must be an SQLite file, or an address like postgres://user@host:5432/name.")
    if config["ENGINE"] == SQLITE:
        path = Path(config["NAME"])
        if not path.is_file():
            raise CannotCopy(f"There is no file {path}.")
        # In the mode “rw”, SQLite does not create a file. IMMEDIATE keeps other writers out.
        config |= {"NAME": f"{path.resolve().as_uri()}?mode=rw", "OPTIONS": {"transaction_mode": "IMMEDIATE"}}
    empty = {"HOST": "", "PORT": "", "USER": "", "PASSWORD": "", "OPTIONS": {}}
    connections.databases[SOURCE] = connections[TARGET].settings_dict | empty | config
    try:
        yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE], connections.databases[SOURCE]


@contextmanager
def _database_errors(happened):
    try:
        yield
    except DatabaseError as error:
        raise CannotCopy(f"{happened}: {' '.join(str(error).split())}") from error


@contextmanager
def _locked_source():
    """A transaction on the source during which others can read it but not write."""
    with transaction.atomic(SOURCE):
        if connections[SOURCE].vendor == "postgresql":
            tables = ", ".join(model._meta.db_table for model in _models())
            _execute(SOURCE, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            _execute(SOURCE, f"SET LOCAL lock_timeout = '20s'; LOCK TABLE {tables} IN SHARE MODE")
        yield


def _models():
    """All models with a table, many-to-many tables included, but not the content version."""
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and not model._meta.proxy and model is not ContentVersion]


def _unknown(alias):
    """Tables that do not belong to the site."""
    known = {model._meta.db_table for model in [*_models(), ContentVersion]}
    return {
        name
        for name in connections[alias].introspection.table_names()
        if name not in known and not name.startswith(_UNMANAGED)
    }


def _filled():
    """Tables of the target that have rows, other than those that `migrate` makes."""
    there = connections[TARGET].introspection.table_names()
    tables = {model._meta.db_table for model in _models() if model not in MADE_BY_MIGRATE} & set(there)
    return {table for table in tables if _execute(TARGET, f"SELECT 1 FROM {table} LIMIT 1")}  # noqa: S608


def _copy_table(model, progress):
    """Copy the rows of a model and return their number. No signals are sent; `auto_now` fields are not changed."""
    table, fields = model._meta.db_table, model._meta.concrete_fields
    source, target = (model._base_manager.using(alias) for alias in (SOURCE, TARGET))
    total = source.count()
    size = max(1, min(BATCH, connections[TARGET].ops.bulk_batch_size(fields, range(BATCH))))
    rows = iter(progress(source.order_by("pk").iterator(BATCH), total, table))
    with _database_errors(f"Nothing was copied, because a row of {table} does not fit into the new database"):
        while batch := list(islice(rows, size)):
            query = sql.InsertQuery(model)
            query.insert_values(fields, batch, raw=True)
            query.get_compiler(using=TARGET).execute_sql()
    if target.count() != total:
        raise CannotCopy(f"Nothing was copied, because {table} has {total} rows, and {target.count()} after the copy.")
    if isinstance(model._meta.pk, models.AutoField | models.BigAutoField):
        _continue_keys(table, model._meta.pk.column, target.aggregate(Max("pk"))["pk__max"] or 0)
    return total


def _continue_keys(table, column, highest):
    """Continue the primary keys after the last one that the source assigned, since the log refers to deleted rows."""
    if connections[SOURCE].vendor == "postgresql":
        sequence = _execute(SOURCE, "SELECT pg_get_serial_sequence(%s, %s)", table, column)[0][0]
        given = _execute(SOURCE, f"SELECT last_value FROM {sequence} WHERE is_called")  # noqa: S608
    else:
        given = _execute(SOURCE, "SELECT seq FROM sqlite_sequence WHERE name = %s", table)
    last = max(highest, *(value for (value,) in given), 0)
    if last and connections[TARGET].vendor == "postgresql":
        _execute(TARGET, "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", table, column, last)
    elif last:
        _execute(TARGET, "DELETE FROM sqlite_sequence WHERE name = %s", table)
        _execute(TARGET, "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", table, last)


def _raise_version():
    """Make the content version higher than both previous ones, so that all caches are invalidated."""
    old = ContentVersion.objects.using(SOURCE).filter(pk=1).values_list("version", flat=True).first() or 0
    version, _ = ContentVersion.objects.get_or_create(pk=1, defaults={"version": 0})
    ContentVersion.objects.filter(pk=1).update(version=version.version + old + 1)


def _verified():
    """Return the verdict on the target. Raises `CannotCopy` if a log has a problem or if they differ."""
    old, new = audit.verify(using=SOURCE), audit.verify(using=TARGET)
    if problems := old.problems or new.problems:
        raise CannotCopy(f"The old database is not as it was written, so nothing was copied: {problems[0]}")
    if (old.head, old.entries, old.editions) != (new.head, new.entries, new.editions):
        raise CannotCopy("Nothing was copied, because the log is not the same in both databases.")
    return new


def _execute(alias, statement, *parameters):
    """Execute SQL and return its rows, or [] if there are none."""
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return cursor.fetchall() if cursor.description else []
