"""Kill the parts of a small cluster one after the other, under load, and print what readers and editors saw.

    python -m ops.cluster [--seconds 8] [--readers 20] [--ports FIRST] [--crash] [--serve]

PostgreSQL with a streaming replica, two web nodes, nginx in front: all on this machine, in a temporary folder, gone
afterwards. A node is killed; the replica lags behind, and is killed; then the primary is stopped (with --crash: killed)
and the replica promoted. Exit status 1 if a reader's request failed, an old answer was shown, an editor was not told in
words what happened, or what editors were told is not what is there.

With --serve it only starts the cluster, and says where, until Ctrl-C.
"""

import argparse
import contextlib
import http.client
import os
import signal
import sys
import threading
import time

from .parts import ONLY_ONE_HAS, Cluster, Failed
from .people import Editor, Facts, Reader

LONGEST = 400
"""Seconds after which all is ended, whatever hangs."""
EDITED = (1, 2)

SEED = "".join(
    f"{n}. How wide is bicycle lane {n}?\nVersion 0.\nLane {n} is as wide as a cart.\n" for n in range(1, 21)
)
ACCOUNTS = f"""
from django.contrib.auth.models import User
from faq.models import Question
for number in {EDITED}:
    User.objects.create_superuser(f"editor{{number}}", password="correct horse", first_name=f"Editor {{number}}")
    print(number, *Question.objects.filter(number=number).values_list("pk", flat=True))
    print(Question.objects.get(number=number).get_absolute_url())
"""
NOTES = """
from faq.models import Edition
for number, note in Edition.objects.values_list("question__number", "change_note"):
    print(number, note)
"""


class Trial:
    """Readers and editors at work on a cluster, and the phases in which something happens to it."""

    def __init__(self, cluster, seconds, readers):
        self.cluster, self.seconds, self.phases, self.moments = cluster, seconds, [], {}
        self.stop = threading.Event()
        seed = cluster.folder / "lanes.txt"
        seed.write_text(SEED)
        node = cluster.nodes[0]
        node.manage("import_seed", str(seed), "--publish")
        lines = node.manage("shell", "-v0", "-c", ACCOUNTS).splitlines()
        pages, editors = {None: ["/", "/questions/", "/questions/?q=bicycle+lane", "/answers/lanes/", "/changes/"]}, []
        self.facts = Facts(EDITED)
        for line, page in zip(lines[::2], lines[1::2], strict=True):
            number, pk = map(int, line.split())
            pages[number] = page
            editors.append(Editor(cluster.address, self.stop, self.facts, number, pk, f"editor{number}"))
        self.readers = [
            Reader(cluster.address, self.stop, self.facts, pages, pause=readers / 1000) for _ in range(readers)
        ]
        self.editors = editors

    def run(self, crash):
        primary, replica, node = self.cluster.primary, self.cluster.replica, self.cluster.nodes[1]
        for person in (*self.readers, *self.editors):
            person.start()
        self.phase("all is well")
        self.phase("a node is killed", node.kill)
        self.phase("the node is back", node.start)
        self.phase("the replica is late", lambda: replica.lag(2))
        replica.lag(0)
        self.phase("the replica is killed", replica.kill)
        self.phase("the replica is back", replica.start)
        self.phase(
            "the primary is killed" if crash else "the primary is stopped", primary.kill if crash else primary.stop
        )
        self.phase("the replica is promoted", replica.promote)
        self.stop.set()
        for person in (*self.readers, *self.editors):
            person.join(30)

    def phase(self, name, act=None):
        self.phases.append((name, time.monotonic()))
        if act:
            act()
            self.moments[name] = time.monotonic()
        time.sleep(self.seconds)

    def rows(self):
        """For each phase: its name, what readers saw, what editors saw. (What came to its end in it.)"""
        ends = [begin for _, begin in self.phases[1:]] + [time.monotonic()]
        for (name, begin), end in zip(self.phases, ends, strict=True):
            reads, edits = (
                [seen for person in people for seen in person.seen if begin <= seen.at + seen.seconds < end]
                for people in (self.readers, self.editors)
            )
            yield name, reads, edits

    def until_saved(self):
        """Seconds from when the primary went, and from when the replica was told to follow it, until somebody saved."""
        gone, told = self.phases[-2][1], self.phases[-1][1]
        saved = [
            s.at + s.seconds for person in self.editors for s in person.seen if s.outcome == "saved" and s.at > gone
        ]
        after = [moment for moment in saved if moment > told]
        return (min(after) - gone, min(after) - told) if after else (None, None)

    def differences(self):
        """What editors were told, compared with what is there: the publications that were confirmed and are missing,
        and those that were refused and are there."""
        there = set(self.cluster.nodes[0].manage("shell", "-v0", "-c", NOTES).splitlines())
        confirmed, refused = (
            {f"{one.number} Version {version}" for one in self.editors for version in getattr(one, told)}
            for told in ("confirmed", "refused")
        )
        return confirmed - there, refused & there


