"""SQLite connections that notice when the database file is removed, replaced or made writable."""

import os
import sqlite3
from pathlib import Path

from django.core.signals import request_started
from django.db import connections


class ExistingFileConnection(sqlite3.Connection):
    """A connection that does not create a missing file.

    By default, SQLite creates the file and deletes a write-ahead log beside it. A file that was moved away for a moment
    would then lose its latest changes."""

    def __init__(self, database, *args, **kwargs):
        super().__init__(f"{Path(database).absolute().as_uri()}?mode=rw", *args, **kwargs)
        self._path = database
        self._file, self._read_only = _identity(database), not os.access(database, os.W_OK)

    def is_outdated(self):
        """Whether to reconnect: the file was removed or replaced, or it was read-only and is now writable."""
        return self._file != _identity(self._path) or (self._read_only and os.access(self._path, os.W_OK))


def is_outdated(connection):
    """Whether to replace this connection of a database driver. False for other drivers than SQLite's."""
    return isinstance(connection, ExistingFileConnection) and connection.is_outdated()


def use_existing():
    """Use `ExistingFileConnection` for SQLite in this process, and close outdated connections at each request."""
    for name in connections:
        config = connections[name].settings_dict
        if config["ENGINE"] == "django.db.backends.sqlite3":
            config["OPTIONS"]["factory"] = ExistingFileConnection
    request_started.connect(_close_outdated, dispatch_uid="kb_site.sqlite_file")


def _close_outdated(**kwargs):
    for wrapper in connections.all(initialized_only=True):
        if is_outdated(wrapper.connection):
            wrapper.close()


def _identity(path):
    """Return the device and inode of a file, or None if it does not exist."""
    try:
        status = os.stat(path)  # noqa: PTH116  (faster, and called for each request)
    except OSError:
        return None
    return status.st_dev, status.st_ino
