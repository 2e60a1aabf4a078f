"""Database triggers, which apply to every program that writes to the database.

They make editions, checks and log entries append-only, and increase the content version when public content changes.
They are installed after every `migrate` (see `faq.apps`), because a migration that rebuilds a table on SQLite drops its
triggers. An update that changes nothing is allowed, so that a fixture can be loaded twice.
"""

from django.db import connections

SEALED = {
    "faq_edition": "editions are sealed: they are never changed or deleted",
    "faq_check": "checks are sealed: they are never changed or deleted",
    "faq_event": "the log is append-only: its entries are never changed or deleted",
}
"""Append-only tables, with the error message of their triggers."""

PUBLIC = {
    # An editor's save changes only the working copy, which is not public.
    "faq_question": (
        "collection_id", "number", "live_id", "withdrawn_at", "withdrawn_because", "unconfirmed", "checked_on",
        "check_due",
    ),
    # `proposed` is not public.
    "faq_collection": ("slug", "title", "description", "jurisdiction", "language", "origin"),
    **dict.fromkeys(
        [
            "faq_edition", "faq_check", "faq_topic", "faq_question_topics", "faq_question_related",
            "faq_questiontag", "faq_retiredtopic", "taggit_tag", "faq_sitetext", "faq_synonym", "faq_searchtext",
            "faq_searchword",
        ],
        (),
    ),
}  # fmt: skip
"""Tables that public pages show, with their public columns (empty: all columns)."""

# The step is random: see `ContentVersion`.
_INCREASE = """
INSERT INTO faq_contentversion (id, version) VALUES (1, {step})
ON CONFLICT (id) DO UPDATE SET version = faq_contentversion.version + excluded.version
"""

# A deferred trigger updates the row at the end of the transaction. An earlier update would hold the row's lock for the
# rest of the transaction, and simultaneous publications would wait for each other or deadlock. The first change in a
# transaction therefore inserts a row of its own, and the deferred trigger on that row deletes it.
_FUNCTIONS_OF_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION faq_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('faq.noted', true) IS DISTINCT FROM pg_current_xact_id()::text THEN
    PERFORM set_config('faq.noted', pg_current_xact_id()::text, true);
    INSERT INTO faq_contentversion (id, version) VALUES (-pg_current_xact_id()::text::bigint, 0);
  END IF;
  RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION faq_raise_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM faq_contentversion WHERE id = NEW.id;
  {_INCREASE.format(step="1 + floor(random() * 1000)::bigint")};
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS faq_raise ON faq_contentversion;
CREATE CONSTRAINT TRIGGER faq_raise AFTER INSERT ON faq_contentversion DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.id < 0) EXECUTE FUNCTION faq_raise_version();
-- An earlier release made each change wait until no process used the version before it.
DROP FUNCTION IF EXISTS faq_wait_for_leases() CASCADE;
DROP FUNCTION IF EXISTS faq_ask_version();
"""  # noqa: S608

# Compare the text of the row, because equal values can have different text, such as 1 and 1.00 in JSON. (On SQLite,
# equal columns have equal bytes: JSON is stored as text, and column types convert 1.0 to 1.)
_SEAL_OF_POSTGRESQL = """
CREATE OR REPLACE FUNCTION {table}_sealed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{message}'; END $$;
CREATE OR REPLACE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
FOR EACH ROW WHEN (NEW::text IS DISTINCT FROM OLD::text) EXECUTE FUNCTION {table}_sealed();
CREATE OR REPLACE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION {table}_sealed();
CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {table}_sealed();
"""


def install(using="default", **kwargs):
    """Create the triggers of the tables that database `using` has. Connected to `post_migrate`."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    for table in tables & SEALED.keys():
        _seal(connection, table)
    if "faq_contentversion" in tables:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(_FUNCTIONS_OF_POSTGRESQL)
        for table in tables & PUBLIC.keys():
            _watch(connection, table)


def remove(using="default"):
    """Drop the append-only triggers, so that tests can empty the tables."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for table in SEALED:
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_update")
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_delete")
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_replace")
            else:
                cursor.execute(f"DROP FUNCTION IF EXISTS {table}_sealed() CASCADE")


def _seal(connection, table):
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute(_SEAL_OF_POSTGRESQL.format(table=table, message=SEALED[table]))
            return
        columns = [column.name for column in connection.introspection.get_table_description(cursor, table)]
        differs = _differs(connection, columns, "IS NOT")
        abort = f"BEGIN SELECT RAISE(ABORT, '{SEALED[table]}'); END"
        # INSERT OR REPLACE deletes conflicting rows without a delete trigger.
        constraints = connection.introspection.get_constraints(cursor, table).values()
        keys = [row["columns"] for row in constraints if row["unique"] or row["primary_key"]]
        conflict = " OR ".join(f"({_equals(connection, columns)})" for columns in keys)
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {conflict})"  # noqa: S608
        _create_trigger(cursor, f"{table}_no_replace", f"BEFORE INSERT ON {table} WHEN {exists} {abort}")
        _create_trigger(cursor, f"{table}_no_update", f"BEFORE UPDATE ON {table} WHEN {differs} {abort}")
        _create_trigger(cursor, f"{table}_no_delete", f"BEFORE DELETE ON {table} {abort}")


def _watch(connection, table):
    """Create the triggers that increase the content version when the table changes."""
    columns = PUBLIC[table]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            increase = f"BEGIN {_INCREASE.format(step='1 + abs(random() % 1000)')}; END"
            changed = f"WHEN {_differs(connection, columns, 'IS NOT')}" if columns else ""
            for operation, when in {"INSERT": "", "UPDATE": changed, "DELETE": ""}.items():
                _create_trigger(
                    cursor, f"{table}_public_{operation.lower()}", f"AFTER {operation} ON {table} {when} {increase}"
                )
            return
        execute = "EXECUTE FUNCTION faq_note_change()"
        changed = f"WHEN ({_differs(connection, columns, 'IS DISTINCT FROM')})" if columns else ""
        operations = "INSERT OR DELETE OR TRUNCATE" + ("" if changed else " OR UPDATE")
        timing = f"AFTER {operations} ON {table} FOR EACH STATEMENT"
        cursor.execute(f"CREATE OR REPLACE TRIGGER {table}_public {timing} {execute}")
        if changed:
            timing = f"AFTER UPDATE ON {table} FOR EACH ROW {changed}"
            cursor.execute(f"CREATE OR REPLACE TRIGGER {table}_public_update {timing} {execute}")


def _differs(connection, columns, differs):
    quoted = [connection.ops.quote_name(column) for column in columns]
    return " OR ".join(f"NEW.{column} {differs} OLD.{column}" for column in quoted)


def _equals(connection, columns):
    quoted = [connection.ops.quote_name(column) for column in columns]
    return " AND ".join(f"{column} = NEW.{column}" for column in quoted)


def _create_trigger(cursor, name, definition):
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
    cursor.execute(f"CREATE TRIGGER {name} {definition}")
