"""A version is put into service, and taken back, as the guide says."""

import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from faq.tests.conftest import LIBRARY
from ops.servers import ROOT, environment
from ops.tests.deployed import DEPLOY, HOST, Front, Load, Node, needs, with_nginx

pytestmark = pytest.mark.commands

# Stands in for systemd: starts a node anew by the unit's command, with the code that is current.
SYSTEMCTL = """#!{python}
import json, os, signal, subprocess, sys, time
folder = {folder!r}
name = sys.argv[2].partition("@")[2]
assert sys.argv[1] == "restart"
path = os.path.join(folder, name + ".json")
with open(path) as file:
    node = json.load(file)
if node["pid"]:
    os.kill(node["pid"], signal.SIGTERM)
    while os.path.exists("/proc/%d/exe" % node["pid"]) and open("/proc/%d/stat" % node["pid"]).read().split()[2] != "Z":
        time.sleep(0.05)
if os.path.exists(node["socket"]):
    os.unlink(node["socket"])
with open(os.path.join(folder, name + ".log"), "a") as log:
    started = subprocess.Popen(node["command"], cwd=node["home"], env=node["environment"], stdout=log, stderr=log)
with open(path, "w") as file:
    json.dump(node | {{"pid": started.pid}}, file)
"""


class TestUpgrade:
    pytestmark = [*with_nginx, needs("git", "git"), needs("curl", "curl")]

    @pytest.fixture
    def server(self, tmp_path):
        """A machine as docs/operating.md sets it up, with a stand-in for systemd."""
        with tempfile.TemporaryDirectory(prefix="kb-", dir="/tmp") as name:
            folder = Path(name)
            server = Server(folder, tmp_path)
            try:
                yield server
            finally:
                server.stop()

    def test_a_version_is_put_into_service_and_taken_back_under_load(self, server):
        first, second = server.commit("1.0.0"), server.commit("2.0.0")
        server.upgrade(first)  # the first one: there is nothing to copy yet, and nothing runs
        server.front.start()
        assert server.versions() == ["1.0.0", "1.0.0"] and not (server.state / "backups").exists()
        (server.folder / "library.txt").write_text(LIBRARY)
        server.run("kb-site", "manage.py", "import_seed", str(server.folder / "library.txt"), "--publish")
        with Load(server) as load:
            said = server.upgrade(second)
        load.assert_nothing_lost()
        assert server.versions() == ["2.0.0", "2.0.0"] and len(list((server.state / "backups").iterdir())) == 1
        assert "node a runs" in said and "node b runs" in said
        server.upgrade(first)
        assert server.versions() == ["1.0.0", "1.0.0"]

    def test_a_version_that_cannot_migrate_changes_nothing(self, server):
        first = server.commit("1.0.0")
        server.upgrade(first)
        command = "from django.core.management.commands.migrate import Command as Real, CommandError\n"
        command += "class Command(Real):\n"
        command += "    def handle(self, *arguments, **options): raise CommandError('no migration today')\n"
        broken = server.commit("2.0.0", {"faq/management/commands/migrate.py": command})
        refused = server.run("kb-site-upgrade", broken, code=1)
        assert "could not be migrated. Nodes were not touched" in refused, refused[-900:]
        assert (server.home / "current").readlink().name == first[:12] and server.versions() == ["1.0.0", "1.0.0"]


class Server:
    """`home` is as /opt/kb-site, `state` as /var/lib/kb-site; nodes and nginx as in the other tests."""

    def __init__(self, folder, tmp_path):
        self.folder, self.home, self.state = folder, tmp_path / "opt", tmp_path / "state"
        self.state.mkdir()
        (self.home / "releases").mkdir(parents=True)
        git = ["git", "-c", "safe.directory=*"]
        subprocess.run([*git, "clone", "-q", ROOT, self.home / "source"], check=True, capture_output=True)
        programs = folder / "bin"
        programs.mkdir()
        for name in ("kb-site", "kb-site-upgrade"):
            shutil.copy(DEPLOY / name, programs)
        # An environment takes a minute to install; the packages are those of these tests.
        python = f'#!/bin/sh\n[ "$2" = venv ] || exit 1\nln -s {Path(sys.executable).parents[1]} "$3"\n'
        self._program("python-for-venv", python)
        self._program("systemctl", SYSTEMCTL.format(python=sys.executable, folder=str(folder)))
        (folder / "environment").write_text(f"ALLOWED_HOSTS={HOST}\nPROXY=on\nVAR_DIR={self.state}\n")
        self.environment = environment() | {
            "PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": str(programs / "python-for-venv"),
            "KB_SITE_HOME": str(self.home), "KB_SITE_SOCKETS": str(folder), "KB_SITE_USER": "root",
            "KB_SITE_ENVIRONMENT": str(folder / "environment"), "PIP_NO_INDEX": "1",
        }  # fmt: skip
        settings = environment() | {"ALLOWED_HOSTS": HOST, "PROXY": "on", "VAR_DIR": str(self.state)}
        for name in "ab":
            node = Node(name, folder, settings)
            command = [word.replace(str(ROOT), str(self.home / "current")) for word in node.command]
            variables = node.environment | {"PYTHONPATH": str(self.home / "current")}
            facts = {"pid": 0, "socket": str(node.socket), "home": str(self.home / "current"), "command": command}
            (folder / f"{name}.json").write_text(json.dumps(facts | {"environment": variables}))
        self.front = Front(folder)
        self.site = self

    def _program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def sql(self, statement):
        with contextlib.closing(sqlite3.connect(self.state / "kb.sqlite3")) as connection:
            return connection.execute(statement).fetchall()

    def commit(self, version, files=()):
        """A version of the code, by its commit."""
        source = self.home / "source"
        project = source / "pyproject.toml"
        project.write_text(re.sub(r'^version = ".*"', f'version = "{version}"', project.read_text(), flags=re.M))
        for path, text in dict(files).items():
            (source / path).write_text(text)
        who = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
        for act in (["add", "-A"], [*who, "commit", "-q", "-m", version], ["rev-parse", "HEAD"]):
            done = subprocess.run(["git", *act], cwd=source, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def run(self, *command, code=0):
        done = subprocess.run(command, env=self.environment, cwd="/", capture_output=True, text=True, timeout=400)
        assert done.returncode == code, done.stdout + done.stderr[-2000:]
        return done.stdout + done.stderr

    def upgrade(self, version):
        return self.run("kb-site-upgrade", version)

    def versions(self):
        """What each node said that it is, when it was started last."""
        logs = [(self.folder / f"{name}.log").read_text().splitlines() for name in "ab"]
        return [[line["version"] for line in map(json.loads, log) if line["message"] == "started"][-1] for log in logs]

    def stop(self):
        self.front.stop()
        for name in "ab":
            pid = json.loads((self.folder / f"{name}.json").read_text())["pid"]
            with contextlib.suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGTERM)
