"""The error for a missing or damaged full-text index."""

from contextlib import contextmanager

from django.db import DatabaseError


class IndexBroken(DatabaseError):
    """The full-text index is missing or damaged. Run `manage.py migrate` and `manage.py rebuild_search`."""


@contextmanager
def index_errors():
    """Convert database errors about a missing or damaged table, column or index to `IndexBroken`."""
    try:
        yield
    except DatabaseError as error:
        code = getattr(error.__cause__, "sqlite_errorname", None) or getattr(error.__cause__, "sqlstate", None) or ""
        if code == "SQLITE_ERROR" or code.startswith(("SQLITE_CORRUPT", "42", "XX002")):
            raise IndexBroken(str(error)) from error
        raise
