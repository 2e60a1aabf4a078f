"""The content version: a number that the database raises with each change of public content.

Every request asks for it, so it is read with the driver's own cursor. On SQLite that is a function call, and each
request reads it. PostgreSQL is another process: there a process uses the number that it has read for `MAX_AGE` seconds.
A kept page can therefore be up to 50 ms behind a commit on PostgreSQL, and is never behind on SQLite.
"""

import threading
from time import monotonic

from django.db import DatabaseError, InterfaceError, OperationalError, connections, models

from kb_site import sqlite_file

SQL = "SELECT version FROM faq_contentversion WHERE id = 1"
UNKNOWN = 0
"""The version of a database in which nothing was ever public."""
MAX_AGE = 0.05
"""Seconds for which a version that was read from PostgreSQL is used, counted from before the query."""

_local = threading.local()
_known = UNKNOWN, 0.0  # the version that this process has read, and when it expires: on SQLite it always has


class ContentVersion(models.Model):
    """One row. The database raises the number, whichever program writes to it (see `triggers`).

    It rises by a random amount, so that a number never comes back with other content, not even where a backup replaced
    a newer database."""

    id = models.BigIntegerField(primary_key=True)
    version = models.BigIntegerField()

    def __str__(self):
        return str(self.version)


def current():
    """Return the content version as an integer.

    Each thread keeps a connection of its own, outside of any transaction, and replaces it once where it is broken.
    Raises `django.db.DatabaseError` or `InterfaceError` where the database does not answer."""
    asked = monotonic()
    number, expires = _known
    if asked < expires:
        return number
    if hasattr(_local, "reader"):
        try:
            return _local.reader.read(asked)
        except (DatabaseError, InterfaceError):
            _disconnect()
    _local.reader = _Reader()
    return _local.reader.read(asked)


def close():
    """Close this thread's connection and forget the version that this process has read."""
    global _known
    _known = UNKNOWN, 0.0
    _disconnect()


def _disconnect():
    if hasattr(_local, "reader"):
        _local.reader.wrapper.close()
        del _local.reader


class _Reader:
    """A database connection with a cursor of its driver."""

    def __init__(self):
        self.wrapper = connections.create_connection("default")
        try:
            with self.wrapper.wrap_database_errors:
                self.wrapper.connect()
        except BaseException:
            self.wrapper.close()  # a query that Django sends on a new connection can fail
            raise
        self.connection = self.wrapper.connection
        self.cursor = self.connection.cursor()

    def read(self, asked):
        global _known
        if sqlite_file.is_outdated(self.connection):
            raise OperationalError("The database file was replaced.")
        with self.wrapper.wrap_database_errors:
            row = self.cursor.execute(SQL).fetchone()
        number = row[0] if row else UNKNOWN
        if self.wrapper.vendor == "postgresql":
            _known = number, asked + MAX_AGE
        return number
