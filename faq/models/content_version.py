"""The content version: a number that the database increases with each change of public content.

The page cache reads it at every request, so this module uses the database driver directly. On SQLite each request reads
the number. PostgreSQL needs a round trip, so a process reuses a number for `MAX_AGE` seconds. A cached page can
therefore be 50 ms behind a commit on PostgreSQL, and is never behind on SQLite.
"""

import threading
from time import monotonic

from django.db import DatabaseError, InterfaceError, OperationalError, connections, models

from kb_site import sqlite_file

SQL = "SELECT version FROM faq_contentversion WHERE id = 1"
UNKNOWN = 0
"""The version of a database without public content."""
MAX_AGE = 0.05
"""Seconds for which a process reuses a version from PostgreSQL, counted from the start of the query."""

_local = threading.local()
_cached = UNKNOWN, 0.0  # the last version from PostgreSQL and its expiry; always expired on SQLite


class ContentVersion(models.Model):
    """One row, updated by triggers (see `faq.models.triggers`), so that each program that writes increases it.

    The step is random, so that a number does not come back with other content after a backup is restored."""

    id = models.BigIntegerField(primary_key=True)
    version = models.BigIntegerField()

    def __str__(self):
        return str(self.version)


def current():
    """Return the content version as an integer.

    Each thread uses a connection of its own, outside of Django's transactions, and replaces a broken one once. Raises
    `django.db.DatabaseError` or `InterfaceError` if the database does not answer."""
    start = monotonic()
    number, expires = _cached
    if start < expires:
        return number
    if hasattr(_local, "reader"):
        try:
            return _local.reader.read(start)
        except (DatabaseError, InterfaceError):
            _disconnect()
    _local.reader = _Reader()
    return _local.reader.read(start)


def close():
    """Close this thread's connection, and clear the cached version of this process."""
    global _cached
    _cached = UNKNOWN, 0.0
    _disconnect()


def _disconnect():
    if hasattr(_local, "reader"):
        _local.reader.wrapper.close()
        del _local.reader


class _Reader:
    """A database connection with a cursor of the driver."""

    def __init__(self):
        self.wrapper = connections.create_connection("default")
        try:
            with self.wrapper.wrap_database_errors:
                self.wrapper.connect()
        except BaseException:
            self.wrapper.close()  # an initial query of Django can fail on a new connection
            raise
        self.connection = self.wrapper.connection
        self.cursor = self.connection.cursor()

    def read(self, start):
        global _cached
        if sqlite_file.is_outdated(self.connection):
            raise OperationalError("The database file was replaced.")
        with self.wrapper.wrap_database_errors:
            row = self.cursor.execute(SQL).fetchone()
        number = row[0] if row else UNKNOWN
        if self.wrapper.vendor == "postgresql":
            _cached = number, start + MAX_AGE
        return number
