"""Moving everything from one database to another, such as from an SQLite file to PostgreSQL, or back.

All rows of all tables are copied in one transaction, read again from both sides and compared; what is derived is made
anew; and the log and the editions are verified, before anything of it counts. The old database is only read. Nobody can
write to it meanwhile, and it stays as it was.
"""

import hashlib
import json
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import environ
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import DatabaseError, connections, models, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max, sql

from . import log
from .models import ContentVersion, Event, SearchKey, SearchText, SearchWord, Synonym
from .search import rebuilding

SOURCE, TARGET = "source", "default"
BATCH = 500
DERIVED = {ContentVersion, SearchKey, SearchText, SearchWord}
"""Made anew from the rest."""
MADE_BY_MIGRATE = {ContentType, Group, Group.permissions.through, Permission, Synonym}
"""What a new database holds already. It gives way to what comes."""

_OURS = (
    "django_migrations",
    "kb_cache",
    "faq_search",
    "sqlite_",
)  # tables without a model, by the beginnings of their names


class CannotMove(Exception):
    """Why nothing was moved, and what to do (sentences)."""


@dataclass(frozen=True)
class Moved:
    """What came over. `left` are tables of the old database that nothing in this site knows."""

    rows: Counter
    verdict: log.Verdict
    indexed: int
    left: list


def _plainly(rows, total, what):
    return rows


def move(address, progress=_plainly):
    """Copy everything from the database at `address` (a URL, or the path of an SQLite file) into the site's own, which
    must be empty. Returns what was `Moved`; raises `CannotMove`.

    `progress(iterable, total, what)` wraps each longer iteration."""
    with _connected(address):
        _refuse_what_is_no_site()
        _refuse_unless_empty()
        call_command("migrate", database=TARGET, verbosity=0)
        _refuse_unless_of_one_version()
        with _standing_still(), transaction.atomic(TARGET):
            for model in MADE_BY_MIGRATE:
                _execute(TARGET, f"DELETE FROM {_quoted(model)}")  # noqa: S608
            rows, sums = Counter(), {}
            for model in _tables():
                rows[model._meta.db_table], sums[model] = _copy(model, progress)
            for model, expected in sums.items():
                if _sum_of(model, progress, rows[model._meta.db_table]) != expected:
                    raise CannotMove(f"{model._meta.db_table} does not read the same in both databases.")
            for model in _tables():
                _go_on_counting(model)
            ContentType.objects.clear_cache()
            indexed = rebuilding.rebuild(lambda batches: progress(batches, len(batches), "search index"))
            _raise_version()
            verdict = _verified()
        _execute(TARGET, "ANALYZE")
        return Moved(rows, verdict, indexed, sorted(_strangers(SOURCE)))