def table(rows):
    heads = ("reads", "failed", "stale", "median", "slowest", "saved", "told", "failed", "slowest")
    lines = [("", *heads)]
    for name, reads, edits in rows:
        times = sorted(seen.seconds for seen in reads) or [0]
        lines.append((
            name, f"{len(reads):,}", count(reads, "failed"), count(reads, "stale"),
            f"{times[len(times) // 2] * 1000:.0f} ms", f"{times[-1]:.2f} s",
            count(edits, "saved"), count(edits, "told"), count(edits, "failed"),
            f"{max((seen.seconds for seen in edits), default=0):.2f} s",
        ))  # fmt: skip
    widths = [max(len(str(line[column])) for line in lines) for column in range(len(lines[0]))]
    print(" " * widths[0], "readers".ljust(sum(widths[1:6]) + 8), "editors", sep="  ")
    for name, *cells in lines:
        right = (str(cell).rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print(name.ljust(widths[0]), *right, sep="  ")


def count(seen, outcome):
    return sum(one.outcome == outcome for one in seen)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=8, help="of each phase")
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--ports", type=int, default=0, metavar="FIRST", help="use five ports from this one on")
    parser.add_argument("--crash", action="store_true", help="kill the primary instead of stopping it")
    parser.add_argument("--serve", action="store_true", help="start the cluster and wait for Ctrl-C")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with Cluster(options.ports) as cluster:
            if options.serve:
                print(f"http://{cluster.address}/ (Ctrl-C ends it)")
                with contextlib.suppress(KeyboardInterrupt):
                    signal.pause()
                return 0
            watch = threading.Timer(LONGEST, give_up, [cluster])
            watch.daemon = True
            watch.start()
            return attempt(cluster, options)
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1


def attempt(cluster, options):
    found = [fetched(cluster.address, f"/static/{ONLY_ONE_HAS}") for _ in range(10)]
    print(f"A static file that only one node has was found {found.count(200)} of {len(found)} times.")
    trial = Trial(cluster, options.seconds, options.readers)
    trial.run(options.crash)
    rows = list(trial.rows())
    table(rows)
    gone, told = trial.until_saved()
    if told is None:
        print("Nobody could save again.")
    else:
        print(f"Editors could save again {told:.1f} s after the promotion began, {gone:.1f} s after the primary went.")
    print(cluster.nodes[0].manage("verify_log").strip())
    print(cluster.nodes[0].manage("rebuild_search", "--check").strip())
    cluster.nodes[0].manage("backup")
    print(cluster.nodes[0].manage("verify_backup").strip())
    missing, unsaid = trial.differences()
    print(f"Publications that were confirmed and are missing: {len(missing)}. Refused and there: {len(unsaid)}.")
    seen = [
        (name, one) for name, reads, edits in rows for one in (*reads, *edits) if one.outcome not in ("ok", "saved")
    ]
    for line in sorted({f"{name}: {one.outcome}: {one.words}"[:200] for name, one in seen})[:30]:
        print(" ", line)
    bad = sum(one.outcome != "ok" for _, reads, _ in rows for one in reads)
    bad += sum(count(edits, "failed") for *_, edits in rows)
    return 1 if bad or missing or unsaid or told is None or set(found) != {200} else 0


def fetched(address, path):
    """The status of a request."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def give_up(cluster):
    print("This took too long, and is ended.", file=sys.stderr)
    cluster.__exit__()
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
