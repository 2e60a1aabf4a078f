"""Simulates what no single small machine can hold: one worker of many, its readers, and the editors who publish.

Readers come at random; most of them want few of the pages (Zipf). A worker answers one request at a time. A page that
it keeps costs little; a page that it does not keep costs a first view, and is kept then, as long as there is memory and
until somebody publishes: then every worker forgets everything. Searches are hardly ever asked twice, so nothing is kept
for them.
"""

import random
from bisect import bisect
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import quantiles

ZIPF = 0.9
SHARES = {"search": 0.05, "list": 0.10, "question": 0.85}
LISTS = 200
"""Different addresses of lists that are asked for, all of them as often."""
MOST_PAGES = 1_000_000
MOST_REQUESTS = 200_000
"""That are simulated for one outcome."""


@dataclass(frozen=True)
class Costs:
    """Seconds of a worker's time for a kept page and for a first view of each kind; `room`: how many pages it keeps."""

    kept: float
    question: float
    list: float
    search: float
    room: int


@dataclass(frozen=True)
class Readers:
    """Requests in a second, of each kind: `searches`, `lists`, `questions`. `weights` are cumulated over the questions:
    how often each of them is asked for."""

    searches: float
    lists: float
    questions: float
    weights: list

    @property
    def rate(self):
        return self.searches + self.lists + self.questions


@dataclass(frozen=True)
class Outcome:
    """`hits`: the share of requests that were answered from what is kept; `busy`: the share of time that the worker
    works; `p50`, `p99`: milliseconds that readers wait, in the middle and at the slowest hundredth."""

    hits: float
    busy: float
    p50: float
    p99: float


def readers(questions, rate):
    """Those of a site with this many questions."""
    weights = list(accumulate((place + 1) ** -ZIPF for place in range(min(questions, MOST_PAGES))))
    return Readers(rate * SHARES["search"], rate * SHARES["list"], rate * SHARES["question"], weights)


def behind_cdn(some, seconds=60, places=20):
    """What of these readers' requests reaches a site whose pages a CDN keeps that long, in so many places."""

    def passed(rate):
        rate /= places
        return places * rate / (1 + rate * seconds)

    total = some.weights[-1]
    each = (passed(some.questions * (after - before) / total) for before, after in pairwise([0.0, *some.weights]))
    weights = list(accumulate(each))
    return Readers(some.searches, LISTS * passed(some.lists / LISTS), weights[-1], weights)


def worker(costs, some, publish_every, workers=1, seed=1):
    """What one of so many workers does, while somebody publishes every so many seconds."""
    chance = random.Random(seed)
    rate, total = some.rate / workers, some.weights[-1]
    searches, lists = some.searches / some.rate, (some.searches + some.lists) / some.rate
    kept = OrderedDict()
    now = free = worked = 0.0
    hits = counted = 0
    next_publish = publish_every
    waits = []
    # Long enough for some publishing, but no longer than is of use.
    seconds = min(max(4 * publish_every, 60), MOST_REQUESTS / rate)
    warm = seconds / 4
    while now < seconds or not counted:
        now += chance.expovariate(rate)
        if now >= next_publish:
            kept.clear()
            next_publish += publish_every * (1 + (now - next_publish) // publish_every)
        kind, hit = chance.random(), False
        if kind < searches:
            cost = costs.search
        else:
            if kind < lists:
                page, cost = -1 - chance.randrange(LISTS), costs.list
            else:
                page, cost = bisect(some.weights, chance.random() * total), costs.question
            hit = page in kept
            if hit:
                kept.move_to_end(page)
                cost = costs.kept
            else:
                kept[page] = True
                if len(kept) > costs.room:
                    kept.popitem(last=False)
        free = max(free, now) + cost
        if now >= warm:
            counted += 1
            hits += hit
            worked += cost
            waits.append((free - now) * 1000)
    cuts = quantiles(waits, n=100) if len(waits) > 1 else [waits[0]] * 99
    return Outcome(hits / counted, worked / (seconds - warm), cuts[49], cuts[98])


def workers_needed(costs, some, publish_every, most_busy=0.6):
    """The least number of workers of which none is busier than that: (number, Outcome)."""
    few, number = 0, 1
    found = {}
    while True:
        found[number] = worker(costs, some, publish_every, number)
        if found[number].busy <= most_busy:
            break
        few, number = number, number * 2
    while number - few > 1:
        middle = (few + number) // 2
        found[middle] = worker(costs, some, publish_every, middle)
        few, number = (few, middle) if found[middle].busy <= most_busy else (middle, number)
    return number, found[number]
