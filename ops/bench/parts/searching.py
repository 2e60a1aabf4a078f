"""The search page at first view, one request at a time, beside a page of raw FTS5 over the same text."""

import http.client
import random
import sqlite3
import sys
import time
from statistics import median, quantiles
from urllib.parse import urlencode

from ops.bench import servers, sets
from ops.bench.context import POSTGRES, SQLITE
from ops.bench.places import HERE, ROOT, VAR
from ops.bench.sets import say

from . import Result

TIMES = 3
"""That the words of which a single search counts are asked for in each round."""


def run(bench):
    result = Result()
    size = max(bench.sizes)
    words = sets.words(size)
    searches = words.pop("searches")[:20] if bench.quick else words.pop("searches")
    texts = [*searches, *list(words.values()) * TIMES]
    kinds = {"raw": bench.server(_raw, str(_database(size)))}
    for engine in bench.engines:
        for some in {min(bench.sizes), size}:
            kinds[engine, some] = bench.site(engine, some, False)
    took = {kind: [] for kind in kinds}  # one list of milliseconds for each round
    before = {kind: (server.cpu(), server.cpu_of_others()) for kind, server in kinds.items()}
    for number in range(1, bench.rounds + 1):
        order = random.Random(number)
        for kind in kinds:
            took[kind].append({})
        for text in order.sample(texts, len(texts)):
            for kind in order.sample(list(kinds), len(kinds)):
                took[kind][-1].setdefault(text, []).append(_ask(kinds[kind], text))
        for kind in kinds:
            took[kind][-1] = {text: median(some) for text, some in took[kind][-1].items()}
        say(f"  search: round {number} of {bench.rounds}")

    count = bench.rounds * len(texts)
    for kind, server in kinds.items():
        name = kind if kind == "raw" else " ".join(map(str, kind))
        result.figures[f"{name} cpu_ms"] = (server.cpu() - before[kind][0]) * 1000 / count
    if POSTGRES in bench.engines:  # the two sets share one database server
        used = kinds[POSTGRES, size].cpu_of_others() - before[POSTGRES, size][1]
        result.figures["PostgreSQL other_cpu_ms"] = used * 1000 / count / 2

    def middle(kind):
        return [median(one[text] for text in searches) for one in took[kind]]

    raw = middle("raw")
    for engine in bench.engines:
        ours = middle((engine, size))
        if engine == POSTGRES:
            result.add("search.postgres", [a / b for a, b in zip(ours, middle((SQLITE, size)), strict=True)], size)
        else:
            result.add("search.raw", [a / b for a, b in zip(ours, raw, strict=True)], engine, size)
        tails = [quantiles([one[text] for text in searches], n=20)[-1] for one in took[engine, size]]
        result.add("search.tail", [tail / p50 for tail, p50 in zip(tails, ours, strict=True)], engine, size)
        worst = [one[words["every"]] / one[words["one percent"]] for one in took[engine, size]]
        result.add("search.worst", worst, engine, size)
    for kind in kinds:
        name = kind if kind == "raw" else " ".join(map(str, kind))
        result.figures[f"{name} p50 ms"] = median(middle(kind))
        for share, word in words.items():
            result.figures[f"{name} {share} ms"] = median(one[word] for one in took[kind])
    return result


def _ask(server, text):
    """Milliseconds of one search, on a connection that is open already."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.connect()
    began = time.perf_counter()
    connection.request("GET", f"/questions/?{urlencode({'q': text})}", headers={"Accept-Encoding": "br"})
    response = connection.getresponse()
    response.read()
    took = (time.perf_counter() - began) * 1000
    connection.close()
    if response.status != 200:
        raise sets.Failed(f"{server.name} answers {response.status} to a search for “{text}”.")
    return took


def _raw(database):
    return servers.granian("raw search", "peers.search:application", cwd=HERE, RAW_SEARCH=database)


def _database(size):
    """The same questions in one table with a full-text index over it, made once."""
    path, stamp = VAR / f"search-{size}.sqlite3", VAR / f"search-{size}.stamp"
    current = (sets.text(size) / "stamp").read_text()
    if stamp.exists() and stamp.read_text() == current:
        return path
    say(f"  making a raw full-text index of {size:,} questions (kept for the next run)")
    path.unlink(missing_ok=True)
    sys.path.insert(0, str(ROOT))
    from faq import seedfile

    questions = (q for file in sets.files(size) for q in seedfile.parse(file.read_bytes()).questions)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE text (id INTEGER PRIMARY KEY, title TEXT, body TEXT)")
        connection.execute(
            "CREATE VIRTUAL TABLE found USING fts5(title, body, content='text', content_rowid='id', "
            "tokenize='porter unicode61 remove_diacritics 2')"
        )
        connection.executemany(
            "INSERT INTO text (title, body) VALUES (?, ?)",
            ((q.text, "\n".join(block.text for block in q.blocks)) for q in questions),
        )
        connection.execute("INSERT INTO found(found) VALUES ('rebuild')")
        connection.execute("INSERT INTO found(found) VALUES ('optimize')")
    stamp.write_text(current)
    return path
