"""Error messages of management commands, instead of tracebacks."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


def explain_database_error(error: DatabaseError) -> str:
    """Return a message that says what to do. Raises the error if the database works and has all migrations."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return f"The database cannot be used: {error}\nCheck DATABASE_URL, the database server, and the disk space."
    if missing:
        return f"The database lacks {len(missing)} migrations. Run: manage.py migrate (make run does this too)."
    raise error
