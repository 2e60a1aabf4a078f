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
        small, large = (took[size] for size in sizes)
        result.add("publish.flat", [b["publish"] / a["publish"] for a, b in zip(small, large, strict=True)], engine)
    return result
