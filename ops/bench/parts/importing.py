"""The whole import beside `executemany` of the same rows: how fast, and how much memory.

Both are told by processor time, which other work on the machine moves less than the clock; and an import stands between
two runs of `executemany`, so that a machine that grows busy meanwhile slows both. The middle data set is imported anew
in each round, the largest one once. Its rows, and with them what `executemany` is given, are those that an import by
the same code left."""

import json
import subprocess
from itertools import pairwise

from ops.bench import postgres, sets
from ops.bench.context import POSTGRES, SQLITE
from ops.bench.places import PYTHON, ROOT, environment
from ops.bench.sets import say

from . import Result


def run(bench):
    result = Result()
    middle, largest = bench.sizes[1], max(bench.sizes)
    peaks = {}
    for size in sorted({middle, largest}):
        filled = sets.sqlite(size) / "kb.sqlite3"
        took, raw, points = [], [_raw(bench, filled, "all")], []
        for number in range(1, 1 + (min(bench.rounds, 3) if size == middle else 1)):
            took.append(sets.import_into(size, VAR_DIR=bench.scratch("importing")))
            raw.append(_raw(bench, filled, "all"))
            points.append(_raw(bench, filled, "points"))
            say(f"  import of {size:,}: round {number}")
        around = [(before + after) / 2 for before, after in pairwise(raw)]
        result.add("import.raw", _ratios(around, took), SQLITE, size)
        result.add("import.points", _ratios(points, took), SQLITE, size)
        peaks[size] = [one["peak_mb"] for one in took]
        result.add("import.peak", peaks[size], SQLITE, size)
        result.figures |= {f"{SQLITE} {size}": took, f"raw {size}": raw, f"raw points {size}": points}
    if largest != middle:
        result.add("import.flat", [peaks[largest][0] / one for one in peaks[middle]], SQLITE)
    if POSTGRES in bench.engines:
        bench.settings(POSTGRES, largest)  # fills what is missing
        for size in (middle, largest):
            result.figures[f"{POSTGRES} {size}"] = [json.loads(postgres.note(size).read_text())]
    return result


def _raw(bench, filled, what):
    """Seconds of processor time for the same rows by `executemany`."""
    folder = bench.scratch("raw")
    sets.manage("migrate", "-v0", VAR_DIR=folder)
    command = [PYTHON, "-m", "ops.bench.raw_import", filled, folder / "kb.sqlite3", what]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise sets.Failed(f"raw_import.py:\n{done.stderr[-2000:]}")
    return float(done.stdout)


def _ratios(raw, took):
    return [round(below / above["cpu"], 5) for below, above in zip(raw, took, strict=True)]
