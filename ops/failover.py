"""Kill a PostgreSQL primary under load, promote its standby, and print what was lost.

    python -m ops.failover [SECONDS]

It starts a primary, a synchronous standby and the site on 127.0.0.1, in temporary folders; readers and editors use the
site over HTTP. It removes everything at the end, after SECONDS (80) at the latest. Exit status 1 if a publication that
an editor saw confirmed is missing, if a reader got an error other than a 503 page, or if reads or writes did not come
back.
"""

import contextlib
import http.client
import http.cookiejar
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from urllib.parse import urlencode

import lxml.html
import psycopg

from ops.with_postgres import Failed, Server, find_programs, free_port

ROOT = Path(__file__).resolve().parents[1]
DELAY = 3  # seconds from the end of the primary until an operator promotes the standby
PASSWORD = secrets.token_urlsafe()
SETUP = f"""
from django.contrib.auth.models import User
from django.core.management import call_command
from faq.models import Question
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
call_command("import_seed", "SEED", publish=True, verbosity=0)
for row in Question.objects.order_by("number"):
    User.objects.create_superuser(f"editor{{row.number}}", password="{PASSWORD}")
    print("question", row.pk, row.get_absolute_url())
"""
NOTES = """
from django.core.management import call_command
from faq.models import Edition
call_command("verify_log")
for note in Edition.objects.values_list("change_note", flat=True):
    print("note", note)
"""


class Loop(threading.Thread):
    """A person who uses the site again and again. `seen` gets a tuple (time, result) for each attempt."""

    def __init__(self, base, stop):
        super().__init__(daemon=True)
        self.base, self.stop, self.seen = base, stop, []
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))

    def run(self):
        while not self.stop.is_set():
            try:
                result = self.act()
            except urllib.error.HTTPError as error:
                result = f"{error.code}" + (" page" if b"<h1" in error.read() else "")
            except (OSError, http.client.HTTPException) as error:
                result = type(error).__name__
            self.seen.append((time.monotonic(), result))
            time.sleep(self.pause)

    def open(self, path, form=None):
        with self.opener.open(self.base + path, urlencode(form).encode() if form else None, timeout=20) as response:
            return response.read().decode()


class Reader(Loop):
    pause = 0.05

    def act(self):
        page = random.choice(self.pages)
        kept = random.random() < 0.5
        self.open(page if kept else f"{page}?new={random.random()}")  # no process has kept this one
        return "kept" if kept else "made"


class Editor(Loop):
    pause = 0.2
    logged_in, count = False, 0

    def act(self):
        if not self.logged_in:
            self.send("/admin/login/?next=/admin/", username=self.name, password=PASSWORD)
            self.logged_in = True
        self.count += 1
        page, note = f"/admin/faq/question/{self.pk}/", f"{self.name} {self.count}"
        self.send(f"{page}change/", **{"points-0-text": f"Version {self.count}.", "_continue": "1"})
        text = self.send(f"{page}publish/", note=note, override="Alone today.")
        return f"published {note}" if "is public now." in text else "not confirmed"

    def send(self, path, **values):
        """Load a page, fill in its form and send it; returns the page that follows."""
        forms = [form for form in lxml.html.fromstring(self.open(path)).forms if form.method == "POST"]
        return self.open(path, dict(max((form.form_values() for form in forms), key=len)) | values)


