"""The whole import beside `executemany` of the same rows: how fast, and how much memory.

The middle data set is imported anew in each round. The largest one was imported when it was made, once; what that took
stands beside it."""

import json
import subprocess

from ops.bench import postgres, sets
from ops.bench.context import POSTGRES, SQLITE
from ops.bench.places import PYTHON, ROOT, environment
from ops.bench.sets import say

from . import Result


def run(bench):
    result = Result()
    middle, largest = bench.sizes[1], max(bench.sizes)
    filled = {size: sets.sqlite(size) / "kb.sqlite3" for size in {middle, largest}}
    took, raw, points = [], [], []
    for number in range(1, min(bench.rounds, 3) + 1):
        took.append(sets.import_into(middle, VAR_DIR=bench.scratch("importing")))
        raw.append(_raw(bench, filled[middle], "all"))
        points.append(_raw(bench, filled[middle], "points"))
        say(f"  import: round {number}")
    result.add("import.raw", _ratios(raw, took), SQLITE, middle)
    result.add("import.points", _ratios(points, took), SQLITE, middle)
    result.add("import.peak", [one["peak_mb"] for one in took], SQLITE, middle)
    result.figures = {f"{SQLITE} {middle}": took, f"raw {middle}": raw, f"raw points {middle}": points}
    if largest != middle:
        made = json.loads((sets.sqlite(largest) / "import.json").read_text())
        raw, points = (_raw_once(bench, filled[largest], what) for what in ("all", "points"))
        result.add("import.raw", _ratios([raw], [made]), SQLITE, largest)
        result.add("import.points", _ratios([points], [made]), SQLITE, largest)
        result.add("import.peak", made["peak_mb"], SQLITE, largest)
        result.add("import.flat", [made["peak_mb"] / one["peak_mb"] for one in took], SQLITE)
        result.figures |= {f"{SQLITE} {largest}": [made], f"raw {largest}": [raw], f"raw points {largest}": [points]}
    if POSTGRES in bench.engines:
        bench.settings(POSTGRES, largest)  # fills what is missing
        for size in (middle, largest):
            result.figures[f"{POSTGRES} {size}"] = [json.loads(postgres.note(size).read_text())]
    return result


def _raw(bench, filled, what):
    """Seconds for the same rows by `executemany`."""
    folder = bench.scratch("raw")
    sets.manage("migrate", "-v0", VAR_DIR=folder)
    command = [PYTHON, "-m", "ops.bench.raw_import", filled, folder / "kb.sqlite3", what]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise sets.Failed(f"raw_import.py:\n{done.stderr[-2000:]}")
    return float(done.stdout)


def _raw_once(bench, filled, what):
    """The same, taken once for each data set, as its import was."""
    note = filled.parent / f"raw-{what}.json"
    if not sets.usable(note):
        seconds = _raw(bench, filled, what)
        note.write_text(json.dumps({"seconds": seconds, "fingerprint": sets.fingerprint()}))
    return json.loads(note.read_text())["seconds"]


def _ratios(raw, took):
    return [round(below / above["seconds"], 5) for below, above in zip(raw, took, strict=True)]
