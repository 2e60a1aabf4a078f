"""What it takes to publish one answer, over a plain save() of one question, in a small set and in a large one."""

from statistics import median

from ops.bench import sets
from ops.bench.context import SQLITE
from ops.bench.places import SLUG
from ops.bench.sets import say

from . import Result

TIMES = 40


def run(bench):
    result = Result()
    sizes = min(bench.sizes), max(bench.sizes)
    for engine in bench.engines:
        took = {size: [] for size in sizes}
        settings = {}
        for size in sizes:
            settings[size] = bench.settings(engine, size)
            if engine == SQLITE:
                settings[size] = {"VAR_DIR": sets.copy(size, bench.scratch(f"publishing-{size}"))}
        for number in range(bench.rounds):
            for size in sizes if number % 2 else reversed(sizes):
                some = bench.inside("publishing", settings[size], SLUG, 1 + number % 3 * 5, TIMES)
                took[size].append({name: median(values) for name, values in some.items()})
            say(f"  publish, {engine}: round {number + 1} of {bench.rounds}")
        for size in sizes:
            result.add("publish.save", [one["publish"] / one["save"] for one in took[size]], engine, size)
            result.add("publish.edit", [one["publish"] / one["edit"] for one in took[size]], engine, size)
            for name in ("publish", "save", "edit"):
                result.figures[f"{name} ms {engine} {size}"] = median(one[name] for one in took[size])
        if engine == SQLITE:
            result.add("publish.default", _over_default(bench, took[sizes[0]]), engine, sizes[0])
        small, large = (took[size] for size in sizes)
        result.add("publish.flat", [b["publish"] / a["publish"] for a, b in zip(small, large, strict=True)], engine)
    return result


def _over_default(bench, took):
    """Publishing over a save() with SQLite as Django sets it up by default, which waits for the disk at each commit."""
    settings = {"VAR_DIR": sets.copy(min(bench.sizes), bench.scratch("publishing-default"))}
    sets.undo_wal(settings["VAR_DIR"])
    module = "ops.bench.peers.default_sqlite"
    saves = [median(bench.inside("publishing", settings, SLUG, 1, TIMES, module=module)["save"]) for _ in took]
    return [one["publish"] / save for one, save in zip(took, saves, strict=True)]
