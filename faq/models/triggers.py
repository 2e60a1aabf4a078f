"""Rules that the database keeps by itself, whoever writes to it: editions are sealed.

Installed after every `migrate` (see `faq.apps`), since on SQLite a migration that rebuilds a table drops its triggers.
An update that changes nothing passes, so that a fixture can be loaded twice.
"""

from django.db import connections

_COLUMNS = [
    "id", "question_id", "number", "content", "digest", "change_note", "meaning_changed", "imported", "contributors",
    "approved_by", "second_check", "published_at",
]  # fmt: skip
_MESSAGE = "editions are sealed: they are never changed or deleted"

_SQLITE = {
    "faq_edition_no_update": f"""BEFORE UPDATE ON faq_edition
        WHEN {" OR ".join(f"NEW.{column} IS NOT OLD.{column}" for column in _COLUMNS)}
        BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END""",
    "faq_edition_no_delete": f"""BEFORE DELETE ON faq_edition
        BEGIN SELECT RAISE(ABORT, '{_MESSAGE}'); END""",
}

_POSTGRESQL = f"""
CREATE OR REPLACE FUNCTION faq_edition_sealed() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION '{_MESSAGE}'; END $$;
CREATE OR REPLACE TRIGGER faq_edition_no_update BEFORE UPDATE ON faq_edition
FOR EACH ROW WHEN (NEW.* IS DISTINCT FROM OLD.*) EXECUTE FUNCTION faq_edition_sealed();
CREATE OR REPLACE TRIGGER faq_edition_no_delete BEFORE DELETE ON faq_edition
FOR EACH ROW EXECUTE FUNCTION faq_edition_sealed();
CREATE OR REPLACE TRIGGER faq_edition_no_truncate BEFORE TRUNCATE ON faq_edition
FOR EACH STATEMENT EXECUTE FUNCTION faq_edition_sealed();
"""


def install(using="default", **kwargs):
    """Create the triggers in database `using`, if it has the tables (a receiver of `post_migrate`)."""
    connection = connections[using]
    if "faq_edition" not in connection.introspection.table_names():
        return
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name, rule in _SQLITE.items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(f"CREATE TRIGGER {name} {rule}")
        else:
            cursor.execute(_POSTGRESQL)
