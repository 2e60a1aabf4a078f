"""Rules that the database keeps by itself, whoever writes to it: editions are sealed, the log is only added to.

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

_POSTGRESQL = """
CREATE OR REPLACE FUNCTION {table}_sealed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{message}'; END $$;
CREATE OR REPLACE TRIGGER {table}_no_update BEFORE UPDATE ON {table}
FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*) EXECUTE FUNCTION {table}_sealed();
CREATE OR REPLACE TRIGGER {table}_no_delete BEFORE DELETE ON {table}
FOR EACH ROW EXECUTE FUNCTION {table}_sealed();
CREATE OR REPLACE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {table}_sealed();
"""


def install(using="default", **kwargs):
    """Create the triggers in database `using`, if it has the tables (a receiver of `post_migrate`)."""
    connection = connections[using]
    tables = connection.introspection.table_names()
    for table in SEALED:
        if table in tables:
            _seal(connection, table)


def remove(using="default"):
    """Take the triggers away, so that tests can empty the tables."""
    connection = connections[using]
    with connection.cursor() as cursor:
        for table in SEALED:
            if connection.vendor == "sqlite":
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_update")
                cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_delete")
            else:
                cursor.execute(f"DROP FUNCTION IF EXISTS {table}_sealed() CASCADE")


def _seal(connection, table):
    with connection.cursor() as cursor:
        if connection.vendor != "sqlite":
            cursor.execute(_POSTGRESQL.format(table=table, message=SEALED[table]))
            return
        described = connection.introspection.get_table_description(cursor, table)
        columns = [connection.ops.quote_name(column.name) for column in described]
        differs = " OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in columns)
        stop = f"BEGIN SELECT RAISE(ABORT, '{SEALED[table]}'); END"
        rules = {
            "update": f"BEFORE UPDATE ON {table} WHEN {differs} {stop}",
            "delete": f"BEFORE DELETE ON {table} {stop}",
        }
        for act, rule in rules.items():
            cursor.execute(f"DROP TRIGGER IF EXISTS {table}_no_{act}")
            cursor.execute(f"CREATE TRIGGER {table}_no_{act} {rule}")
