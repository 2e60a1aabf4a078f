"""Four writers and eight readers on one SQLite file, with the product's settings and with Django's default ones."""

import json
import time
from statistics import quantiles

from ops.bench import sets
from ops.bench.places import SLUG
from ops.bench.sets import Failed, say

from . import Result

WRITERS, READERS = 4, 8
SECONDS = 20


def run(bench):
    result = Result()
    size = bench.sizes[1]
    seconds = 5 if bench.quick else SECONDS
    ours = _all(bench, size, "together-ours", "kb_site.settings", seconds)
    default = _all(bench, size, "together-default", "ops.bench.peers.default_sqlite", seconds)
    result.add("together.errors", ours["failed writes"] + ours["failed reads"])
    result.add("together.lost", ours["lost"])
    result.add("together.reads", ours["reads"] / (default["reads"] or 1))
    result.add("together.p99", ours["p99 ms"] / default["p99 ms"])
    tried = default["failed writes"] + default["writes"]
    result.add("together.default", 100 * default["failed writes"] / (tried or 1))
    result.figures = {"ours": ours, "default": default}
    return result


def _all(bench, size, name, module, seconds):
    say(f"  4 writers and 8 readers for {seconds} s, {module}")
    settings = {"VAR_DIR": sets.copy(size, bench.scratch(name))}
    if "default" in module:
        sets.undo_wal(settings["VAR_DIR"])
    bench.inside("people", settings, module=module)
    start = time.time() + 6
    roles = [("writer", 100 * place) for place in range(1, WRITERS + 1)] + [
        ("reader", 13 * n) for n in range(1, READERS + 1)
    ]
    running = [
        (role, bench.start_inside("together", settings, role, SLUG, number, start, seconds, module=module))
        for role, number in roles
    ]
    said = {"writer": [], "reader": []}
    for role, process in running:
        output, error = process.communicate(timeout=seconds + 120)
        if process.returncode:
            raise Failed(f"inside/together.py:\n{error[-2000:]}")
        said[role].append(json.loads(output))
    reads = [one for reader in said["reader"] for one in reader["took"]]
    return {
        "writes": sum(one["done"] for one in said["writer"]),
        "failed writes": sum(one["failed"] for one in said["writer"]),
        "lost": sum(one["lost"] for one in said["writer"]),
        "reads": sum(one["done"] for one in said["reader"]),
        "failed reads": sum(one["failed"] for one in said["reader"]),
        "p99 ms": round(quantiles(reads, n=100)[-1], 3),
        "why": next((one["why"] for some in said.values() for one in some if one["why"]), ""),
    }
