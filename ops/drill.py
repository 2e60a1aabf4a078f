#!/usr/bin/env python3
"""Restore drill: make a backup, start a scratch site from it, and print how long each step took.

    make drill                     for the site of `make run`
    kb-site ops/drill.py           on a server (see docs/operating.md)

The drill copies the database while the site runs, verifies the copy, restores it into an empty site in a scratch folder
(on PostgreSQL, in a scratch database on the same server), starts that site on a free port of 127.0.0.1, and reads from
it. The backup is kept, everything else is removed. Exit status 1 if a step fails.
"""

import contextlib
import os
import re
import secrets
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ops.servers import Failed, manage, serving

# Settings of the site that the scratch site does not share.
NOT_SHARED = (
    "ALLOWED_HOSTS", "TLS", "PROXY", "SECOND_FACTOR", "STATIC_ROOT", "CACHE_URL", "SENTRY_DSN", "DATABASE_URL",
    "DATABASE_URL_FILE", "SECRET_KEY", "SECRET_KEY_FILE",
)  # fmt: skip


@contextlib.contextmanager
def step(name):
    """Print `name`, the seconds that the block took, and what it appends to the list."""
    start, results = time.monotonic(), []
    yield results
    print(f"{time.monotonic() - start:8.1f} s  {': '.join([name, *results])}", flush=True)


@contextlib.contextmanager
def scratch_database():
    """The settings that name an empty database on the site's PostgreSQL server; for SQLite, none."""
    from django.db import connection
    from environ import FileAwareEnv

    if connection.vendor != "postgresql":
        yield {}
        return
    name = f"kb_drill_{secrets.token_hex(6)}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield {"DATABASE_URL": re.sub(r"/[^/?]*(?=\?|$)", f"/{name}", FileAwareEnv().str("DATABASE_URL"), count=1)}
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fetch(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        raise Failed(f"{address} answers {error.code}:\n{error.read().decode()[:500]}") from error


def drill(folder):
    start = time.monotonic()
    with step("a copy of everything, while the site runs") as results:
        path = Path(manage(None, "backup").partition(": ")[0])
        results.append(f"{path}, {path.stat().st_size:,} bytes")
    with step("restored into a scratch database and verified") as results:
        results.append(manage(None, "verify_backup", path).strip().partition("s: ")[2].rstrip("."))
    back = time.monotonic()
    with scratch_database() as database:
        shared = {name: value for name, value in os.environ.items() if name not in NOT_SHARED}
        env = shared | {"VAR_DIR": folder, "ALLOWED_HOSTS": "127.0.0.1", "LOG_FORMAT": "json"} | database
        with step("an empty site, and the copy in place of its database"):
            manage(env, "migrate", "-v0")
            manage(env, "restore_backup", path, "--yes")
        with step("static files"):
            manage(env, "collectstatic", "--no-input", "-v0")
        with contextlib.ExitStack() as stack:
            with step("started, until it is ready"):
                site = stack.enter_context(serving(env, workers=1)).address
            with step("read from it") as results:
                links = re.findall(r'href="(/answers/[^"]+/\d+/[^"]*)"', fetch(f"{site}/"))[:3]
                for link in links:
                    fetch(site + link)
                fetch(f"{site}/admin/login/")
                results.append(f"the home page, {len(links)} answers, the log-in")
    print(f"{time.monotonic() - start:8.1f} s  in all")
    print(f"\nFrom this copy to a site that answers: {time.monotonic() - back:.0f} s, without installing the code.")


def main():
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb_site.settings")
    django.setup()
    try:
        with tempfile.TemporaryDirectory(prefix="kb-drill-") as folder:
            drill(folder)
    except (Failed, OSError) as error:
        sys.exit(f"The drill failed. {error}")


if __name__ == "__main__":
    main()
