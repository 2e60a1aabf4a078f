"""The project itself: its migrations, its lock, and what its README says."""

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
]


def test_no_migration_is_missing(db):
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.pure
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-server.txt", "requirements-dev.txt"])
def test_the_lock_pins_and_hashes_everything_and_names_no_registry(name):
    text = (ROOT / name).read_text()
    hashes = r"((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)"
    pins = re.findall(r"^([a-z0-9._-]+)(?:\[[a-z]+\])?==(\S+)(?: ; [^\\\n]+)? \\\n" + hashes, text, re.M)
    assert len(pins) == len(re.findall(r"^[^\s#]", text, re.M))
    assert "://" not in text and "index" not in text.lower() and "find-links" not in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["postgres"], *extras["redis"]]
    if name != "requirements.txt":
        wanted += extras["sentry"]
    if name == "requirements-dev.txt":
        wanted += extras["dev"]
    names = {re.match(r"[A-Za-z0-9._-]+", entry)[0].lower() for entry in wanted}
    assert names <= {pin[0] for pin in pins}


@pytest.mark.pure
def test_the_locks_agree():
    def pins(name):
        return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z]+\])?==(\S+)", (ROOT / name).read_text(), re.M))

    run, server, dev = map(pins, ("requirements.txt", "requirements-server.txt", "requirements-dev.txt"))
    assert run.items() <= server.items() <= dev.items()


@pytest.mark.pure
def test_the_make_targets_that_the_readme_names_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    assert {"run", "test", "help", "lint", "format", "lock"} <= named <= targets | {"and"}


@pytest.mark.pure
def test_the_files_that_the_readme_names_exist():
    for name in re.findall(r"\]\((docs/[^)]+)\)|`((?:faq|seeds|fixtures|static)/[\w./-]+)`", README):
        assert (ROOT / "".join(name)).exists(), name


@pytest.mark.commands
def test_the_readmes_commands_do_what_it_says(tmp_path):
    environment = {**os.environ, "VAR_DIR": str(tmp_path)}
    for name in ("DATABASE_URL", "DJANGO_SETTINGS_MODULE", "SECRET_KEY"):
        environment.pop(name, None)
    run = [command for command in COMMANDS if command.startswith(".venv/bin/python ")]
    assert len(run) == 13 and set(COMMANDS) - set(run) == {"make run", "make test"}
    migrate = ".venv/bin/python manage.py migrate -v0"
    for command in [migrate, *run]:
        if "loaddata" in command:  # fills an empty database
            environment["VAR_DIR"] = str(tmp_path / "empty")
            subprocess.run([sys.executable, *shlex.split(migrate)[1:]], cwd=ROOT, env=environment, check=True)
        arguments = [sys.executable, *shlex.split(command)[1:]]
        done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, (command, done.stderr.decode())
