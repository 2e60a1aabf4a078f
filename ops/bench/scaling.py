"""Writes the tables in `docs/scaling.md` from what was measured, and what follows from that.

    python -m ops.bench.scaling

Each table stands between `<!-- table: NAME -->` and `<!-- end -->`. What was measured is told as it is; what no machine
here can hold is simulated (see `simulate`) with the measured costs.
"""

import re
from statistics import median

from kb_site.kept import MOST

from . import report, simulate
from .places import RESULT, ROOT
from .sets import say

PAPER = ROOT / "docs" / "scaling.md"
AROUND = 3000  # bytes of a kept page beside its body
MILLION = 1_000_000
SIZES = (20, 10_000, 100_000)
BUSY = 0.6
"""How busy a processor may be: what is left is for the next hour, the next node that fails, and the tail."""
HOURLY = 3600


class Missing(Exception):
    """The benchmark has not measured this yet."""


class Measured:
    """What `docs/bench.json` holds, by names that a table can use. Raises `Missing`."""

    def __init__(self, result):
        self.parts = result["parts"]
        many = "kept PostgreSQL 100000" in self.figures("kept")
        self.engine = "PostgreSQL" if many else "SQLite"

    def figures(self, part):
        return self.parts.get(part, {}).get("figures", {})

    def get(self, part, *names):
        found = self.figures(part)
        try:
            for name in names:
                found = found[name]
        except (KeyError, TypeError):
            raise Missing(f"{part}: {' '.join(map(str, names))}") from None
        return found

    def row(self, goal, where=""):
        for part in self.parts.values():
            samples = part["rows"].get(f"{goal}/{where}" if where else goal)
            if samples:
                return median(samples)
        raise Missing(goal)

    def page(self, kind, size, engine=None, field="cpu_ms"):
        """Milliseconds of a processor for one page: "kept", "first", "list first", "filter first", …"""
        return self.get("lists" if " " in kind else "kept", f"{kind} {engine or self.engine} {size}", field)

    def search(self, size):
        """Milliseconds of a worker's time for one search: its own, and while the database works."""
        waits = self.get("searching", "PostgreSQL other_cpu_ms") if self.engine == "PostgreSQL" else 0
        return self.get("searching", f"{self.engine} {size} cpu_ms") + waits

    def at(self, size, cost):
        """`cost(size)`; beyond what was measured, on the straight line through the last two sizes, never falling."""
        if size in SIZES:
            return cost(size)
        (small, large), few, many = SIZES[-2:], cost(SIZES[-2]), cost(SIZES[-1])
        return max(many, many + (many - few) * (size - large) / (large - small))

    def costs(self, size):
        """What `simulate.worker` is told about this many questions. While the database works, a worker waits."""
        page = median(self.get("weight", "page bytes"))

        def whole(kind):
            return lambda some: self.page(kind, some) + self.page(kind, some, field="other_cpu_ms")

        return simulate.Costs(
            kept=whole("kept")(SIZES[-1]) / 1000,
            question=self.at(size, whole("first")) / 1000,
            list=self.at(size, whole("list first")) / 1000,
            search=self.at(size, self.between(self.search)) / 1000,
            room=int(MOST / (page + AROUND)),
        )

    @staticmethod
    def between(cost):
        """A cost by size that was measured in the smallest and in the largest set alone: on the line through both."""

        def on_line(size):
            low, high = cost(SIZES[0]), cost(SIZES[-1])
            return low + (high - low) * (size - SIZES[0]) / (SIZES[-1] - SIZES[0])

        return on_line

    def bytes_each(self, kind, count, engine=None):
        """Bytes of one question, edition or entry of the log, from the largest set."""
        sizes = self.get("slopes", f"sizes {engine or self.engine}", str(SIZES[-1]))
        return sizes["bytes"][kind] / sizes["counts"][count]

    def database(self, size, engine=None):
        """Megabytes of a database with this many questions, of one edition each."""
        sizes = self.get("slopes", f"sizes {engine or self.engine}", str(SIZES[-1]))
        return sum(sizes["bytes"].values()) / sizes["counts"]["questions"] * size / 1e6


