"""The error that reading or writing the full-text index raises if the index is missing or damaged."""

from contextlib import contextmanager

from django.db import DatabaseError


class IndexBroken(DatabaseError):
    """The full-text index is missing or damaged. `manage.py migrate` and `rebuild_search` make it again."""


@contextmanager
def index_errors():
    """Raise `IndexBroken` for errors in this block that say that a table, column or index is missing or damaged."""
    try:
        yield
    except DatabaseError as error:
        code = getattr(error.__cause__, "sqlite_errorname", None) or getattr(error.__cause__, "sqlstate", None) or ""
        if code == "SQLITE_ERROR" or code.startswith(("SQLITE_CORRUPT", "42", "XX002")):
            raise IndexBroken(str(error)) from error
        raise
