"""The project itself: its migrations, its lock, and what its README says."""

import re
import shlex
import tomllib

import pytest
from django.core.management import call_command

from faq.tests.installations import ROOT, migrated_site

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


@pytest.mark.commands
def test_the_readmes_commands_succeed_as_they_are_typed(migrated, tmp_path):
    """Ten processes, so that this takes several seconds."""
    run = [command for command in COMMANDS if command.startswith(".venv/bin/python ")]
    assert len(run) >= 10 and set(COMMANDS) - set(run) == {"make run", "make test"}
    site = migrated_site(migrated, tmp_path)
    for command in run:
        if "loaddata" in command:  # fills an empty database
            site = migrated_site(migrated, tmp_path / "empty")
        process = site.start(*shlex.split(command)[1:])
        printed = process.communicate(timeout=60)[0].decode()
        assert process.returncode == 0, (command, printed)