def pages(found):
    """Costs by size. The last column is a straight line on from the last two, and not measured."""
    yield ["", "20", "10,000", "100,000", "1,000,000 (line)"]
    kinds = [
        ("question page, kept", lambda size: found.page("kept", size)),
        ("question page, first view", lambda size: found.page("first", size)),
        ("list, first view", lambda size: found.page("list first", size)),
        ("list with filters, first view", found.between(lambda size: found.page("filter first", size))),
        ("search, with the database's part", found.between(found.search)),
    ]
    for name, cost in kinds:
        yield [f"{name}, ms", *(_number(found.at(size, cost)) for size in (*SIZES, MILLION))]
    if found.engine == "PostgreSQL":
        for name, kind in (("kept", "kept"), ("first view", "first"), ("list", "list first")):

            def cost(size, kind=kind):
                return found.page(kind, size, field="other_cpu_ms")

            yield [f"the database's part: {name}, ms", *(_number(found.at(size, cost)) for size in (*SIZES, MILLION))]


def disk(found):
    """What the database holds."""
    yield ["one more …", "bytes, SQLite", *(["bytes, PostgreSQL"] if found.engine == "PostgreSQL" else [])]
    engines = ["SQLite", *(["PostgreSQL"] if found.engine == "PostgreSQL" else [])]
    for name, kind, count in (
        ("question: its working copy", "working copies", "questions"),
        ("question: its place in the search index", "search", "questions"),
        ("edition (six points)", "editions", "editions"),
        ("entry of the log", "log", "events"),
    ):
        yield [name, *(f"{found.bytes_each(kind, count, engine):,.0f}" for engine in engines)]
    for size in (100_000, MILLION):
        sizes = (found.database(size, engine) for engine in engines)
        yield [f"whole database, {size:,} questions", *(f"{size:,.0f} MB" for size in sizes)]


def editions(found):
    """A question that was published again and again."""
    yield ["editions of one question", "its page, ms", "its history, ms", "its history, bytes"]
    for one in found.get("slopes", "editions"):
        yield [
            str(one["editions"]),
            _number(one["page ms"]),
            _number(one["history ms"]),
            f"{one['history bytes']:,}",
        ]


def upkeep(found):
    """What is done now and then, and takes the longer the more there is."""
    yield ["", "10,000 questions", "100,000 questions", "1,000,000 (line)"]
    rows = []
    for name, field in (("import, s", "seconds"), ("import, peak memory, MB", "peak_mb")):
        took = {size: found.get("importing", f"SQLite {size}") for size in SIZES[1:]}
        rows.append((name, {size: median(one[field] for one in some) for size, some in took.items()}))
    for name, command in (("prove the log and all editions, s", "verify_log"), ("back up, s", "backup")):
        took = found.get("slopes", command)
        rows.append((name, {size: took[str(size)]["seconds"] for size in SIZES[1:]}))
    publish = found.between(lambda size: found.get("publishing", f"publish ms SQLite {size}"))
    for name, cost in rows:
        yield [name, *(_number(found.at(size, cost.__getitem__)) for size in (*SIZES[1:], MILLION))]
    yield ["publish one answer, ms", *(_number(found.at(size, publish)) for size in (*SIZES[1:], MILLION))]


def readers(found):
    """Measured, not simulated: one machine, its two workers and the client that asks on the same two cores."""
    yield ["readers at once", "kept: pages/s", "p50, ms", "p99, ms", "first view: pages/s", "p50, ms", "p99, ms"]
    first = found.get("slopes", "readers, first view")
    for count, kept in found.get("slopes", "readers, kept").items():
        yield [count, *_speed(kept), *_speed(first.get(count))]


def _speed(one):
    return [f"{one['rate']:,.0f}", _number(one["p50 ms"]), _number(one["p99 ms"])] if one else ["–"] * 3


SCENARIOS = (
    ("a laptop", 20, 1, 1),
    ("a town", 1_000, 10, 2),
    ("a state", 10_000, 100, 10),
    ("many states", 100_000, 1_000, 60),
    ("as large as it gets", MILLION, 1_000, 60),
    ("and as busy", MILLION, 10_000, 60),
)
"""Name, questions, requests in a second at the busiest, acts in an hour that change something public."""


