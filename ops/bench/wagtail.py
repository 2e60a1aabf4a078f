"""The Wagtail peer: its own environment, made once from `requirements.txt` here, and its filled database."""

import json
import subprocess
import sys
import venv
from hashlib import sha256

from . import servers
from .places import HERE, VAR, environment
from .sets import Failed, say

HOME = VAR / "wagtail"
PYTHON = HOME / "venv" / "bin" / "python"
LOCK = HERE / "requirements.txt"


def prepare(answers):
    """Make what is missing. `answers` are what `inside/answers.py` prints."""
    stamp = HOME / "stamp"
    wanted = sha256(LOCK.read_bytes() + json.dumps(answers).encode() + str(HOME).encode()).hexdigest()
    for file in sorted((HERE / "peers" / "wagtail_site").rglob("*")):
        if file.suffix in (".py", ".html"):
            wanted = sha256(wanted.encode() + file.read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    say("  making the Wagtail peer (kept for the next run)")
    HOME.mkdir(parents=True, exist_ok=True)
    venv.create(HOME / "venv", with_pip=True, clear=True)
    _run(PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", LOCK)
    (HOME / "answers.json").write_text(json.dumps(answers))
    (HOME / "wagtail.sqlite3").unlink(missing_ok=True)
    _run(PYTHON, "-m", "wagtail_site.fill", HOME / "answers.json")
    stamp.write_text(wanted)


def _run(*command):
    done = subprocess.run(
        list(map(str, command)), cwd=HERE / "peers", env=environment(WAGTAIL_VAR=HOME), capture_output=True, text=True
    )
    if done.returncode:
        raise Failed(f"The Wagtail peer could not be made:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")


def server():
    return servers.granian(
        "Wagtail", "wagtail_site.wsgi:application", "/answers/1/", PYTHON, HERE / "peers", WAGTAIL_VAR=HOME
    )


def version():
    command = [
        PYTHON,
        "-c",
        "import wagtail, django; print('Wagtail', wagtail.__version__, 'on Django', django.__version__)",
    ]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or sys.version
