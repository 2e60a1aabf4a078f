"""How costs grow: with questions, with editions, with entries of the log, with readers. For `docs/scaling.md`."""

import time

from ops.bench import load, sets
from ops.bench.context import SQLITE
from ops.bench.places import PYTHON, SLUG
from ops.bench.sets import say

from . import Result

EDITIONS = (1, 10, 100)
CONNECTIONS = (1, 4, 16, 64, 256)


def run(bench):
    figures = {}
    largest = max(bench.sizes)
    for engine in bench.engines:
        figures[f"sizes {engine}"] = {size: bench.inside("sizes", bench.settings(engine, size)) for size in bench.sizes}
    say("  slopes: sizes")
    settings = {"VAR_DIR": sets.copy(min(bench.sizes), bench.scratch("editions"))}
    figures["editions"] = bench.inside("editions", settings, SLUG, 3, *EDITIONS)
    say("  slopes: editions")
    for name, command in (("verify_log", ["verify_log"]), ("backup", ["backup", bench.scratch("backup") / "one"])):
        figures[name] = {}
        for size in bench.sizes[1:]:
            folder = sets.copy(size, bench.scratch(f"slopes-{name}-{size}"))
            if name == "backup":
                command[1].parent.mkdir(parents=True, exist_ok=True)
            took = sets.measured([PYTHON, "manage.py", *command], VAR_DIR=folder)
            if name == "backup":
                took["bytes"] = sum(file.stat().st_size for file in command[1].parent.glob("one*"))
                for file in command[1].parent.glob("one*"):
                    file.unlink()
            figures[name][size] = took
    say("  slopes: log and backup")
    for keep in (True, False):
        server, paths = bench.site(SQLITE, largest, keep), bench.paths(SQLITE, largest)
        (load.warm_kept if keep else load.warm)(server, paths)
        found = figures["readers, kept" if keep else "readers, first view"] = {}
        for connections in CONNECTIONS[: len(CONNECTIONS) if keep else 4]:
            one = load.run(server, paths, 2, connections=connections)
            found[connections] = {"rate": one.rate, "p50 ms": one.p50_ms, "p99 ms": one.p99_ms}
            time.sleep(0.2)
    say("  slopes: readers")
    return Result(figures=figures)