def manage(environ, *arguments):
    command = [sys.executable, "manage.py", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"manage.py {arguments[0]} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()


def configure(server, text):
    with (server.data / "postgresql.auto.conf").open("a") as file:
        file.write(text)
    if server.process:
        server.process.send_signal(signal.SIGHUP)


def start_standby(standby, primary, port):
    """Start `standby` as a copy of `primary`, in which each commit waits until it has applied it. Returns its port."""
    (primary.data / "pg_hba.conf").write_text("host all,replication all 127.0.0.1/32 trust\n")
    configure(primary, "synchronous_commit = remote_apply\n")
    time.sleep(0.5)  # until it has read both files
    source = f"host=127.0.0.1 port={port} user=kb"
    options = ["--checkpoint=fast", "--no-sync", "--write-recovery-conf", f"--pgdata={standby.data}"]
    standby._run("pg_basebackup", "--dbname", source, *options)
    standby_port = free_port()
    configure(standby, f"port = {standby_port}\n")
    if not standby._up():
        raise Failed(f"The standby did not start:\n{standby.last_words()}")
    configure(primary, "synchronous_standby_names = '*'\n")
    with psycopg.connect(f"{source} dbname=kb", autocommit=True) as connection:
        while connection.execute("SELECT sync_state FROM pg_stat_replication").fetchall() != [("sync",)]:
            time.sleep(0.1)
    return standby_port


def kill(server):
    """End the server and its processes at once, as when the power fails."""
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
    for pid in [server.process.pid, *map(int, listed.stdout.split())]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()


def start_site(environ, port, stack):
    options = "--interface wsgi --workers 2 --blocking-threads 1 --no-ws --workers-kill-timeout 5 --log-level error"
    command = [Path(sys.executable).with_name("granian"), *options.split(), "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
    site = subprocess.Popen([*command, "kb_site.wsgi:application"], cwd=ROOT, env=environ, **quiet)
    stack.callback(site.wait)
    stack.callback(os.killpg, site.pid, signal.SIGKILL)
    while True:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/").close()
        time.sleep(0.2)


def drill(programs, stack):
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kb-failover-")))
    primary = Server(programs)
    stack.callback(primary.remove)
    port = primary.start()
    standby = Server(programs)
    stack.callback(standby.remove)
    standby_port = start_standby(standby, primary, port)
    servers = f"127.0.0.1:{port},127.0.0.1:{standby_port}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PG"))} | {
        "DATABASE_URL": f"postgres://kb@{servers}/kb?target_session_attrs=read-write",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "VAR_DIR": str(folder),
    }
    seed = folder / "lanes.txt"
    seed.write_text("".join(f"{n}. How wide is bicycle lane {n}?\nVersion 0.\nAs wide as a cart.\n" for n in (1, 2)))
    lines = manage(environ, "shell", "-v0", "-c", SETUP.replace("SEED", str(seed)))
    questions = [line.split()[1:] for line in lines if line.startswith("question ")]
    site_port, stop = free_port(), threading.Event()
    start_site(environ, site_port, stack)
    stack.callback(stop.set)
    base = f"http://127.0.0.1:{site_port}"
    readers, editors = [Reader(base, stop) for _ in range(4)], [Editor(base, stop) for _ in questions]
    for reader in readers:
        reader.pages = ["/", "/questions/", *(address for _, address in questions)]
    for number, (editor, (pk, _)) in enumerate(zip(editors, questions, strict=True), start=1):
        editor.name, editor.pk = f"editor{number}", pk
    for person in (*readers, *editors):
        person.start()
    wait_for_publications(editors, 0)
    kill(primary)
    killed = time.monotonic()
    time.sleep(DELAY)
    promoted = time.monotonic()
    standby._run("pg_ctl", "promote", "-D", standby.data)
    wait_for_publications(editors, promoted)
    stop.set()
    for person in (*readers, *editors):
        person.join(20)
    lines = manage(environ, "shell", "-v0", "-c", NOTES)
    print(*(line for line in lines if not line.startswith("note ")), sep="\n")
    notes = {line.removeprefix("note ") for line in lines}
    return report(readers, editors, killed, promoted, notes)


def wait_for_publications(editors, after):
    """Wait until five publications were confirmed."""
    while sum(at > after and "published" in result for one in editors for at, result in one.seen) < 5:
        time.sleep(0.1)


def first(people, after, *results):
    """The earliest time later than `after` at which one of these results was seen, or None."""
    times = [at for one in people for at, result in one.seen if at > after and result.startswith(results)]
    return min(times, default=None)


def report(readers, editors, killed, promoted, notes):
    """Print what was seen; returns whether nothing was lost."""
    for name, people in (("readers", readers), ("editors", editors)):
        for phase, begin, end in (("before", 0, killed), ("after the primary's end", killed, float("inf"))):
            counts = Counter(r.partition(" editor")[0] for one in people for at, r in one.seen if begin < at <= end)
            print(f"{name}, {phase}: " + ", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    confirmed = {
        result.removeprefix("published ") for one in editors for _, result in one.seen if "published" in result
    }
    missing = confirmed - notes
    made, written = first(readers, promoted, "made"), first(editors, promoted, "published")
    print(f"The primary was killed; its standby was promoted {promoted - killed:.1f} s later.")
    for what, at in (("Pages were made", made), ("Publications were confirmed", written)):
        print(f"{what} again {at - killed:.1f} s after the end of the primary." if at else f"{what} never again.")
    print(f"Confirmed publications: {len(confirmed)}, of which are missing: {len(missing)}.")
    errors = {r for one in readers for _, r in one.seen} - {"kept", "made", "503 page"}
    return not missing and not errors and bool(made and written)


def main(arguments):
    if not (programs := find_programs()):
        print("There is no PostgreSQL server on this machine: initdb and postgres were not found.", file=sys.stderr)
        return 1

    seconds = int(arguments[0]) if arguments else 80

    def end(number, _frame):
        raise Failed(f"Ended by {signal.Signals(number).name} (it may take {seconds} seconds).")

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.alarm(seconds)
    try:
        with contextlib.ExitStack() as stack:
            return 0 if drill(programs, stack) else 1
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
