"""Installations with files of their own, run as a user runs them: in processes, on a database of their own."""

import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url():
    """The DATABASE_URL of the tests' own database."""
    facts = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{facts['NAME']}"
    host = str(facts["HOST"]).replace("/", "%2F")  # a folder with a socket
    return f"postgres://{facts['USER']}:{facts['PASSWORD']}@{host}:{facts['PORT']}/{facts['NAME']}"


class Site:
    """An installation on SQLite with its files in `folder`/var. `settings` are environment variables."""

    def __init__(self, folder, **settings):
        self.folder, names = folder, ("DJANGO_", "DATABASE_", "SECRET_KEY")
        keep = {name: value for name, value in os.environ.items() if not name.startswith(names)}
        own = {"VAR_DIR": str(folder / "var"), "PYTHONWARNINGS": "error", "COLUMNS": "80"}
        self.environment = keep | own | {name: str(value) for name, value in settings.items()}

    def manage(self, *arguments, code=0):
        """Run manage.py; returns the completed process, with its output as bytes."""
        done = subprocess.run(
            [sys.executable, "manage.py", *map(str, arguments)],
            cwd=ROOT, env=self.environment, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout.decode() + done.stderr.decode()
        return done

    def start(self, *arguments, **options):
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
        )  # fmt: skip

    def sql(self, statement):
        with sqlite3.connect(self.folder / "var" / "kb.sqlite3") as file:
            return file.execute(statement).fetchall()


def migrated_site(migrated, folder, **settings):
    """A site with an empty database, copied from the one that the fixture `migrated` made."""
    shutil.copytree(migrated, folder / "var")
    return Site(folder, **settings)


class Installation:
    """An installation on a database of the kind that the tests run on."""

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
    """An empty installation with its files in `folder`; a database on PostgreSQL is dropped afterwards."""
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
