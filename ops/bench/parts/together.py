"""Four writers and eight readers on one SQLite file, set up as the product does and as Django does by default.

Both sides are offered the same: each writer edits and publishes a question four times in a second, and what is refused
is tried again, so that both have the same to write. What is compared is what locks cost.

- How long a read takes (p99), from when it was due: each reader asks 10 times in a second. That keeps two cores less
  than half busy, so that a read that is late waited for a lock and not for a processor.
- How many reads there are time for: the readers ask as fast as they can. There the processors are the limit on either
  side, and `together.bound` tells how many reads there would be without any writer, over those with Django's defaults:
  no setting could reach more. How far the defaults fall below it depends on the disk, since a writer keeps readers out
  for as long as its commit waits for the disk; `disk ms` tells how long that was."""

import json
import os
import time
from statistics import median, quantiles

from ops.bench import sets
from ops.bench.places import SLUG
from ops.bench.sets import Failed, say

from . import Result

WRITERS, READERS = 4, 8
SECONDS = 20
WRITES, READS = 4, 10
"""That are due in a second, of each writer and of each reader."""
SETTINGS = {"ours": "kb_site.settings", "default": "ops.bench.peers.default_sqlite"}


def run(bench):
    result = Result()
    size = bench.sizes[1]
    seconds = 5 if bench.quick else SECONDS
    offered = {name: _all(bench, size, name, seconds, WRITERS, READS) for name in SETTINGS}
    most = {name: _all(bench, size, name, seconds, WRITERS, 0) for name in reversed(SETTINGS)}
    alone = _all(bench, size, "ours", seconds, 0, 0)
    ours = offered["ours"], most["ours"]
    result.add("together.errors", sum(one["refused"] for one in ours))
    result.add("together.lost", sum(one["lost"] for one in ours))
    result.add("together.reads", most["ours"]["reads"] / (most["default"]["reads"] or 1))
    result.add("together.bound", alone["reads"] / (most["default"]["reads"] or 1))
    result.add("together.p99", offered["ours"]["p99 ms"] / offered["default"]["p99 ms"])
    tried = offered["default"]["refused"] + 2 * offered["default"]["writes"]  # a write is an edit and a publication
    result.add("together.default", 100 * offered["default"]["refused"] / (tried or 1))
    result.figures = {"offered": offered, "most": most, "without writers": alone}
    return result


def _all(bench, size, name, seconds, writers, reads):
    """What came of it with the settings of that name. `reads` are due in a second, 0 for as many as possible."""
    pace = f"{reads} reads a second each" if reads else "as many reads as possible"
    say(f"  {writers} writers and {READERS} readers for {seconds} s, {pace}, {SETTINGS[name]}")
    folder = bench.scratch(f"together-{name}")
    settings, module = {"VAR_DIR": sets.copy(size, folder)}, SETTINGS[name]
    if name == "default":
        sets.undo_wal(folder)
    bench.inside("people", settings, module=module)
    disk = _disk(folder)
    roles = [("writer", 100 * place, WRITES) for place in range(1, writers + 1)]
    roles += [("reader", 13 * place, reads) for place in range(1, READERS + 1)]
    running = [
        (role, bench.start_inside("together", settings, role, SLUG, number, seconds, rate, module=module))
        for role, number, rate in roles
    ]
    for _, process in running:
        process.stdout.readline()  # it is ready
    start = time.time() + 1
    for _, process in running:
        process.stdin.write(f"{start}\n")
        process.stdin.flush()
    said = {"writer": [], "reader": []}
    for role, process in running:
        output, error = process.communicate(timeout=seconds + 120)
        if process.returncode:
            raise Failed(f"inside/together.py:\n{error[-2000:]}")
        said[role].append(json.loads(output))
    everybody = said["writer"] + said["reader"]
    took = {role: [one for some in said[role] for one in some["took"]] for role in said}
    return {
        "writes": sum(one["done"] for one in said["writer"]),
        "undone": writers * seconds * WRITES - sum(one["done"] for one in said["writer"]),
        "lost": sum(one["lost"] for one in said["writer"]),
        "reads": sum(one["done"] for one in said["reader"]),
        "refused": sum(one["refused"] for one in everybody),
        "p50 ms": round(median(took["reader"]), 3),
        "p99 ms": round(quantiles(took["reader"], n=100)[-1], 3),
        "p99 of a write ms": round(quantiles(took["writer"], n=100)[-1], 3) if writers else None,
        "processor": round(sum(one["cpu"] for one in everybody) / seconds / os.cpu_count(), 2),
        "disk ms": disk,
        "why": next((one["why"] for one in everybody if one["why"]), ""),
    }


def _disk(folder):
    """Milliseconds until something written is on the disk, the median of some."""
    took = []
    with (folder / "disk").open("wb", buffering=0) as file:
        for _ in range(20):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append((time.perf_counter() - began) * 1000)
    return round(median(took), 3)
