"""Loads servers with `wrk` and compares them in shuffled rounds.

The machine is never quite still. So each figure is a ratio of two that were taken within one round, in an order that
changes from round to round; what is told is the median of the rounds, and how far they lie apart.
"""

import json
import random
import subprocess
import time
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

from .places import HERE, VAR
from .servers import WORKERS
from .sets import Failed, say

CONNECTIONS = 16
SLOW = 0.3
"""Seconds of one response."""
WARM_UPS = 30
MEASURES = 3


@dataclass
class Run:
    """One load: requests in a second, milliseconds of processor time per request (of the server, and of a database
    behind it), bytes per response, and how long the middle and the slowest hundredth waited, in milliseconds."""

    rate: float
    cpu_ms: float
    other_cpu_ms: float
    bytes: float
    p50_ms: float
    p99_ms: float


def run(server, paths, seconds, **how):
    """Ask `server` for `paths` in turn, again and again; returns a `Run`.

    `connections` at once, `encoding` accepted, and with `etags` (by path) as one who has the pages already. What goes
    wrong once may be the machine's fault, and is tried again for longer; what goes wrong twice raises `Failed`."""
    try:
        return _run(server, paths, seconds, **how)
    except Failed as failure:
        say(f"  once more: {failure}")
        return _run(server, paths, 5 * seconds, **how)


def _run(server, paths, seconds, connections=CONNECTIONS, encoding="br", etags=None):
    file = VAR / "paths.txt"
    file.write_text("".join(f"{path}\t{(etags or {}).get(path, '')}\n" for path in paths))
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", HERE / "paths.lua",
               f"http://127.0.0.1:{server.port}", "--", file, encoding]  # fmt: skip
    before, others = server.cpu(), server.cpu_of_others()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    used, used_by_others = server.cpu() - before, server.cpu_of_others() - others
    try:
        said = json.loads(done.stdout.rpartition("RESULT ")[2])
    except ValueError:
        raise Failed(f"wrk against {server.name} said:\n{done.stdout}{done.stderr}") from None
    if said["errors"] or not said["requests"]:
        raise Failed(f"{server.name}: {said['errors']} of {said['requests']} requests for {paths[0]} … went wrong.")
    count = said["requests"]
    return Run(
        rate=round(count / said["seconds"], 1),
        cpu_ms=round(used * 1000 / count, 5),
        other_cpu_ms=round(used_by_others * 1000 / count, 5),
        bytes=round(said["bytes"] / count),
        p50_ms=said["p50_ms"],
        p99_ms=said["p99_ms"],
    )


def warm(server, paths):
    """Let every worker have seen every page: ask until it gets no faster. Raises `Failed` where a page fails."""
    for path in paths[:3]:
        status = server.get(path, Accept_Encoding="br", Host="127.0.0.1")[0]
        if status != 200:
            raise Failed(f"{server.name} answers {status} to {path}.")
    if _seconds(server, paths[0]) > SLOW:
        return
    before = 0.0
    for _ in range(3):
        rate = run(server, paths, 1).rate
        if rate < 1.2 * before:
            return
        before = rate


def warm_kept(server, paths):
    """The same for a server that keeps pages: until each worker has been asked for each page, and again, since a page
    that is asked for a second time is compressed better. How fast it is then tells whether all of them are kept."""
    for path in paths:
        for _ in range(2):
            server.get(path, Accept_Encoding="br", Host="127.0.0.1")
    alone, before = 1 / _seconds(server, paths[0]), 0.0
    for _ in range(WARM_UPS):
        rate = run(server, paths, 1).rate
        if before > alone and rate < 1.2 * before and rate > len(paths) * WORKERS * 4:
            return
        before = rate


def case(server, paths, seconds):
    """A function that takes one `Run`. Where one response takes long, requests come one after the other: `wrk` would
    count none in its time, and leave the server with what it does not wait for."""
    if min(_seconds(server, paths[0]) for _ in range(2)) < SLOW:
        return partial(run, server, paths, seconds)
    return partial(_one_by_one, server, paths[:2])


def _one_by_one(server, paths):
    before, others, began = server.cpu(), server.cpu_of_others(), time.perf_counter()
    took, size = [], 0
    for path in paths:
        took.append(_seconds(server, path))
        size = len(server.get(path, Accept_Encoding="br")[2])
    whole = time.perf_counter() - began
    count = 2 * len(paths)
    return Run(
        rate=round(WORKERS * count / whole, 4),  # as many at once as there are workers
        cpu_ms=round((server.cpu() - before) * 1000 / count, 3),
        other_cpu_ms=round((server.cpu_of_others() - others) * 1000 / count, 3),
        bytes=size,
        p50_ms=round(median(took) * 1000, 3),
        p99_ms=round(max(took) * 1000, 3),
    )


def _seconds(server, path):
    began = time.perf_counter()
    server.get(path, Accept_Encoding="br")
    return time.perf_counter() - began


def rounds(cases, count, label):
    """Take each of `cases` (name: function that returns a `Run`) once per round; returns lists of them by name.

    What all others are compared with is taken several times in a round, and its middle one counts."""
    found = {name: [] for name in cases}
    for number in range(1, count + 1):
        names = [name for name in cases for _ in range(MEASURES if name in ("hello", "raw") else 1)]
        random.Random(number).shuffle(names)
        taken = {name: [] for name in cases}
        for name in names:
            taken[name].append(cases[name]())
        for name, runs in taken.items():
            found[name].append(sorted(runs, key=lambda one: one.rate)[len(runs) // 2])
        say(f"  {label}: round {number} of {count}")
    return found


def ratios(above, below, field="rate"):
    """One figure over the other, round by round."""
    return [round(getattr(a, field) / (getattr(b, field) or 1e-9), 5) for a, b in zip(above, below, strict=True)]


def summary(found):
    """The medians of all that was taken, for the JSON file."""
    return {
        name: {field: median(getattr(one, field) for one in some) for field in asdict(some[0])}
        for name, some in found.items()
    }
