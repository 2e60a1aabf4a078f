"""The question page: kept, answered 304, and at first view, beside everything that it is compared with."""

from functools import partial

from ops.bench import load, servers
from ops.bench.context import POSTGRES, SQLITE
from ops.bench.sets import Failed

from . import Result


def run(bench):
    smallest = min(bench.sizes)
    body = None
    cases = {}
    hello, raw = bench.server(servers.hello), bench.server(servers.raw)
    cases["hello"] = partial(load.run, hello, ["/"], bench.seconds)
    cases["raw"] = partial(load.run, raw, ["/"], bench.seconds)
    for engine in bench.engines:
        for size in bench.sizes:
            paths = bench.paths(engine, size)
            kept, first = (bench.site(engine, size, keep) for keep in (True, False))
            load.warm_kept(kept, paths)
            load.warm(first, paths)
            cases["kept", engine, size] = partial(load.run, kept, paths, bench.seconds)
            cases["first", engine, size] = load.case(first, paths, bench.seconds)
            if size == smallest:
                etags = _etags(kept, paths)
                cases["unchanged", engine, size] = partial(load.run, kept, paths, bench.seconds, etags=etags)
                body = body or kept.get(paths[0], Accept_Encoding="br")[2]
    cases["nginx"] = partial(load.run, bench.server(servers.nginx, body), ["/"], bench.seconds)
    wagtail, pages = bench.wagtail(), [f"/answers/{number}/" for number in range(1, smallest + 1)]
    load.warm(wagtail, pages)
    cases["wagtail"] = load.case(wagtail, pages, bench.seconds)
    found = load.rounds(cases, bench.rounds, "question page")

    result = Result(figures=load.summary({_name(key): some for key, some in found.items()}))
    for name in ("raw", "nginx", "wagtail"):
        result.add(f"{name}.h", load.ratios(found[name], found["hello"]))
    for engine in bench.engines:
        for size in bench.sizes:
            where = engine, size
            kept, first = found["kept", *where], found["first", *where]
            result.add("kept.h", load.ratios(kept, found["hello"]), *where)
            result.add("kept.r", load.ratios(kept, found["raw"]), *where)
            result.add("kept.cpu", load.ratios(kept, found["hello"], "cpu_ms"), *where)
            result.add("first.h", load.ratios(first, found["hello"]), *where)
            if engine == POSTGRES:
                result.add("kept.postgres", load.ratios(kept, found["kept", SQLITE, size]), size)
                result.add("first.postgres", load.ratios(first, found["first", SQLITE, size]), size)
        result.add("unchanged.h", load.ratios(found["unchanged", engine, smallest], found["hello"]), engine)
    for name in ("kept", "first"):
        result.add(f"{name}.wagtail", load.ratios(found[name, SQLITE, smallest], found["wagtail"]), SQLITE, smallest)
    return result


def _etags(server, paths):
    """The ETag of each page, and proof that it is answered 304."""
    etags = {}
    for path in paths:
        etags[path] = server.get(path, Accept_Encoding="br")[1]["ETag"]
        status = server.get(path, Accept_Encoding="br", If_None_Match=etags[path])[0]
        if status != 304:
            raise Failed(f"{server.name} answers {status} and not 304 to who has {path} already.")
    return etags


def _name(key):
    return key if isinstance(key, str) else " ".join(map(str, key))
