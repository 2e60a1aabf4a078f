#!/usr/bin/env python3
"""Run a command with a temporary PostgreSQL server.

    python ops/with_postgres.py COMMAND [ARGUMENT ...]

DATABASE_URL tells the command the server's address. The exit status is that of the command. The server and its data are
removed at the end. Without a command, this prints which PostgreSQL it would use. Exit status 3: this machine has no
PostgreSQL server.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ops.servers import Failed, PostgreSQL, find_programs

NO_POSTGRES = 3


def run(programs: Path, arguments: list[str]) -> int:
    command: subprocess.Popen | None = None
    received = 0

    def on_signal(number: int, _frame: object) -> None:
        nonlocal received
        if command is None:
            received = number  # a server that is stopped while it is made would leave files behind
        elif number in (signal.SIGTERM, signal.SIGHUP):
            command.send_signal(number)
        # The terminal sends Ctrl-C and Ctrl-\ to the command as well, so the command decides when to end.

    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as under nohup
            signal.signal(number, on_signal)

    with PostgreSQL(programs) as server:
        if received:
            return 128 + received
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        command = subprocess.Popen(arguments, env=environment | {"DATABASE_URL": server.url()})
        if received:  # between the check and the start
            command.send_signal(received)
        status = command.wait()
        if server.process.poll() is not None:
            print(f"PostgreSQL ended before the command:\n{server.last_lines()}", file=sys.stderr)
        return status if status >= 0 else 128 - status  # as shells do for a command that a signal ended


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
