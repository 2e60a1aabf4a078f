"""Measures the site beside what it is compared with: `make bench`, or `make bench-quick` for the core in two minutes.

    BENCH=kept,lists make bench     only these parts; the others keep the results that they had
    BENCH_ROUNDS=9                  more rounds than usual
    BENCH_PORT=18500                the first of a hundred ports that servers may take
    BENCH_SIZES=20,10000            other sizes, to try something out; these results go into `var/bench` alone
    BENCH_ENGINES=SQLite            without PostgreSQL; these, too
    BENCH_DATA=keep                 keep the data sets, although the code that makes them has changed

Results go into `docs/bench.json`, part by part, so that a run which was stopped can go on: name the parts that are
missing.
"""

import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
import traceback
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

from . import charts, postgres, report, scaling, wagtail
from .context import POSTGRES, SQLITE, Bench
from .places import RESULT, ROOT, SIZES, VAR
from .sets import Failed, say

PARTS = ("kept", "fresh", "lists", "searching", "importing", "publishing", "together", "weight", "slopes")
QUICK = ("kept", "lists", "weight")


def main():
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__)
        return
    quick = "--quick" in sys.argv
    chosen = os.environ.get("BENCH", "").replace(" ", "").split(",") if os.environ.get("BENCH") else []
    if unknown := set(chosen) - set(PARTS):
        sys.exit(f"BENCH names no part that there is: {', '.join(sorted(unknown))}. There are {', '.join(PARTS)}.")
    _refuse_what_lacks()
    for number in (signal.SIGTERM, signal.SIGHUP):  # stop in good order, with all that was started
        signal.signal(number, lambda number, frame: sys.exit(128 + number))
    engines = tuple(os.environ.get("BENCH_ENGINES", SQLITE if quick else f"{SQLITE},{POSTGRES}").split(","))
    if not postgres.available():
        engines = (SQLITE,)
        say("SKIPPED: everything on PostgreSQL. To measure it too, install its server: apt-get install postgresql")
    VAR.mkdir(parents=True, exist_ok=True)
    lock = (VAR / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("The benchmark is running already; two at once would measure each other.")
    sizes = tuple(map(int, os.environ.get("BENCH_SIZES", "20,10000" if quick else "20,10000,100000").split(",")))
    official = sizes == SIZES and not quick and "BENCH_ENGINES" not in os.environ
    path = RESULT if official else VAR / f"{'quick' if quick else 'trial'}.json"
    result = report.load(path)
    rounds = int(os.environ.get("BENCH_ROUNDS", 2 if quick else 5))
    failed = []
    with ExitStack() as stack:
        bench = Bench(
            stack,
            rounds=rounds,
            seconds=1,
            sizes=sizes,
            engines=engines,
            quick=quick,
        )
        for name in chosen or (QUICK if quick else PARTS):
            began = time.monotonic()
            say(f"{name} …")
            try:
                part = import_module(f"ops.bench.parts.{name}").run(bench)
            except Exception as error:  # the other parts are measured all the same
                failed.append(name)
                why = error if isinstance(error, Failed) else traceback.format_exc()
                say(f"  {name} could not be measured: {why}")
                continue
            took = round(time.monotonic() - began)
            result["machine"] = _machine()
            result["parts"][name] = {
                "rows": part.rows,
                "figures": part.figures,
                "seconds": took,
                "at": _now(),
                "commit": _commit(),
            }
            report.save(result, path)
            say(f"  {name}: {took} s")
    result = json.loads(json.dumps(result))  # as it will be read again, whose keys are all words
    if official:
        charts.draw(result, ROOT / "docs")
        scaling.write(result)
        RESULT.with_suffix(".md").write_text(report.paper(result))
    print()
    print(report.table(result))
    if failed:
        sys.exit(f"Not measured: {', '.join(failed)}. Once the reason is mended: BENCH={','.join(failed)} make bench")


def _refuse_what_lacks():
    missing = [name for name in ("wrk", "nginx") if not (shutil.which(name) or Path("/usr/sbin", name).exists())]
    if missing:
        sys.exit(f"This needs {' and '.join(missing)}: apt-get install wrk nginx-light")
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit("This reads processor time and memory from /proc, which only Linux has.")


def _now():
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M")


def _commit():
    """Of the code that was measured, with a plus where it was changed since."""
    done = subprocess.run(["git", "describe", "--always", "--dirty=+"], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip()


def _machine():
    """What the figures were taken on."""
    cores = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in cores if "model name" in line), "")
    import sqlite3

    import django
    import granian

    return {
        "cores": os.cpu_count(),
        "processor": model,
        "python": platform.python_version(),
        "django": django.get_version(),
        "granian": granian.__version__,
        "sqlite": sqlite3.sqlite_version,
        "postgresql": postgres.version() if postgres.available() else "",
        "wagtail": wagtail.version() if wagtail.PYTHON.exists() else "",
    }


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("Stopped. Results of the parts that had ended are kept.")
