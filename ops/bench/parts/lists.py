"""The list: its first page, with filters, and deep in it; and what its counts cost."""

from functools import partial
from html import unescape
from re import search, sub
from statistics import median

from ops.bench import generating, load, servers
from ops.bench.sets import Failed

from . import Result

LIST = ["/questions/"]
FILTERS = [f"/questions/?topic=topic-{topic}&checked=no" for topic in (1, 2, 3)]
DEPTH = 0.9


def run(bench):
    hello = bench.server(servers.hello)
    cases = {"hello": partial(load.run, hello, ["/"], bench.seconds)}
    smallest, largest = min(bench.sizes), max(bench.sizes)
    for engine in bench.engines:
        for size in bench.sizes:
            kept, first = (bench.site(engine, size, keep) for keep in (True, False))
            load.warm_kept(kept, [*LIST, *FILTERS])
            load.warm(first, [*LIST, *FILTERS])
            cases["list kept", engine, size] = partial(load.run, kept, LIST, bench.seconds)
            cases["list first", engine, size] = load.case(first, LIST, bench.seconds)
            if size in (smallest, largest):
                cases["filter first", engine, size] = load.case(first, FILTERS, bench.seconds)
        cases["filter kept", engine, largest] = partial(load.run, kept, FILTERS, bench.seconds)
        cases["deep first", engine, largest] = load.case(first, [deep_page(first, largest)], bench.seconds)
    found = load.rounds(cases, bench.rounds, "lists")

    result = Result(
        figures=load.summary({key if key == "hello" else " ".join(map(str, key)): found[key] for key in found})
    )
    for (case, *where), runs in ((key, runs) for key, runs in found.items() if key != "hello"):
        if case != "deep first":
            result.add(f"{case.replace(' ', '.')}.h", load.ratios(runs, found["hello"]), *where)
    for engine in bench.engines:
        ratios = load.ratios(found["list first", engine, largest], found["deep first", engine, largest])
        result.add("list.deep", ratios, engine, largest)
        for name in ("list", "filter"):
            ratios = load.ratios(found[f"{name} first", engine, largest], found[f"{name} first", engine, smallest])
            result.add(f"{name}.flat", ratios, engine)
        counted = [bench.inside("counts", bench.settings(engine, largest), LIST[0]) for _ in range(bench.rounds)]
        result.add("list.counts", [round(one["counts"] / one["page"], 5) for one in counted], engine, largest)
        for name in ("counts", "choices", "page"):
            result.figures[f"{name} ms {engine} {largest}"] = median(one[name] for one in counted)
    return result


def deep_page(server, size):
    """The address of a page near the end of the list: the link to the second page, moved on to there."""
    body = server.get(LIST[0], Host="127.0.0.1", Accept_Encoding="identity")[2].decode()
    query = unescape(search(r'<a[^>]*rel="next"[^>]*href="[^"]*(\?[^"]+)"', body)[1])
    index = int(size * DEPTH)
    if "page=2" in query:
        query = query.replace("page=2", f"page={index // 20}")
    else:  # after which question
        query = sub(r"town-[0-9]+\W[0-9]+", "{}.{}".format(*generating.place(index)), query)
    path = LIST[0] + query
    status, _, body = server.get(path, Host="127.0.0.1", Accept_Encoding="identity")
    found = search(r"/answers/(town-[0-9]+)/[0-9]+/", body.decode())
    if status != 200 or not found or found[1] < generating.place(index // 2)[0]:
        raise Failed(f"{path} should be deep in the list, but answers {status} with {found and found[1]}.")
    return path
