"""The goals, as `design/performance.md` has them: what is compared, and how far it should reach.

H is a Django hello view, R a raw WSGI hello, both on the same server as the site (see `peers/`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Goal:
    """`words` say what is measured. `least` or `most` is the bound, or neither where it is only told."""

    words: str
    least: float | None = None
    most: float | None = None
    unit: str = "×"

    def met(self, middle):
        """Whether a median reaches the goal; None where there is none."""
        if self.least is None and self.most is None:
            return None
        return (self.least is None or middle >= self.least) and (self.most is None or middle <= self.most)

    @property
    def bound(self):
        if self.least is not None:
            return f"≥ {self.least:g} {self.unit}".strip()
        return f"≤ {self.most:g} {self.unit}".strip() if self.most is not None else ""


GOALS = {
    "raw.h": Goal("R, in H"),
    "nginx.h": Goal("nginx with a static file of the same size, in H"),
    "wagtail.h": Goal("a default Wagtail page with the same content, in H"),
    "kept.h": Goal("question page, kept, in H", least=5.5),
    "kept.r": Goal("question page, kept, in R", least=0.65),
    "unchanged.h": Goal("question page, kept, answered 304, in H", least=6),
    "kept.cpu": Goal("processor time per kept page, in H", most=0.16),
    "first.h": Goal("question page, first view, in H", least=0.10),
    "first.queries": Goal("queries of a first view", most=4, unit=""),
    "kept.wagtail": Goal("question page, kept, over Wagtail's", least=300),
    "first.wagtail": Goal("question page, first view, over Wagtail's", least=5),
    "kept.postgres": Goal("kept: PostgreSQL over SQLite", least=0.95),
    "first.postgres": Goal("first view: PostgreSQL over SQLite", least=0.65),
    "fresh.stale": Goal("stale reads right after commits of another process", most=0, unit=""),
    "fresh.reads": Goal("reads that were compared", least=1000, unit=""),
    "list.kept.h": Goal("list, kept, in H", least=5),
    "filter.kept.h": Goal("list with filters, kept, in H", least=5),
    "list.first.h": Goal("list, first view, in H", least=0.08),
    "filter.first.h": Goal("list with filters, first view, in H", least=0.08),
    "list.flat": Goal("list, first view: largest set over smallest", least=0.9),
    "filter.flat": Goal("list with filters, first view: largest set over smallest"),
    "list.deep": Goal("time of a deep page over that of the first", most=1.5),
    "list.counts": Goal("time of a list's counting queries over that of the page's own", most=1),
    "search.raw": Goal("search page over a page of raw FTS5, in the middle (p50)", most=1.3),
    "search.tail": Goal("search page: p95 over p50", most=2),
    "search.worst": Goal("search for a word in every question over one in 1 %", most=4),
    "search.postgres": Goal("search page: PostgreSQL over SQLite, p50"),
    "import.raw": Goal("whole import over `executemany` of the same rows, by processor time", least=0.25),
    "import.points": Goal("whole import over `executemany` of questions and points alone, by processor time"),
    "import.peak": Goal("peak memory of an import", most=120, unit="MB"),
    "import.flat": Goal("peak memory of the largest import over that of the middle one", most=1.2),
    "publish.save": Goal("publish one answer over a plain save()", most=3),
    "publish.edit": Goal("publish one answer over an editor's save of one point of it"),
    "publish.default": Goal("publish one answer over a save() with Django's default SQLite settings"),
    "publish.flat": Goal("publish: largest set over smallest", most=1.2),
    "together.errors": Goal("4 writers, 8 readers: errors", most=0, unit=""),
    "together.lost": Goal("4 writers, 8 readers: lost writes", most=0, unit=""),
    "together.reads": Goal("4 writers, 8 readers: reads over Django's defaults", least=3),
    "together.bound": Goal("reads without any writer over Django's defaults with four: the most that could be"),
    "together.p99": Goal("4 writers, 8 readers: p99 of a read over Django's defaults", most=0.1),
    "together.default": Goal("with Django's defaults: writes refused at first", unit="%"),
    "bytes.page": Goal("question page and style sheet, with headers", most=4096, unit="B"),
    "bytes.list": Goal("list, with headers", most=6144, unit="B"),
    "memory.worker": Goal("memory of a worker without kept pages", most=40, unit="MB"),
    "memory.resident": Goal("the same, with what all processes share", unit="MB"),
    "memory.wagtail": Goal("memory of a Wagtail worker", unit="MB"),
    "memory.kept": Goal("what kept pages add to a worker, at most", most=32, unit="MB"),
    "start.cpu": Goal("processor time to the first page over `python -c pass`", most=30),
}
