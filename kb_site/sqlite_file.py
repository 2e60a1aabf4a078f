"""The SQLite file while the site serves: it is there or it is not, and may be put back at any time."""

import os
import sqlite3
from pathlib import Path

from django.core.signals import request_started
from django.db import connections


class Existing(sqlite3.Connection):
    """A connection to a file that is there.

    SQLite makes a missing file, and throws away what another one left in its write-ahead log: a file that somebody
    moved aside for a moment would lose its latest changes."""

    def __init__(self, database, *args, **kwargs):
        super().__init__(f"{Path(database).absolute().as_uri()}?mode=rw", *args, **kwargs)
        self._path = database
        self._file, self._read_only = _identity(database), not os.access(database, os.W_OK)

    def is_outdated(self):
        """Whether to connect anew: another file is there now or none, or one that could not be written to can be."""
        return self._file != _identity(self._path) or (self._read_only and os.access(self._path, os.W_OK))


def is_outdated(connection):
    """Whether to replace this connection of a driver, which need not be an `Existing` or of SQLite."""
    return isinstance(connection, Existing) and connection.is_outdated()


def use_existing():
    """Let all connections of this process be such, and none outlive its file."""
    for name in connections:
        facts = connections[name].settings_dict
        if facts["ENGINE"] == "django.db.backends.sqlite3":
            facts["OPTIONS"]["factory"] = Existing
    request_started.connect(_let_go, dispatch_uid="kb_site.sqlite_file")


def _let_go(**kwargs):
    for wrapper in connections.all(initialized_only=True):
        if is_outdated(wrapper.connection):
            wrapper.close()


def _identity(path):
    """What tells a file from every other one, or None where there is none."""
    try:
        facts = os.stat(path)  # noqa: PTH116  (asked at every request)
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
