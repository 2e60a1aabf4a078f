#!/usr/bin/env python3
"""A restore drill: how long it takes from a copy to a site that answers, and whether it does.

    make drill                     on this machine's site
    kb-site ops/drill.py           on a server (see docs/operating.md)

Copies the database while the site runs, proves the copy, puts it in place of an empty site in a scratch folder (on
PostgreSQL in a scratch database beside the real one), starts that on a free port of this machine, and reads from it.
The copy is kept, like any other; all else goes. Exit status 1 if a step fails.
"""

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kb_site.settings")
sys.path.insert(0, str(ROOT))

# What the scratch site does not share with the real one.
NOT_SHARED = (
    "ALLOWED_HOSTS", "TLS", "PROXY", "SECOND_FACTOR", "STATIC_ROOT", "CACHE_URL", "SENTRY_DSN", "DATABASE_URL_FILE",
    "SECRET_KEY", "SECRET_KEY_FILE",
)  # fmt: skip


class Failed(Exception):
    """What did not work, in words."""


class Drill:
    """The steps with the seconds that each took."""

    def __init__(self):
        self.start = time.monotonic()

    @contextlib.contextmanager
    def step(self, what):
        start, told = time.monotonic(), []
        yield told.append
        print(f"{time.monotonic() - start:8.1f} s  {what}{': ' if told else ''}{', '.join(told)}", flush=True)

    def seconds(self):
        return time.monotonic() - self.start


def manage(*arguments, environment=None):
    """Run one of the site's commands; returns what it printed."""
    command = [sys.executable, "manage.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"“manage.py {' '.join(command[2:])}” failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


@contextlib.contextmanager
def scratch_database():
    """The address of an empty database like the site's, or None where that is a file."""
    from django.db import connection
    from environ import FileAwareEnv

    if connection.vendor != "postgresql":
        yield None
        return
    name = f"kb_drill_{secrets.token_hex(6)}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield re.sub(r"/[^/?]*(?=\?|$)", f"/{name}", FileAwareEnv().str("DATABASE_URL"), count=1)
    finally:
        connection.close()
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fetch(address):
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        raise Failed(f"{address} answers {error.code}:\n{error.read().decode()[:500]}") from error


@contextlib.contextmanager
def serving(environment):
    """The scratch site on a free port; gives its address as soon as it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        Path(sys.executable).parent / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
        "--workers", "1", "--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "5", "--log-level", "warning",
        "kb_site.wsgi:application",
    ]  # fmt: skip
    server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        until = time.monotonic() + 60
        while True:
            try:
                fetch(f"{address}/readyz")
                break
            except OSError as error:
                if server.poll() is not None or time.monotonic() > until:
                    raise Failed(f"The restored site did not start: {error}") from error
                time.sleep(0.05)
        yield address
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def drill(folder):
    drill = Drill()
    with drill.step("a copy of everything, while the site runs") as tell:
        path = Path(manage("backup").partition(": ")[0])
        tell(f"{path}, {path.stat().st_size:,} bytes")
    with drill.step("restored into a scratch database and verified") as tell:
        tell(manage("verify_backup", path).partition("s: ")[2].rstrip("."))
    back = Drill()
    with scratch_database() as address:
        environment = {name: value for name, value in os.environ.items() if name not in NOT_SHARED}
        environment |= {"VAR_DIR": folder, "ALLOWED_HOSTS": "127.0.0.1", "LOG_FORMAT": "json"}
        environment.pop("DATABASE_URL", None)
        if address:
            environment["DATABASE_URL"] = address
        with drill.step("an empty site, and the copy in place of its database"):
            manage("migrate", "-v0", environment=environment)
            manage("restore_backup", path, "--yes", environment=environment)
        with drill.step("static files"):
            manage("collectstatic", "--no-input", "-v0", environment=environment)
        start = time.monotonic()
        with serving(environment) as site:
            print(f"{time.monotonic() - start:8.1f} s  started, until it says that it is ready", flush=True)
            with drill.step("read from it") as tell:
                links = re.findall(r'href="(/answers/[^"]+/\d+/[^"]*)"', fetch(f"{site}/"))
                for link in links[:3]:
                    fetch(site + link)
                fetch(f"{site}/admin/login/")
                tell(f"the home page, {len(links[:3])} answers, the log-in")
    print(f"{drill.seconds():8.1f} s  in all", flush=True)
    print(f"\nFrom this copy to a site that answers: {back.seconds():.0f} s. (The machine and the code were here.)")


def main():
    import django

    django.setup()
    try:
        with tempfile.TemporaryDirectory(prefix="kb-drill-") as folder:
            drill(folder)
    except (Failed, OSError) as error:
        sys.exit(f"The drill failed. {error}")


if __name__ == "__main__":
    main()