def machines(found):
    """What each size of site needs, simulated: workers, none busier than `BUSY`, and what stands behind them."""
    yield [
        "", "questions", "requests/s", "published/h", "workers", "kept", "p50, ms", "p99, ms", "memory of workers",
        "database: cores", "database: size",
    ]  # fmt: skip
    for name, questions, rate, acts in SCENARIOS:
        yield [name, f"{questions:,}", f"{rate:,}", str(acts), *_needs(found, questions, rate, HOURLY / acts)]


def _needs(found, questions, rate, every):
    costs = found.costs(questions)
    workers, outcome = simulate.workers_needed(costs, simulate.readers(questions, rate), every, BUSY)
    memory = workers * (found.row("memory.worker") + MOST / 2**20)
    if found.engine == "PostgreSQL":
        share = {name: found.page(name, SIZES[-1], field="other_cpu_ms") / 1000 for name in ("kept", "first")}
        database = rate * (share["kept"] + (1 - outcome.hits) * share["first"])
    else:
        database = 0.0  # it is a part of the workers
    return [
        f"{workers:,}",
        f"{outcome.hits:.0%}",
        _number(outcome.p50),
        _number(outcome.p99),
        f"{memory:,.0f} MB",
        _number(database) if database else "in the workers",
        f"{found.database(questions):,.0f} MB",
    ]


def publishing(found):
    """How much of what readers ask for is kept, simulated: after each act that changes something public, nothing is."""
    acts = (1, 10, 60, 600)
    yield ["questions", "requests/s of one worker", *(f"{count} acts/h" for count in acts)]
    for questions, rate in ((1_000, 10), (10_000, 100), (100_000, 100), (100_000, 500), (MILLION, 500)):
        costs = found.costs(questions)
        some = simulate.readers(questions, rate)
        shares = [simulate.worker(costs, some, HOURLY / count) for count in acts]
        yield [f"{questions:,}", f"{rate:,}", *(_share(one) for one in shares)]


def _share(outcome):
    return f"{outcome.hits:.0%}" if outcome.busy < 1 else "too slow"


def cdn(found):
    """What is left for the site behind a CDN that keeps pages for a minute in twenty places, and what that needs."""
    yield ["questions", "readers' requests/s", "reach the site", "of them searches", "workers without", "workers with"]
    for questions, rate in ((10_000, 1_000), (100_000, 10_000), (MILLION, 10_000)):
        costs, some = found.costs(questions), simulate.readers(questions, rate)
        rest = simulate.behind_cdn(some)
        workers = [simulate.workers_needed(costs, one, 60, BUSY)[0] for one in (some, rest)]
        yield [
            f"{questions:,}",
            f"{rate:,}",
            f"{rest.rate:,.0f}",
            f"{rest.searches / rest.rate:.0%}",
            *(f"{count:,}" for count in workers),
        ]


TABLES = (pages, disk, editions, upkeep, readers, machines, publishing, cdn)


def _number(value):
    return report.number(round(value, 6))


def as_markdown(rows):
    head, *body = [[str(cell) for cell in row] for row in rows]
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def write(result=None, paper=PAPER):
    """Put the tables into the paper; returns the names of those that the results are not enough for."""
    found = Measured(result or report.load(RESULT))
    text, missing = paper.read_text(), []
    for table in TABLES:
        try:
            rows = as_markdown(table(found))
        except Missing as what:
            missing.append(f"{table.__name__} ({what})")
            rows = "Not measured yet: `make bench`."
        pattern = rf"(<!-- table: {table.__name__} -->\n).*?(<!-- end -->)"
        text, count = re.subn(pattern, lambda place, rows=rows: f"{place[1]}\n{rows}\n\n{place[2]}", text, flags=re.S)
        assert count == 1, f"{paper} has no place for the table {table.__name__}"
    paper.write_text(text)
    return missing


if __name__ == "__main__":
    for name in write():
        say(f"Not measured yet: {name}")
    say(f"The tables in {PAPER.relative_to(ROOT)} are those of {RESULT.relative_to(ROOT)}.")
