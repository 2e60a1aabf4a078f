"""Makes the data sets by the product's own import, once, and keeps them for the next run.

Each is a VAR_DIR of its own, `var/bench/sqlite-10000`, with the database, and `import.json`: how long the import took
and how much memory. Where the code that makes them has changed since, they are made anew, so that what is measured is
what is there. BENCH_DATA=keep keeps them all the same.
"""

import json
import os
import shutil
import sqlite3
import subprocess
import time
from contextlib import closing
from hashlib import sha256
from pathlib import Path

from . import generating
from .places import PYTHON, ROOT, VAR, environment

MAKERS = ("seedfile", "manifest", "content", "working_copy", "importing", "publishing", "log", "rows")


class Failed(Exception):
    """Something that is measured did not work, so there is nothing to measure."""


def say(text):
    print(text, flush=True)


def fingerprint():
    """What the data sets depend on: the script that makes up the `text`, and the import's `code`."""
    faq = ROOT / "faq"
    files = [faq / f"{name}.py" for name in MAKERS]
    files += [*faq.glob("models/*.py"), *faq.glob("search/*"), *faq.glob("migrations/*.py")]
    code = sha256()
    for file in sorted(file for file in files if file.is_file()):
        code.update(file.read_bytes())
    return {"text": sha256(Path(generating.__file__).read_bytes()).hexdigest(), "code": code.hexdigest()}


def manage(*arguments, **settings):
    """Run a command of the product's; raises `Failed` with what it printed."""
    command = [PYTHON, "manage.py", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=environment(**settings), capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def measured(command, **settings):
    """Run a command; returns its seconds, the seconds of processor time, and its peak memory in MB."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(**settings), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    error = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"{' '.join(map(str, command))}:\n{error.decode()[-2000:]}")
    return {
        "seconds": round(time.perf_counter() - began, 3),
        "cpu": round(used.ru_utime + used.ru_stime, 3),
        "peak_mb": round(used.ru_maxrss / 1024, 1),
    }


def text(size):
    """The folder with the text of a data set."""
    folder = VAR / "text" / str(size)
    stamp = folder / "stamp"
    current = fingerprint()["text"]
    if not stamp.exists() or stamp.read_text() != current:
        say(f"  writing the text of {size:,} questions")
        shutil.rmtree(folder, ignore_errors=True)
        generating.write(size, folder)
        stamp.write_text(current)
    return folder


def files(size):
    """The seed files of a data set."""
    return sorted(text(size).glob("*.txt"))


def words(size):
    """Words to search for by the share of the questions that have them, and `searches`, a list of others."""
    return json.loads((text(size) / "words.json").read_text())


def import_into(size, **settings):
    """Import a data set into an empty database, made ready before the clock starts; returns what it took."""
    manage("migrate", "-v0", **settings)
    return measured([PYTHON, "manage.py", "import_seed", *files(size), "--publish"], **settings)


def sqlite(size):
    """The VAR_DIR of a filled SQLite data set, made where it is missing or old."""
    folder = VAR / f"sqlite-{size}"
    note = folder / "import.json"
    if usable(note):
        manage("migrate", "-v0", VAR_DIR=folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"  importing {size:,} questions into SQLite (kept for the next run)")
        took = import_into(size, VAR_DIR=folder)
        note.write_text(json.dumps(took | {"fingerprint": fingerprint()}))
        say(f"    {took['seconds']:.1f} s, {took['peak_mb']:.0f} MB")
    if not (folder / "static" / "staticfiles.json").exists():
        manage("collectstatic", "--noinput", "-v0", VAR_DIR=folder)
    return folder


def usable(note):
    """Whether what was made is what would be made now. `note` is the file that says how it was made."""
    if not note.exists():
        return False
    then, now = json.loads(note.read_text())["fingerprint"], fingerprint()
    if os.environ.get("BENCH_DATA") == "keep":
        return then.get("text") == now["text"]
    return then == now


def copy(size, folder):
    """A copy of a SQLite data set to write into; returns its VAR_DIR."""
    source = sqlite(size)
    folder.mkdir(parents=True)
    for name in ("kb.sqlite3", "kb.sqlite3-wal", "secret_key"):
        if (source / name).exists():
            shutil.copy(source / name, folder / name)
    (folder / "static").symlink_to(source / "static")
    return folder


def undo_wal(folder):
    """Give a database the journal that Django's default settings leave it with: a file remembers that it was in WAL."""
    with closing(sqlite3.connect(folder / "kb.sqlite3")) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
