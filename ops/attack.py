#!/usr/bin/env python3
"""Attack the site, and print what was sent, what it answered, and what got through: nothing should.

    python ops/attack.py                 about 10,000 hostile requests, and a part on the real server
    python ops/attack.py 50000 --seed 7  more of them, with the chance of an earlier run

First through the WSGI application, on a scratch database full of hostile words: on the server that DATABASE_URL
names, else on SQLite. Then crooked bytes on the sockets of the real server, and a scan of its headers. Ends with 1 if
anything got through. What is sent and how answers are judged stands in `faq/tests/hostile/`.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "kb_site.settings_test"

import django  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402
from tqdm import tqdm  # noqa: E402

from faq.models import content_version  # noqa: E402
from faq.tests.conftest import import_text  # noqa: E402
from faq.tests.hostile import headers, wire, world  # noqa: E402
from faq.tests.hostile.campaign import Campaign, forged, fresh_application, log_lines  # noqa: E402

SHOWN = 30


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int, nargs="?", default=10_000, help="hostile requests, about")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="for the same chance again")
    parser.add_argument("--port", type=int, default=18_200, help="for the real server")
    options = parser.parse_args()
    print(f"Attack of about {options.size:,} requests on {connection.vendor}, seed {options.seed}.\n")
    faults = through_the_application(options.size, options.seed)
    with tempfile.TemporaryDirectory(prefix="kb-attack-") as folder, tempfile.TemporaryFile() as log:
        with wire.server(folder, options.port, log) as server:
            faults += on_sockets(server)
            faults += scan_of_headers(server)
        log.seek(0)
        faults += [f"a log line from outside: {line}" for line in forged(log.read().decode("utf-8", "replace"))]
    print(f"\nWhat got through: {len(faults) or 'nothing'}.")
    for fault in faults[:SHOWN]:
        print(f"  {fault}")
    return 1 if faults else 0


def through_the_application(size, seed):
    before = setup_databases(verbosity=0, interactive=False)
    try:
        make_application = fresh_application()  # which sets up the log
        with log_lines() as log, tqdm(total=size, disable=None, unit=" requests") as bar:
            campaign = Campaign(make_application, world.build(import_text(publish=True).collection), seed)
            campaign.look_around()
            campaign.attack(size, bar.update)
            lines = forged(log.getvalue())
    finally:
        content_version.close()
        teardown_databases(before, verbosity=0)
    unreached = campaign.unreached()
    print(
        f"Addresses: {len(campaign.reached)} patterns, {len(unreached)} of them never reached: {', '.join(unreached)}"
    )
    print(f"Forms: {len(campaign.forms)} with {campaign.fields()} fields; parameters: {len(campaign.names)}")
    table("Sent, by kind", campaign.kinds)
    table("Answered, by status", campaign.statuses)
    injected = [fault for fault, _ in campaign.faults]
    table("Of these", {
        "the site's own failures (500)": campaign.errors,
        "leaks and injections": len(campaign.faults),
        "log lines from outside": len(lines),
        "largest answer, bytes": campaign.largest[0],
    })  # fmt: skip
    for fault, count in Counter(fault[:60] for fault in injected).most_common(SHOWN):
        print(f"  {count} × {fault}")
    return [f"{fault}\n    {request}" for fault, request in campaign.faults] + [f"log: {line}" for line in lines]


def on_sockets(server):
    statuses, faults, count = Counter(), [], 0
    for what, answered, found in wire.attack(server):
        count += 1
        statuses.update(answered or ["closed"])
        faults += [f"{what}: {fault}" for fault in found]
    table(f"On sockets of the real server: {count} kinds of crooked bytes, answered", statuses)
    return faults


def scan_of_headers(server):
    server.log_in()
    faults, lines = [], []
    for kind, path, how in wire.addresses(server):
        status, found, _ = server.ask(path, **how)
        wrong = list(headers.faults(path, status, found, tls=how.get("https", True)))
        lines.append((kind, status, path, "; ".join(wrong) or "ok"))
        faults += [f"{kind} {path}: {fault}" for fault in wrong]
    print(f"\nHeaders ({', '.join(headers.NAMES)}; cookies, caches, server):")
    for kind, status, path, words in lines:
        print(f"  {kind:13} {status}  {path[:70]:70}  {words}")
    return faults


def table(title, counts):
    print(f"\n{title}:")
    for name, count in sorted(counts.items(), key=lambda pair: str(pair[0])):
        print(f"  {name!s:32} {count:>9,}")


if __name__ == "__main__":
    sys.exit(main())
