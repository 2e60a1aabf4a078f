"""What things weigh: bytes of pages, queries, memory of a worker, and the start."""

import re
import socket
from statistics import median

from ops.bench import load, processes, servers, sets
from ops.bench.context import SQLITE
from ops.bench.places import PYTHON
from ops.bench.sets import say

from . import Result

STARTS = 7
MANY = 6000  # pages, uncompressed: more than the memory for kept ones holds


def run(bench):
    result = Result()
    smallest, largest = min(bench.sizes), max(bench.sizes)
    _bytes(bench, result)
    for engine in bench.engines:
        pages = bench.paths(engine, largest)[:20]
        result.add("first.queries", max(bench.inside("queries", bench.settings(engine, largest), *pages)), engine)
    _start(bench, result, smallest)
    _memory(bench, result, smallest, largest)
    return result


def _bytes(bench, result):
    """As a browser would ask: compressed, on a connection of its own; every byte that comes back is counted."""
    size = max(bench.sizes)
    server = bench.site(SQLITE, size, True)
    pages = bench.paths(SQLITE, size)[:20]
    html = server.get(pages[0], Accept_Encoding="identity", Host="127.0.0.1")[2].decode()
    sheet = re.search(r'<link[^>]*rel="stylesheet"[^>]*href="([^"]+)"', html)
    sheet = sheet or re.search(r'<link[^>]*href="([^"]+\.css)"', html)
    for name, paths in (("page", pages), ("list", ["/questions/"])):
        for path in paths:  # the second time it is kept, and from the third time on well compressed
            for _ in range(8):
                server.get(path, Accept_Encoding="br", Host="127.0.0.1")
        result.figures[f"{name} bytes"] = [_whole(server.port, path) for path in paths]
    result.figures["style sheet bytes"] = _whole(server.port, sheet[1])
    result.add("bytes.page", [size + result.figures["style sheet bytes"] for size in result.figures["page bytes"]])
    result.add("bytes.list", result.figures["list bytes"])


def _whole(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: br\r\nConnection: close\r\n\r\n".encode()
        )
        count = 0
        while part := connection.recv(65536):
            count += len(part)
    return count


def _start(bench, result, size):
    page = bench.paths(SQLITE, size)[0]
    first, nothing = [], []
    settings = bench.settings(SQLITE, size) | {"KEEP_PAGES": "on", "DJANGO_SETTINGS_MODULE": "kb_site.settings"}
    sets.measured([PYTHON, "-m", "ops.bench.inside.first", page], **settings)  # writes the bytecode
    for _ in range(STARTS):
        first.append(sets.measured([PYTHON, "-m", "ops.bench.inside.first", page], **settings)["cpu"])
        nothing.append(median(sets.measured([PYTHON, "-c", "pass"])["cpu"] for _ in range(5)))
    result.add("start.cpu", [round(a / b, 2) for a, b in zip(first, nothing, strict=True)])
    result.figures |= {"start cpu s": median(first), "python -c pass cpu s": median(nothing)}
    say("  start: done")


def _memory(bench, result, smallest, largest):
    """Of a worker that has shown many pages. `share` is counted: its own, and its part of what several have."""
    for name, make, pages in (
        ("worker", lambda: _fresh(bench, smallest, "off"), bench.paths(SQLITE, smallest)),
        ("wagtail", bench.wagtail, [f"/answers/{number}/" for number in range(1, smallest + 1)]),
    ):
        server = make()
        load.warm(server, [*pages, "/questions/"] if name == "worker" else pages)
        sizes = [processes.memory(pid) for pid in server.workers()]
        result.add(f"memory.{name}", round(max(one["share"] for one in sizes), 1))
        if name == "worker":
            result.add("memory.resident", round(max(one["resident"] for one in sizes), 1))
        result.figures[f"memory {name}"] = sizes
    say("  memory: of a worker")
    # Enough different pages to fill what is set aside for kept ones, and the same without keeping any.
    step = max(1, largest // MANY)
    pages = bench.addresses(SQLITE, largest, range(0, largest, step))
    grown = {}
    for keep in ("on", "off"):
        server = _fresh(bench, largest, keep)
        before = max(processes.memory(pid)["share"] for pid in server.workers())
        load.run(server, pages, 8 if bench.quick else 20, encoding="identity")
        grown[keep] = max(processes.memory(pid)["share"] for pid in server.workers()) - before
    result.add("memory.kept", round(grown["on"] - grown["off"], 1))
    result.figures["memory grown"] = grown


def _fresh(bench, size, keep):
    """A server that nobody has asked anything yet."""
    settings = bench.settings(SQLITE, size) | {"KEEP_PAGES": keep}
    return bench.stack.enter_context(servers.site(f"memory {size} {keep}", **settings))