@contextmanager
def _connected(address):
    """Gives the database at `address` an alias for as long as the block runs."""
    facts = {"HOST": "", "PORT": "", "USER": "", "PASSWORD": "", **_facts(address)}
    ours = connections[TARGET].settings_dict
    if _place(facts) == _place(ours):
        raise CannotMove(
            "This is the database that the site uses now. Set DATABASE_URL to the new one, and name the old one here."
        )
    if facts["ENGINE"].endswith("sqlite3"):
        if not Path(facts["NAME"]).is_file():
            raise CannotMove(f"There is no file {facts['NAME']}.")
        # Such an address makes no new file where there is none. (Anything else would be set in the file itself.)
        facts["NAME"] = f"{Path(facts['NAME']).resolve().as_uri()}?mode=rw"
        facts["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20}
    connections.databases[SOURCE] = {**ours, "OPTIONS": {}, **facts}
    try:
        try:
            connections[SOURCE].ensure_connection()
        except DatabaseError as error:
            raise CannotMove(f"The old database does not answer: {_words(error)}") from error
        yield
    finally:
        connections[SOURCE].close()
        del connections[SOURCE], connections.databases[SOURCE]


def _facts(address):
    """What Django must know of the database at an address."""
    if "://" not in address:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": address}
    with warnings.catch_warnings(action="ignore"):  # one would print the address
        try:
            facts = environ.Env.db_url_config(address)
        except (ImproperlyConfigured, ValueError):
            facts = {}
    known = ("django.db.backends.sqlite3", "django.db.backends.postgresql")
    if facts.get("ENGINE") not in known or not facts["NAME"]:
        # The address is not repeated: it may hold a password.
        raise CannotMove("The old database must be an SQLite file, or something like postgres://user@host:5432/name.")
    return facts


def _place(facts):
    if facts["ENGINE"].endswith("sqlite3"):
        return Path(facts["NAME"]).resolve()
    return facts["HOST"], str(facts["PORT"] or 5432), facts["NAME"]


def _tables():
    """The models whose rows are copied, those of many-to-many relations included."""
    every = apps.get_models(include_auto_created=True)
    return [model for model in every if model._meta.managed and not model._meta.proxy and model not in DERIVED]


def _strangers(alias):
    """Tables that nothing in this site knows."""
    known = {model._meta.db_table for model in [*_tables(), *DERIVED]}
    found = set(connections[alias].introspection.table_names()) - known
    return {name for name in found if not name.startswith(_OURS)}


def _refuse_what_is_no_site():
    try:
        tables = connections[SOURCE].introspection.table_names()
    except DatabaseError as error:
        raise CannotMove(f"The old database cannot be read: {_words(error)}") from error
    if "faq_edition" not in tables:
        raise CannotMove("There is no site in the old database: it has no table of editions.")


def _refuse_unless_empty():
    there = set(connections[TARGET].introspection.table_names())
    filled = {
        model._meta.db_table
        for model in _tables()
        if model not in MADE_BY_MIGRATE and model._meta.db_table in there and _exists(model)
    }
    if found := sorted(filled | _strangers(TARGET)):
        raise CannotMove(
            f"The site's database is not empty, and nothing is written over: see {', '.join(found[:5])}. Make a new, "
            "empty database, and name that one in DATABASE_URL."
        )


def _exists(model):
    with connections[TARGET].cursor() as cursor:  # its columns may be those of another version
        cursor.execute(f"SELECT 1 FROM {_quoted(model)} LIMIT 1")  # noqa: S608
        return cursor.fetchone() is not None


def _refuse_unless_of_one_version():
    old, new = (set(MigrationRecorder(connections[alias]).applied_migrations()) for alias in (SOURCE, TARGET))
    if new - old:
        raise CannotMove(
            "The old database is older than this version of the site. Bring it up to date first: manage.py migrate, "
            "with DATABASE_URL naming the old one."
        )
    if old - new:
        raise CannotMove("The old database was written by a newer version of the site. Move it with that version.")


@contextmanager
def _standing_still():
    """Nobody writes to the old database in this block; reading goes on."""
    try:
        with transaction.atomic(SOURCE):
            if connections[SOURCE].vendor == "postgresql":
                _execute(SOURCE, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                _execute(SOURCE, "SET LOCAL lock_timeout = '20s'")
                _execute(SOURCE, f"LOCK TABLE {', '.join(map(_quoted, _tables()))} IN SHARE MODE")
            yield
    except DatabaseError as error:
        raise CannotMove(f"The old or the new database failed, so nothing was moved: {_words(error)}") from error


def _copy(model, progress):
    """Copy a model's rows. Returns how many there are, and their sum."""
    table, rows = model._meta.db_table, _rows(model, SOURCE)
    count, total, batch = 0, 0, []
    fields = model._meta.concrete_fields
    size = max(1, min(BATCH, connections[TARGET].ops.bulk_batch_size(fields, range(BATCH))))
    for row in progress(rows.iterator(BATCH), rows.count(), table):
        count, total = count + 1, total + _number(row)
        batch.append(row)
        if len(batch) == size:
            _insert(model, fields, batch)
            batch = []
    _insert(model, fields, batch)
    return count, total % 2**256


def _rows(model, alias):
    return model._base_manager.using(alias).order_by("pk")


def _insert(model, fields, rows):
    """As they are: a `save()` would put today into dates that are set by themselves."""
    if not rows:
        return
    try:
        with transaction.atomic(TARGET):
            _insert_raw(model, fields, rows)
    except (DatabaseError, ValueError) as error:
        if len(rows) == 1:
            raise CannotMove(
                f"Row {rows[0].pk} of {model._meta.db_table} does not fit into the new database, so nothing was moved: "
                f"{_words(error)} Mend it in the old one, and start again."
            ) from error
        for row in rows:  # which one is it?
            _insert(model, fields, [row])
        raise


def _insert_raw(model, fields, rows):
    query = sql.InsertQuery(model)
    query.insert_values(fields, rows, raw=True)
    query.get_compiler(using=TARGET).execute_sql()


def _number(row):
    """A row as a number, the same in both databases: what it says, and not how it is stored."""
    values = [field.value_from_object(row) for field in row._meta.concrete_fields]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=str)
    return int.from_bytes(hashlib.sha256(text.encode(errors="surrogatepass")).digest())


def _sum_of(model, progress, count):
    """The sum of a model's rows in the new database. (A sum, since databases sort letters differently.)"""
    rows = _rows(model, TARGET).iterator(BATCH)
    return sum(map(_number, progress(rows, count, f"{model._meta.db_table}, compared"))) % 2**256


def _go_on_counting(model):
    """New rows get ids that the old database never gave: a deleted account's id still stands in the log."""
    key = model._meta.pk
    if not isinstance(key, models.AutoField | models.BigAutoField | models.SmallAutoField):
        return
    table = model._meta.db_table
    highest = _rows(model, TARGET).aggregate(Max("pk"))["pk__max"] or 0
    if last := max(highest, _last_id(table, key.column)):
        if connections[TARGET].vendor == "postgresql":
            _execute(TARGET, "SELECT setval(pg_get_serial_sequence(%s, %s), %s)", [f'"{table}"', key.column, last])
        else:
            _execute(TARGET, "DELETE FROM sqlite_sequence WHERE name = %s", [table])
            _execute(TARGET, "INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, last])


def _last_id(table, column):
    """The last id that the old database gave to a row of the table."""
    with connections[SOURCE].cursor() as cursor:
        if connections[SOURCE].vendor == "postgresql":
            cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [f'"{table}"', column])
            cursor.execute(f"SELECT last_value FROM {cursor.fetchone()[0]} WHERE is_called")  # noqa: S608
        else:
            cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        found = cursor.fetchone()
        return found[0] if found else 0


def _raise_version():
    """Beyond the old one, so that nothing which was kept before is taken for what is true now."""
    old = ContentVersion.objects.using(SOURCE).filter(pk=1).values_list("version", flat=True).first() or 0
    _execute(
        TARGET,
        "INSERT INTO faq_contentversion (id, version) VALUES (1, %s) "
        "ON CONFLICT (id) DO UPDATE SET version = faq_contentversion.version + excluded.version",
        [old + 1],
    )


def _verified():
    """What the log and the editions prove in the new database; raises `CannotMove` if that is not all."""
    last = Event.objects.using(SOURCE).order_by("-number").values_list("hash", flat=True).first() or ""
    verdict = log.verify(last)
    if verdict.problems:
        raise CannotMove(
            f"The old database is not as it was written, so nothing was moved: {verdict.problems[0]} "
            "See manage.py verify_log, with DATABASE_URL naming the old one."
        )
    return verdict


def _quoted(model):
    return connections[TARGET].ops.quote_name(model._meta.db_table)


def _execute(alias, statement, parameters=None):
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, parameters)


def _words(error):
    """A database's message in one line."""
    return " ".join(str(error).split())
