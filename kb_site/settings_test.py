"""Settings for the tests: the real ones, in a scratch folder, with what is slow on purpose made fast."""

import os
import tempfile

_scratch = tempfile.TemporaryDirectory(prefix="kb-tests-")  # removed when the process ends
os.environ.setdefault("VAR_DIR", _scratch.name)
os.environ.setdefault("SECRET_KEY", "only-for-tests-and-long-enough-for-them")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # the browser's driver runs an event loop of its own

from .settings import *  # noqa: F403
from .settings import DATABASES, STORAGES

ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # A file as in production: in memory, a browser that reads while a test writes finds whole tables locked.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# The manifest needs collected files; the commands' tests collect them and use the real storage.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
# WhiteNoise warns where it has nothing to serve.
(VAR_DIR / "static").mkdir(exist_ok=True)  # noqa: F405
