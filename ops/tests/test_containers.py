"""The image and the compose file, as far as they can be tested without an engine."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from kb_site import settings as settings_of_the_site
from ops.servers import ROOT, environment, free_port
from ops.tests.deployed import DEPLOY, patiently

pytestmark = pytest.mark.commands


@pytest.mark.pure
class TestContainers:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    dockerfile = (DEPLOY / "Dockerfile").read_text()

    def test_the_settings_know_every_variable(self):
        known = set(re.findall(r"^    ([A-Z_]+) ", settings_of_the_site.__doc__, re.M))
        known |= {f"{name}_FILE" for name in known}
        ours = [service for service in self.compose["services"].values() if service["image"] == "kb-site"]
        assert len(ours) == 4
        for service in ours:
            assert set(service["environment"]) <= known
        names = re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "environment").read_text(), re.M)
        names += re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "compose.env.example").read_text(), re.M)
        assert set(names) <= known and {"ALLOWED_HOSTS", "PROXY", "DATABASE_URL"} <= set(names)
        python = {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
        assert (
            set(re.findall(r"\b([A-Z_]+)=", re.findall(r"\nENV (PATH(?:.*\\\n)*.*)", self.dockerfile)[0]))
            <= known | python
        )

    def test_containers_run_without_root_and_with_a_read_only_root(self):
        for name, service in self.compose["services"].items():
            assert "no-new-privileges:true" in service["security_opt"], name
            if name != "postgres":
                assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert re.findall(r"^USER (.*)$", self.dockerfile, re.M) == ["10001:10001"]

    def test_only_nginx_can_be_reached_from_outside(self):
        assert [name for name, service in self.compose["services"].items() if "ports" in service] == ["nginx"]
        assert self.compose["networks"]["inside"]["internal"] is True
        for name in ("postgres", "cache", "prepare", "site-a", "site-b"):
            assert self.compose["services"][name]["networks"] == ["inside"]

    def test_mounted_and_copied_files_exist(self):
        mounted = [v.split(":")[0] for s in self.compose["services"].values() for v in s.get("volumes", [])]
        for path in [path for path in mounted if path.startswith("./")]:
            assert (DEPLOY / path).exists(), path
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", self.dockerfile, re.M):
            for path in line.split():
                assert (ROOT / path).exists(), path
                assert f"!{path}\n" in (DEPLOY / "Dockerfile.dockerignore").read_text(), path
        named = {volume for volume in mounted if re.fullmatch(r"[a-z]+", volume)}
        assert named == set(self.compose["volumes"])
        used = {secret for service in self.compose["services"].values() for secret in service.get("secrets", [])}
        assert used == set(self.compose["secrets"])


def test_the_steps_of_the_dockerfile_make_a_site_that_runs_with_a_read_only_root(tmp_path):
    """No engine is needed for it: the COPY and RUN lines are carried out by hand, and the command is started where only
    a scratch folder may be written. (The packages are those of these tests, whose lock holds the server's.)"""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    build, last = text.split("\nFROM ")[1:]
    root = tmp_path / "opt"
    root.mkdir()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split("*\n", 1)[1]
    assert "faq/tests" in ignored and "**/__pycache__" in ignored
    for line in re.findall(r"^COPY (?!--from)(.*)$", build, re.M):
        *sources, target = line.split()
        for source in sources:
            path, goal = ROOT / source, root / source if target == "./" else root / target
            if path.is_dir():
                shutil.copytree(path, goal, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "tests"))
            else:
                shutil.copy(path, goal)
    (root / ".venv").symlink_to(Path(sys.executable).parents[1])
    [collect] = [line for line in re.findall(r"^RUN (.*)$", build, re.M) if "collectstatic" in line]
    collect = collect.replace("/opt/kb-site", str(root)).replace("/tmp/build", str(tmp_path / "build"))
    collect = collect.replace(" .venv/lib", "")
    subprocess.run(["sh", "-ec", collect], cwd=root, env=environment(), check=True, capture_output=True)
    assert (root / "collected" / "staticfiles.json").exists()

    state = tmp_path / "state"
    state.mkdir()
    [variables] = re.findall(r"^ENV (PATH=.*)$", last, re.M)
    port = free_port()
    places = {"/opt/kb-site": str(root), "/var/lib/kb-site": str(state), "$PATH": os.environ["PATH"]}
    for place, instead in places.items():
        variables = variables.replace(place, instead)
    variables = environment() | dict(entry.split("=", 1) for entry in shlex.split(variables))
    variables |= {"ALLOWED_HOSTS": "example.org", "PROXY": "on", "PORT": str(port), "HOME": str(state)}
    command = json.loads(re.findall(r"^CMD (.*)$", last, re.M)[-1])
    command = [word.replace("0.0.0.0", "127.0.0.1").replace("8000", str(port)) for word in command]
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink() and ".venv" not in path.parts:
            path.chmod(0o555 if path.is_dir() else 0o444)
    # Root without its powers: the files say who may write, and nobody may. (Another user could not reach Python where
    # that lies in root's own folder.)
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    facts = {"cwd": root, "env": variables}
    for attempt in (root / "kb_site" / "new.py", root / "collected" / "new.css", root / "new"):
        assert subprocess.run([*bare, "touch", attempt], capture_output=True).returncode != 0
    migrate = [*bare, sys.executable, "manage.py", "migrate", "--no-input", "-v0"]
    subprocess.run(migrate, check=True, capture_output=True, timeout=120, **facts)
    check = [*bare, sys.executable, *json.loads(re.findall(r"CMD (\[\"python\".*?\])", last)[0])[1:]]
    assert subprocess.run(check, capture_output=True, timeout=30, **facts).returncode != 0  # not yet
    command[0] = str(Path(sys.executable).parent / command[0])
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    server = subprocess.Popen([*bare, *command], **out, **facts)
    try:
        patiently(lambda: subprocess.run(check, capture_output=True, timeout=30, **facts).returncode == 0)
    finally:
        server.terminate()
        written = server.communicate(timeout=60)[0]
    lines = [json.loads(line) for line in written.splitlines()]
    assert server.returncode == 0 and "started" in [line["message"] for line in lines], written
    assert {path.name for path in state.iterdir()} <= {"kb.sqlite3", "kb.sqlite3-wal", "kb.sqlite3-shm", "secret_key"}
