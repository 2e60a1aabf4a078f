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
from itertools import accumulate
from statistics import quantiles

ZIPF = 0.9
SHARES = {"question": 0.85, "list": 0.10, "search": 0.05}
LISTS = 200  # different addresses of lists that are asked for
AT_ONCE = 200_000  # requests that are simulated, at most


@dataclass(frozen=True)
class Costs:
    """Seconds of a worker's time for a kept page and for a first view of each kind; `room`: how many pages it keeps."""

    kept: float
    question: float
    list: float
    search: float
    room: int


@dataclass(frozen=True)
class Outcome:
    """`hits`: the share of requests that were answered from what is kept; `busy`: the share of time that the worker
    works; `p50`, `p99`: milliseconds that readers wait, in the middle and at the slowest hundredth."""

    hits: float
    busy: float
    p50: float
    p99: float


def popularity(questions):
    """Cumulated weights of pages by how often they are asked for. More than a million are as good as that."""
    return list(accumulate((place + 1) ** -ZIPF for place in range(min(questions, 1_000_000))))


def worker(costs, questions, rate, publish_every, weights=None, seed=1):
    """What one worker does with `rate` requests in a second, while somebody publishes every so many seconds."""
    chance = random.Random(seed)
    weights = weights or popularity(questions)
    total = weights[-1]
    kept = OrderedDict()
    now = free = worked = 0.0
    hits = counted = 0
    next_publish = publish_every
    waits = []
    # Long enough for some publishing, but not longer than is of use.
    seconds = min(max(4 * publish_every, 60), AT_ONCE / rate)
    warm = seconds / 4
    while now < seconds:
        now += chance.expovariate(rate)
        if now >= next_publish:
            kept.clear()
            next_publish += publish_every * (1 + (now - next_publish) // publish_every)
        dice = chance.random()
        if dice < SHARES["search"]:
            cost, hit = costs.search, False
        else:
            if dice < SHARES["search"] + SHARES["list"]:
                page, cost = -1 - chance.randrange(LISTS), costs.list
            else:
                page, cost = bisect(weights, chance.random() * total), costs.question
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
    cuts = quantiles(waits, n=100) if len(waits) > 1 else [0] * 99
    return Outcome(hits / counted, worked / (seconds - warm), cuts[49], cuts[98])


def workers_needed(costs, questions, rate, publish_every, most_busy=0.6):
    """The least number of workers of which none is busier than that: (number, Outcome)."""
    weights = popularity(questions)
    few, number = 0, 1
    found = {}
    while True:
        found[number] = worker(costs, questions, rate / number, publish_every, weights)
        if found[number].busy <= most_busy:
            break
        few, number = number, number * 2
    while number - few > 1:
        middle = (few + number) // 2
        found[middle] = worker(costs, questions, rate / middle, publish_every, weights)
        few, number = (few, middle) if found[middle].busy <= most_busy else (middle, number)
    return number, found[number]


def through_cdn(questions, rate, seconds=60, places=20):
    """Requests in a second that reach the site behind a CDN which keeps each page that long, in so many places."""
    weights = popularity(questions)
    total, before, found = weights[-1], 0.0, 0.0
    for weight in weights:
        asked = rate * SHARES["question"] * (weight - before) / total / places
        before = weight
        found += places * asked / (1 + asked * seconds)
    asked = rate * SHARES["list"] / LISTS / places
    return found + LISTS * places * asked / (1 + asked * seconds) + rate * SHARES["search"]
