"""Words for what goes wrong in a command, in place of a traceback."""

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor


def explain_database_error(error: DatabaseError) -> str:
    """Return what happened and what to do. Raises the error again where only a developer can tell."""
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return (
            f"The database cannot be used: {error}\nCheck DATABASE_URL, and that its server runs or its disk has room."
        )
    if missing:
        return f"The database lacks {len(missing)} migrations. Run: manage.py migrate (or make run, which does it)."
    raise error
