"""The content version, as cheap to ask for as anything can be: every request needs it.

On PostgreSQL, where each question goes to another process and back, an answer may come with a lease: it holds for five
milliseconds more, since whoever changes what is public waits until all leases have run out before the change can be
seen (see `faq.models.triggers`). So it is never stale, with one exception: a machine that is halted as a whole, its
clock with it, may use the rest of a lease when it goes on, five milliseconds at most.
"""

import select
import threading
from time import monotonic

from django.db import connections
from django.db.utils import OperationalError

SQL = "SELECT version, 0 FROM faq_contentversion WHERE id = 1"  # without a lease
SQL_WITH_LEASE = "SELECT number, lease FROM faq_ask_version()"
UNKNOWN = 0
"""The version of a database in which nothing was ever public."""

_COMMAND_OK, _TUPLES_OK = 1, 2  # as libpq says that something was done, and that an answer has rows
_mine = threading.local()


def current(using="default", wait=None):
    """The number that stands for all that the public sees now in the database `using`.

    `wait` is the longest time to wait for an answer of PostgreSQL, in seconds, where another database could be asked.

    Read on a connection of its own, outside of any transaction, which each thread keeps. Where that one is gone, a new
    one is made, once. Raises `django.db.DatabaseError` or `InterfaceError` where the database does not answer."""
    readers = _mine.__dict__.setdefault("readers", {})
    if using in readers:
        try:
            return readers[using].ask(wait)
        except OperationalError:
            readers.pop(using).close()
    readers[using] = _Reader(using)
    return readers[using].ask(wait)


def close():
    """End this thread's connections."""
    readers = _mine.__dict__.get("readers", {})
    while readers:
        readers.popitem()[1].close()


class _Reader:
    """A connection that answers one question, past Django's cursors, which cost more than the answer."""

    def __init__(self, using):
        self._wrapper = connections.create_connection(using)
        try:
            with self._wrapper.wrap_database_errors:
                self._wrapper.connect()
        except BaseException:
            self._wrapper.close()  # what Django asks of a new connection can fail on one that was made
            raise
        self._error = self._wrapper.Database.Error
        if self._wrapper.vendor == "postgresql":
            self._server = self._wrapper.connection.pgconn
            if self._server.prepare(b"content_version", SQL_WITH_LEASE.encode()).status != _COMMAND_OK:
                # It was not migrated yet. Leases come with the next connection.
                self._server.prepare(b"content_version", SQL.encode())
            self._number, self._lent_until = UNKNOWN, 0.0
            self._heard = select.poll()
            self._heard.register(self._server.socket, select.POLLIN)
            self._read = self._read_postgresql
        else:
            self._cursor = self._wrapper.connection.cursor()
            self._outlived = getattr(self._wrapper.connection, "outlived", bool)  # see kb_site.sqlite_file
            self._read = self._read_sqlite

    def ask(self, wait):
        try:
            return self._read(wait)
        except self._error as error:
            raise OperationalError(*error.args) from error

    def close(self):
        self._wrapper.close()

    def _read_sqlite(self, wait):
        if self._outlived():
            raise self._error("Another file is in the place of the one that was opened.")
        row = self._cursor.execute(SQL).fetchone()
        return row[0] if row else UNKNOWN

    def _read_postgresql(self, wait):
        asked = monotonic()
        if asked < self._lent_until:
            return self._number
        if wait is None:
            result = self._server.exec_prepared(b"content_version", [])
        else:
            self._server.send_query_prepared(b"content_version", [])
            while self._server.is_busy():
                if not self._heard.poll(wait * 1000):
                    raise self._error("No answer in time.")
                self._server.consume_input()
            result = self._server.get_result()
            while self._server.get_result():
                pass  # there is one end to each answer
        if result.status != _TUPLES_OK:
            raise self._error(result.error_message.decode(errors="replace"))
        number, lease = (result.get_value(0, 0), result.get_value(0, 1)) if result.ntuples else (None, 0)
        self._number, self._lent_until = int(number or UNKNOWN), asked + float(lease)
        return self._number
