"""Kill a PostgreSQL primary under load, promote its standby, and print what was lost.

    python -m ops.failover [SECONDS]

The script starts a primary, a synchronous standby and the site on 127.0.0.1, in temporary folders. Readers and editors
use the site over HTTP. Everything is removed at the end, after SECONDS (80) at the latest. Exit status 1 if a confirmed
publication is missing, if a reader got an error other than a 503 page, or if reads or writes did not work again.
"""

import contextlib
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import psycopg

from ops.browser import Browser
from ops.servers import Failed, PostgreSQL, environment, find_programs, free_port, manage, serving, wait_for

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


class Person(threading.Thread):
    """Calls `act` again and again. `seen` gets a tuple (time, result) for each call."""

    def __init__(self, address, stop):
        super().__init__(daemon=True)
        self.browser, self.stop, self.seen = Browser(address), stop, []

    def run(self):
        while not self.stop.is_set():
            result = self.act()
            self.seen.append((time.monotonic(), result))
            time.sleep(self.pause)

    def get(self, path):
        return self.browser.get(path, timeout=20)


def failure(page):
    if page.status == 0:
        return page.text.partition(":")[0]
    return f"{page.status}{' page' if page.title else ''}"


class Reader(Person):
    pause = 0.05

    def act(self):
        path, kept = random.choice(self.pages), random.random() < 0.5
        page = self.get(path if kept else f"{path}?new={random.random()}")  # no worker has this page in memory
        return failure(page) if page.status != 200 else "kept" if kept else "made"


class Editor(Person):
    pause = 0.2
    logged_in, count = False, 0

    def act(self):
        if not self.logged_in:
            self.logged_in = "Log out" in self.browser.log_in(self.name, PASSWORD).text
        self.count += 1
        path, note = f"/admin/faq/question/{self.pk}/", f"{self.name} {self.count}"
        page = self.send(f"{path}change/", **{"points-0-text": f"Version {self.count}.", "_continue": "1"})
        if page.status == 200:
            page = self.send(f"{path}publish/", note=note, override="Alone today.")
        if "is public now." in page.text:
            return f"published {note}"
        return failure(page) if page.status != 200 else "not confirmed"

    def send(self, path, **values):
        return self.browser.send(path, self.get(path), **values)


def start_standby(standby, primary):
    """Start `standby` as a copy of `primary`, in which each commit waits until the standby has applied it."""
    primary.configure("synchronous_commit = remote_apply\n")
    source = f"host=127.0.0.1 port={primary.port} user=kb"
    options = ["--checkpoint=fast", "--no-sync", "--write-recovery-conf", f"--pgdata={standby.data}"]
    standby.run("pg_basebackup", "--dbname", source, *options)
    if not standby.up(free_port()):
        raise Failed(f"The standby did not start:\n{standby.last_lines()}")
    primary.configure("synchronous_standby_names = '*'\n")
    state = "SELECT sync_state FROM pg_stat_replication"
    with psycopg.connect(f"{source} dbname=kb", autocommit=True) as connection:
        wait_for(lambda: connection.execute(state).fetchall() == [("sync",)], "the standby is synchronous")


def drill(programs, stack):
    """Returns whether nothing was lost."""
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kb-failover-")))
    primary = stack.enter_context(PostgreSQL(programs))
    standby = PostgreSQL(programs)
    stack.callback(standby.remove)
    start_standby(standby, primary)
    servers = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    url = f"postgres://kb@{servers}/kb?target_session_attrs=read-write"
    env = environment(DATABASE_URL=url, SECRET_KEY=secrets.token_urlsafe(50), VAR_DIR=folder)
    seed = folder / "lanes.txt"
    seed.write_text("".join(f"{n}. How wide is bicycle lane {n}?\nVersion 0.\nAs wide as a cart.\n" for n in (1, 2)))
    lines = manage(env, "shell", "-v0", "-c", SETUP.replace("SEED", str(seed))).splitlines()
    questions = [line.split()[1:] for line in lines if line.startswith("question ")]
    site, stop = stack.enter_context(serving(env)), threading.Event()
    stack.callback(stop.set)
    readers = [Reader(site.address, stop) for _ in range(4)]
    editors = [Editor(site.address, stop) for _ in questions]
    for reader in readers:
        reader.pages = ["/", "/questions/", *(address for _, address in questions)]
    for number, (editor, (pk, _)) in enumerate(zip(editors, questions, strict=True), start=1):
        editor.name, editor.pk = f"editor{number}", pk
    for person in (*readers, *editors):
        person.start()
    wait_for_publications(editors, 0)
    primary.kill()
    killed = time.monotonic()
    time.sleep(DELAY)
    promoted = time.monotonic()
    standby.run("pg_ctl", "promote", "-D", standby.data)
    wait_for_publications(editors, promoted)
    stop.set()
    for person in (*readers, *editors):
        person.join(20)
    lines = manage(env, "shell", "-v0", "-c", NOTES).splitlines()
    print(*(line for line in lines if not line.startswith("note ")), sep="\n")
    return report(readers, editors, killed, promoted, {line.removeprefix("note ") for line in lines})


def wait_for_publications(editors, after):
    def count():
        return sum(at > after and "published" in result for editor in editors for at, result in editor.seen)

    wait_for(lambda: count() >= 5, "five publications are confirmed")


def report(readers, editors, killed, promoted, notes):
    """Print the results of all people; returns whether nothing was lost."""
    for name, people in (("readers", readers), ("editors", editors)):
        for phase, begin, end in (("before", 0, killed), ("after the primary's end", killed, float("inf"))):
            counts = Counter(r.partition(" editor")[0] for one in people for at, r in one.seen if begin < at <= end)
            print(f"{name}, {phase}: " + ", ".join(f"{count} {result}" for result, count in sorted(counts.items())))
    results = [result for editor in editors for _, result in editor.seen]
    confirmed = {result.removeprefix("published ") for result in results if result.startswith("published ")}
    missing = confirmed - notes
    print(f"The primary was killed; its standby was promoted {promoted - killed:.1f} s later.")
    works = True
    for what, people, result in (
        ("Pages were made", readers, "made"),
        ("Publications were confirmed", editors, "publ"),
    ):
        times = [at for one in people for at, seen in one.seen if at > promoted and seen.startswith(result)]
        again = f"again {min(times) - killed:.1f} s after the end of the primary" if times else "never again"
        print(f"{what} {again}.")
        works = works and bool(times)
    print(f"Confirmed publications: {len(confirmed)}, of which are missing: {len(missing)}.")
    errors = {result for reader in readers for _, result in reader.seen} - {"kept", "made", "503 page"}
    return works and not missing and not errors


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
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
