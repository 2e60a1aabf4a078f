#!/usr/bin/env python3
"""Run a command beside a throwaway PostgreSQL server.

    python ops/with_postgres.py COMMAND [ARGUMENT ...]

The command finds the server's address in DATABASE_URL, and its exit status is passed on. Server and data are gone
afterwards. Without a command this only says which PostgreSQL it would use. Exit status 3 without a command, or before
the command has run: there is no PostgreSQL server on this machine.
"""

import contextlib
import locale
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

NO_POSTGRES = 3
# Debian and Ubuntu, Fedora and its kin, Homebrew on either kind of Mac, Postgres.app. Most keep them out of PATH.
USUAL_PLACES = (
    "usr/lib/postgresql/*/bin",
    "usr/pgsql-*/bin",
    "opt/homebrew/opt/postgresql*/bin",
    "usr/local/opt/postgresql*/bin",
    "home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "Applications/Postgres.app/Contents/Versions/*/bin",
)
CONFIGURATION = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''  # a socket's path may not be as long as that of a temporary folder
max_connections = 100
# Nothing here outlives the command, so nothing has to survive a crash.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


class Failed(Exception):
    """The server could not be made or started."""


def places() -> Iterator[Path]:
    if initdb := shutil.which("initdb"):
        yield Path(initdb).resolve().parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        asked = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        yield Path(asked.stdout.strip())
    for pattern in USUAL_PLACES:
        yield from sorted(Path("/").glob(pattern), key=numbers, reverse=True)  # newest first


def numbers(folder: Path) -> list[int]:
    """To sort by version: 9 comes before 15."""
    return [int(number) for number in re.findall(r"\d+", str(folder))]


def find_programs() -> Path | None:
    """The folder of PostgreSQL's server programs; a client alone does not have them."""
    for folder in places():
        if all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres")):
            return folder
    return None


def other_user() -> pwd.struct_passwd | None:
    """Whom the server runs as where that is somebody else: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Failed("PostgreSQL does not run as root, and there is no user “postgres” here that it could run as.")


def reachable_folder() -> str | None:
    """Where temporary folders go that another user can reach: root's own place for them may be closed to others."""
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        folder = Path(name).resolve()
        if folder.is_dir() and all(f.stat().st_mode & 0o001 for f in (folder, *folder.parents)):
            return str(folder)
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """A PostgreSQL server in a temporary folder, which is made `inside` another one or where such folders are."""

    def __init__(self, programs: Path, inside: Path | None = None):
        self.programs = programs
        self.process: subprocess.Popen | None = None
        user = other_user()
        self.folder = Path(
            tempfile.mkdtemp(prefix="kb-postgres-", dir=inside or (reachable_folder() if user else None))
        )
        self.data, self.log = self.folder / "data", self.folder / "log"
        # PG* variables of this shell speak of other servers.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        # In a session of its own, Ctrl-C does not reach the server while the command may still need it.
        self.how = {
            "cwd": self.folder,
            "env": environment | {"LC_ALL": self._locale()},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,
        }
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.how |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    @staticmethod
    def _locale() -> str:
        """C.UTF-8 knows which letters are one letter in two cases, C only for English. Not every system has it."""
        try:
            return locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        except locale.Error:
            return "C"

    def start(self) -> int:
        """Make and start it; returns its port."""
        options = ["--no-sync", "--username=kb", "--auth=trust", "--encoding=UTF8"]
        self._run("initdb", *options, f"--locale={self.how['env']['LC_ALL']}", "--pgdata", self.data)
        (self.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        # A server that is not up yet, and no client program, is enough to make a database.
        options = ["--single", "-c", "exit_on_error=on"]
        self._run("postgres", *options, "-D", self.data, "postgres", input="CREATE DATABASE kb\n")
        for _ in range(3):  # somebody else may take the port before the server does
            port = free_port()
            with (self.data / "postgresql.auto.conf").open("w") as file:
                file.write(CONFIGURATION.format(port=port))
            if self._up():
                return port
        raise Failed(f"PostgreSQL did not start:\n{self.last_words()}")

    def _run(self, program: str, *arguments: str | Path, input: str = "") -> None:
        done = subprocess.run([self.programs / program, *arguments], input=input, text=True, **self.how)
        if done.returncode:
            raise Failed(f"{program} failed:\n{done.stdout}")

    def _up(self) -> bool:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [self.programs / "postgres", "-D", self.data],
                **(self.how | {"stdin": subprocess.DEVNULL, "stdout": log}),
            )
        until = time.monotonic() + 60
        while self.process.poll() is None:
            # The server's own word, the same that pg_ctl waits for.
            with contextlib.suppress(OSError):
                if "ready" in (self.data / "postmaster.pid").read_text().split():
                    return True
            if time.monotonic() > until:
                raise Failed(f"PostgreSQL was not ready after a minute:\n{self.last_words()}")
            time.sleep(0.05)
        return False

    def last_words(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def remove(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # at once: there is nothing to save
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()  # its own processes notice that it is gone, and end
                self.process.wait()
        shutil.rmtree(self.folder)


def run(programs: Path, arguments: list[str]) -> int:
    command: subprocess.Popen | None = None
    asked_to_stop = 0

    def on_signal(number: int, _frame: object) -> None:
        nonlocal asked_to_stop
        if command is None:
            # Making the server takes a moment. A half-made one, stopped in the middle, would leave things behind.
            asked_to_stop = number
        elif number in (signal.SIGTERM, signal.SIGHUP):
            command.send_signal(number)
        # Ctrl-C and Ctrl-\ reach the command by themselves, and it says when it is done.

    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, on_signal)

    server = Server(programs)
    try:
        port = server.start()
        if asked_to_stop:
            return 128 + asked_to_stop
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        environment["DATABASE_URL"] = f"postgres://kb@127.0.0.1:{port}/kb"
        command = subprocess.Popen(arguments, env=environment)
        if asked_to_stop:  # between the last look and now
            command.send_signal(asked_to_stop)
        status = command.wait()
        if server.process.poll() is not None:
            print(f"PostgreSQL ended before the command did:\n{server.last_words()}", file=sys.stderr)
        return status if status >= 0 else 128 - status  # as shells do for a command that a signal ended
    finally:
        server.remove()


def main(arguments: list[str]) -> int:
    programs = find_programs()
    if programs is None:
        print("There is no PostgreSQL server on this machine: initdb and postgres were not found.", file=sys.stderr)
        return NO_POSTGRES
    if not arguments:
        version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        print(f"{version.stdout.strip()} in {programs}")
        return 0
    if not shutil.which(arguments[0]):
        print(f"There is no command “{arguments[0]}”.", file=sys.stderr)
        return 127
    try:
        return run(programs, arguments)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
