"""Rules that the database keeps by itself, whoever writes to it: editions are sealed, the log is only added to, and
the content version rises with all that the public sees.

Installed after every `migrate` (see `faq.apps`), since on SQLite a migration that rebuilds a table drops its triggers.
An update that changes nothing passes, so that a fixture can be loaded twice.
"""

from django.db import connections

SEALED = {
    "faq_edition": "editions are sealed: they are never changed or deleted",
    "faq_check": "checks are sealed: they are never changed or deleted",
    "faq_event": "the log is only ever added to: its entries are never changed or deleted",
}
"""Tables with what the database says to whoever tries."""

PUBLIC = {
    # An editor's save changes the working copy, which nobody sees, so only some of the columns count.
    "faq_question": (
        "collection_id", "number", "live_id", "withdrawn_at", "withdrawn_because", "unconfirmed", "checked_on",
        "check_due",
    ),
    # What is proposed is not public.
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
"""Tables that public pages are made of, with the columns that count (none named: all)."""

# Small steps of any size: see `ContentVersion`.
_RAISE = """
INSERT INTO faq_contentversion (id, version) VALUES (1, {step})
ON CONFLICT (id) DO UPDATE SET version = faq_contentversion.version + excluded.version
"""

# The row is locked for a moment at the end of the transaction, when nothing else is waited for: two people who publish
# at once would else wait for each other, in a circle at worst. To get there, a transaction's first change leaves a row
# of its own, whose deferred trigger takes it away again.
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
  {_RAISE.format(step="1 + floor(random() * 1000)::bigint")};
  RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS faq_raise ON faq_contentversion;
CREATE CONSTRAINT TRIGGER faq_raise AFTER INSERT ON faq_contentversion DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.id < 0) EXECUTE FUNCTION faq_raise_version();
-- An earlier release made each change wait until no process used the version before it.
DROP FUNCTION IF EXISTS faq_wait_for_leases() CASCADE;
DROP FUNCTION IF EXISTS faq_ask_version();
"""  # noqa: S608

# As text, since values can be equal and read differently: 1 and 1.00 in JSON are. (On SQLite, columns that compare as
# equal hold the same bytes: JSON is text there, and the columns' types turn 1.0 into 1 before it is stored.)
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
    """Create the triggers in database `using`, if it has the tables (a receiver of `post_migrate`)."""
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
    """Take the seals away, so that tests can empty the tables."""
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
        described = connection.introspection.get_table_description(cursor, table)
        differs = _differs(connection, [column.name for column in described], "IS NOT")
        stop = f"BEGIN SELECT RAISE(ABORT, '{SEALED[table]}'); END"
        # INSERT OR REPLACE deletes what is in its way, and no trigger hears of that.
        rules = connection.introspection.get_constraints(cursor, table).values()
        keys = [rule["columns"] for rule in rules if rule["unique"] or rule["primary_key"]]
        same = " OR ".join(f"({_equals(connection, columns)})" for columns in keys)
        there = f"EXISTS (SELECT 1 FROM {table} WHERE {same})"  # noqa: S608
        _make(cursor, f"{table}_no_replace", f"BEFORE INSERT ON {table} WHEN {there} {stop}")
        _make(cursor, f"{table}_no_update", f"BEFORE UPDATE ON {table} WHEN {differs} {stop}")
        _make(cursor, f"{table}_no_delete", f"BEFORE DELETE ON {table} {stop}")


def _watch(connection, table):
    """Raise the content version with each change of the table."""
    columns = PUBLIC[table]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            raised = f"BEGIN {_RAISE.format(step='1 + abs(random() % 1000)')}; END"
            only = f"WHEN {_differs(connection, columns, 'IS NOT')}" if columns else ""
            for act, when in {"INSERT": "", "UPDATE": only, "DELETE": ""}.items():
                _make(cursor, f"{table}_public_{act.lower()}", f"AFTER {act} ON {table} {when} {raised}")
            return
        noted = "EXECUTE FUNCTION faq_note_change()"
        only = f"WHEN ({_differs(connection, columns, 'IS DISTINCT FROM')})" if columns else ""
        whole = "INSERT OR DELETE OR TRUNCATE" + ("" if only else " OR UPDATE")
        cursor.execute(f"CREATE OR REPLACE TRIGGER {table}_public AFTER {whole} ON {table} FOR EACH STATEMENT {noted}")
        if only:
            cursor.execute(
                f"CREATE OR REPLACE TRIGGER {table}_public_update AFTER UPDATE ON {table} FOR EACH ROW {only} {noted}"
            )


def _differs(connection, columns, differs):
    quoted = [connection.ops.quote_name(column) for column in columns]
    return " OR ".join(f"NEW.{column} {differs} OLD.{column}" for column in quoted)


def _equals(connection, columns):
    quoted = [connection.ops.quote_name(column) for column in columns]
    return " AND ".join(f"{column} = NEW.{column}" for column in quoted)


def _make(cursor, name, rule):
    cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
    cursor.execute(f"CREATE TRIGGER {name} {rule}")
