"""An installation in processes of its own, on a database of the kind that the tests run on."""

import os
import secrets
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


class Installation:
    def __init__(self, environment):
        self.environment = environment

    def run(self, *arguments):
        """One of the project's programs, such as `manage.py migrate`; returns what it printed."""
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
        return done.stdout

    def manage(self, *arguments):
        return self.run("manage.py", *arguments)


@contextmanager
def installation(folder):
    """An empty one with its files in `folder`, and on PostgreSQL a database that goes afterwards."""
    names = ("DJANGO_", "DATABASE_", "SECRET_KEY")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(names)}
    environment |= {"VAR_DIR": str(folder)}
    if connection.vendor != "postgresql":
        yield Installation(environment)
        return
    name = f"kb_scratch_{secrets.token_hex(6)}"
    _ask_server(f"CREATE DATABASE {name}")
    try:
        address = f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{name}"
        yield Installation(environment | {"DATABASE_URL": address})
    finally:
        _ask_server(f"DROP DATABASE {name} WITH (FORCE)")


def _ask_server(statement):
    import psycopg

    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(statement)
