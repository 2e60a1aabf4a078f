"""Starts what writes to a site's data in processes of their own, which can be killed."""

import json
import subprocess
import sys

from .site import ROOT


class Failed(Exception):
    """An act that nobody killed did not do its work."""


class Actor:
    """Starts acts in processes of their own (see `acts`)."""

    def __init__(self, site):
        self.steps, self.seen, self.log, scratch = (
            site.folder.with_name(f"{site.folder.name}-{name}") for name in ("steps", "seen", "acts.log", "tmp")
        )
        scratch.mkdir(exist_ok=True)
        site.environment["TMPDIR"] = str(scratch)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops.faults.acts"],
                cwd=ROOT, env=site.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def start(self, act, **arguments):
        self.steps.write_text("")
        self.process.stdin.write(json.dumps({"act": act, "steps": str(self.steps), **arguments}) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def end(self):
        """Wait for the end of what was started. Returns its status and the lines of its steps."""
        status = int(self.process.stdout.readline())
        return status, [line for line in self.steps.read_text().split("\n") if line]

    def run(self, act, **arguments):
        self.start(act, **arguments)
        status, lines = self.end()
        if status:
            raise Failed(f"{act} failed:\n{self.log.read_text()[-3000:]}")
        return lines

    def look(self, act="look"):
        self.run(act, file=str(self.seen))
        return json.loads(self.seen.read_text())

    def ask(self, code):
        """What some Python prints that runs on the site's models."""
        self.run("ask", code=code, file=str(self.seen))
        return self.seen.read_text().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(10)
