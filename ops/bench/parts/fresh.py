"""Stale reads: another process publishes, and readers ask both workers for the page right after the commit."""

import http.client
import time

from ops.bench import servers, sets
from ops.bench.context import SQLITE
from ops.bench.places import SLUG
from ops.bench.sets import Failed

from . import Result

COMMITS = 300
READERS = 4  # connections that read after each commit, of
CONNECTIONS = 12


def run(bench):
    result = Result()
    size = min(bench.sizes)
    for engine in bench.engines:
        settings = bench.settings(engine, size)
        if engine == SQLITE:
            settings = {"VAR_DIR": sets.copy(size, bench.scratch("fresh"))}
        with servers.site(f"fresh {engine}", **settings, KEEP_PAGES="on") as server:
            stale, reads, shares = _compare(bench, server, settings, 60 if bench.quick else COMMITS)
        result.add("fresh.stale", stale, engine)
        result.add("fresh.reads", reads, engine)
        # Each of them answered some: else the other one would never have been put to the test.
        result.figures[f"{engine} processor seconds of each worker"] = shares
    return result


def _compare(bench, server, settings, commits):
    from ops.bench import processes

    writer = bench.start_inside("committing", settings, SLUG)
    connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30) for _ in range(CONNECTIONS)]
    before = {pid: processes.cpu([pid]) for pid in server.workers()}
    stale = reads = 0
    try:
        path = _next(writer)
        for number in range(1, commits + 1):
            for connection in connections[:2]:
                _read(connection, path)  # so that there is something kept to be stale
            writer.stdin.write(f"{number}\n")
            writer.stdin.flush()
            mark = _next(writer)
            for turn in range(READERS):
                stale += mark not in _read(connections[(number * READERS + turn) % CONNECTIONS], path)
                reads += 1
        writer.stdin.close()
        writer.wait(timeout=30)
    finally:
        for connection in connections:
            connection.close()
        if writer.poll() is None:
            writer.terminate()
            time.sleep(0.1)
    return stale, reads, [round(processes.cpu([pid]) - used, 2) for pid, used in before.items()]


def _next(writer):
    line = writer.stdout.readline().strip()
    if not line:
        raise Failed(f"inside/committing.py:\n{writer.stderr.read()[-2000:]}")
    return line


def _read(connection, path):
    connection.request("GET", path, headers={"Accept-Encoding": "identity"})
    return connection.getresponse().read().decode()
