"""Settings for the tests: a temporary VAR_DIR, fast password hashing, and uncollected static files."""

import os
import tempfile

_scratch = tempfile.TemporaryDirectory(prefix="kb-tests-")  # removed when the process ends
os.environ.setdefault("VAR_DIR", _scratch.name)
os.environ.setdefault("SECRET_KEY", "only-for-tests-and-long-enough-for-them")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright runs an event loop

from .settings import *  # noqa: F403
from .settings import DATABASES, STORAGES

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file, as in production. With a database in memory, readers would wait for table locks.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The production storage needs collected files. The tests of the commands collect them and use it.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# WhiteNoise warns if the folder is missing.
(VAR_DIR / "static").mkdir(exist_ok=True)  # noqa: F405
