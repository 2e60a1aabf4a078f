"""Start the site's server and PostgreSQL on free ports of 127.0.0.1, and stop them. The other tools use this module."""

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
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Failed(Exception):
    """A command, a server or a request failed."""


def environment(**settings: object) -> dict[str, str]:
    """An environment with these settings of the site, and none from this shell."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR")
    own = {name: os.environ[name] for name in kept if name in os.environ}
    return own | {name: str(value) for name, value in settings.items()}


def run(*command: object, env: dict[str, str] | None = None, cwd: Path = ROOT, timeout: int = 600) -> str:
    """Run a command and return its output. Raises `Failed` with the output if its exit status is not 0."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)
    if done.returncode:
        raise Failed(f"“{' '.join(words)[:200]}” failed:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return done.stdout


def manage(env: dict[str, str] | None, *arguments: object) -> str:
    return run(sys.executable, "manage.py", *arguments, env=env)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(condition: Callable[[], object], what: str, seconds: float = 60, interval: float = 0.05) -> None:
    """Call `condition` until it is true; an `OSError` counts as false. Raises `Failed` after `seconds`."""
    until = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            if condition():
                return
        if time.monotonic() > until:
            raise Failed(f"Waited {seconds} seconds, but not: {what}.")
        time.sleep(interval)


@dataclass
class Site:
    """A running server. `address` has no slash at the end."""

    address: str
    process: subprocess.Popen


@contextlib.contextmanager
def serving(
    env: dict[str, str], application: str = "kb_site.wsgi:application", path: str = "/readyz", workers: int = 2,
    cwd: Path = ROOT, python: Path = Path(sys.executable), log: Path = Path(os.devnull),
) -> Iterator[Site]:  # fmt: skip
    """Run granian with the options of `make run`. Returns when the server answers 200 to `path`."""
    port = free_port()
    command = [
        python.parent / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers",
        str(workers), "--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "10", "--respawn-failed-workers",
        "--log-level", "warning", application,
    ]  # fmt: skip
    # Ctrl-C does not reach a session of its own, so only this script stops the server.
    with log.open("a") as out:
        process = subprocess.Popen(command, cwd=cwd, env=env, stdout=out, stderr=out, start_new_session=True)
    site = Site(f"http://127.0.0.1:{port}", process)

    def ready() -> bool:
        if process.poll() is not None:
            raise Failed(f"The server of {application} did not start. Its log is {log}.")
        with urllib.request.urlopen(site.address + path, timeout=60):
            return True

    try:
        wait_for(ready, f"the server of {application} answers")
        yield site
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


# PostgreSQL

# Debian and Ubuntu, Fedora, Homebrew on both kinds of Mac and on Linux, Postgres.app. Most are not in PATH.
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
unix_socket_directories = ''  # the path of a socket in a temporary folder can be too long
max_connections = 100
# The data is deleted at the end, so it need not survive a crash of the machine.
fsync = off
synchronous_commit = off
full_page_writes = off
"""


def find_programs() -> Path | None:
    """The folder with initdb and postgres, the newest version first. A client alone does not have them."""

    def version(folder: Path) -> list[int]:
        return [int(number) for number in re.findall(r"\d+", str(folder))]

    places = [Path(initdb).resolve().parent] if (initdb := shutil.which("initdb")) else []
    with contextlib.suppress(OSError, Failed):
        places.append(Path(run("pg_config", "--bindir").strip()))
    for pattern in USUAL_PLACES:
        places += sorted(Path("/").glob(pattern), key=version, reverse=True)
    return next(
        (place for place in places if all(os.access(place / name, os.X_OK) for name in ("initdb", "postgres"))), None
    )


def other_user() -> pwd.struct_passwd | None:
    """The user for PostgreSQL, which refuses to run as root; None if this is not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise Failed("PostgreSQL does not run as root, and this machine has no user “postgres”.")


def reachable_folder() -> str | None:
    """A folder for temporary files that other users can reach; the default one of root may be closed to them."""
    for name in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        folder = Path(name).resolve()
        if folder.is_dir() and all(f.stat().st_mode & 0o001 for f in (folder, *folder.parents)):
            return str(folder)
    return None


class PostgreSQL:
    """A PostgreSQL server in a temporary folder. As a context manager it starts, and is removed at the end."""

    def __init__(self, programs: Path):
        self.programs, self.port = programs, 0
        self.process: subprocess.Popen | None = None
        user = other_user()
        self.folder = Path(tempfile.mkdtemp(prefix="kb-postgres-", dir=reachable_folder() if user else None))
        self.data, self.log = self.folder / "data", self.folder / "log"
        try:  # C.UTF-8 knows upper and lower case of all letters, C only of English ones. Not every system has it.
            self.locale = locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
        except locale.Error:
            self.locale = "C"
        # PG* variables of this shell name other servers. Ctrl-C does not reach a session of its own, so the server
        # runs until the command has ended.
        self.options = {
            "cwd": self.folder,
            "env": {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"LC_ALL": self.locale},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "start_new_session": True,
        }
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.options |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def __enter__(self) -> "PostgreSQL":
        try:
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def url(self, database: str = "kb") -> str:
        return f"postgres://kb@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Make the data folder with an empty database `kb`, and start the server."""
        arguments = ["--no-sync", "--username=kb", "--auth=trust", "--encoding=UTF8", f"--locale={self.locale}"]
        self.run("initdb", *arguments, "--pgdata", self.data)
        (self.data / "pg_hba.conf").write_text("host all,replication all 127.0.0.1/32 trust\n")
        # Single-user mode needs no client program.
        self.run("postgres", "--single", "-c", "exit_on_error=on", "-D", self.data, "postgres",
                 input="CREATE DATABASE kb\n")  # fmt: skip
        self.configure(CONFIGURATION)
        for _ in range(3):  # another program can take the port first
            if self.up(free_port()):
                return
        raise Failed(f"PostgreSQL did not start:\n{self.last_lines()}")

    def configure(self, text: str) -> None:
        """Add settings, and reload them if the server runs."""
        with (self.data / "postgresql.auto.conf").open("a") as file:
            file.write(text)
        if self.process:
            self.process.send_signal(signal.SIGHUP)

    def run(self, program: str, *arguments: str | Path, input: str = "") -> None:
        done = subprocess.run([self.programs / program, *arguments], input=input, text=True, **self.options)
        if done.returncode:
            raise Failed(f"{program} failed:\n{done.stdout}")

    def up(self, port: int = 0) -> bool:
        """Start the server on `port`, or on the port that it had. Returns whether it is ready."""
        self.port = port or self.port
        command = [self.programs / "postgres", "-D", self.data, "-p", str(self.port)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, **(self.options | {"stdin": subprocess.DEVNULL, "stdout": log}))
        status = self.data / "postmaster.pid"
        wait_for(
            lambda: self.process.poll() is not None or "ready" in status.read_text().split(), "PostgreSQL is ready"
        )
        return self.process.poll() is None

    def kill(self) -> None:
        """End the server and its processes at once, as if the power fails."""
        listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        for pid in [self.process.pid, *map(int, listed.stdout.split())]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def remove(self) -> None:
        """Stop the server, and delete its folder."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)  # no checkpoint: the data is deleted
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.kill()
        shutil.rmtree(self.folder)
