"""Who else on the machine may read the site's files: nobody."""

import os
import stat
from contextlib import suppress
from pathlib import Path


def tighten(folder):
    """Take all rights of other users off a folder and off the files and folders in it, such as those that an earlier
    version made.

    A folder that is not the site's own is left alone: another user's, one that all users share (such as /tmp), and one
    that holds the site's code."""
    facts = folder.stat()
    if facts.st_uid != os.geteuid() or facts.st_mode & stat.S_ISVTX or Path(__file__).is_relative_to(folder):
        return
    _tighten(folder)
    for place, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            with suppress(OSError):  # gone by now, or another user's
                _tighten(os.path.join(place, name))  # noqa: PTH118  (asked of each file)


def _tighten(path):
    mode = os.lstat(path).st_mode
    if mode & 0o077 and (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        os.chmod(path, stat.S_IMODE(mode) & 0o700)  # noqa: PTH101
