#!/usr/bin/env python3
"""Attack the site, and print one table of what was sent and what got through: nothing should.

    python ops/attack.py 2000 --seed 7

Hostile requests go to every address on a scratch database, on the server that DATABASE_URL names or on SQLite; forged
rows into that database; crooked bytes to the real server. `faq/tests/hostile.py` has the payloads and the verdicts.
The same seed sends the same requests. Ends with 1 if anything got through.
"""

import argparse
import os
import random
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ["DJANGO_SETTINGS_MODULE"] = "kb_site.settings_test"

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import setup_databases, setup_test_environment, teardown_databases  # noqa: E402
from tqdm import tqdm  # noqa: E402

from faq.tests import hostile  # noqa: E402
from faq.tests.conftest import import_text  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", type=int, nargs="?", default=10_000, help="number of hostile requests")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    print(f"{options.size:,} hostile requests on {connection.vendor}, seed {options.seed}.\n")
    setup_test_environment()
    before = setup_databases(verbosity=0, interactive=False)
    try:
        log, forgeries = on_the_database(options.size, random.Random(options.seed))
    finally:
        teardown_databases(before, verbosity=0)
    log += hostile.on_the_server()
    print(f"{'kind':12} {'sent':>7} {'2xx, 3xx':>9} {'4xx':>7} {'5xx':>5} {'slowest':>9} {'faults':>7}")
    for kind in dict.fromkeys(row[0] for row in log):
        rows = [row for row in log if row[0] == kind]
        classes = Counter(max(row[1] // 100, 3) for row in rows)
        numbers = f"{len(rows):7,} {classes[3]:9,} {classes[4]:7,} {classes[5]:5} {max(row[2] for row in rows):7.2f} s"
        print(f"{kind:12} {numbers} {sum(len(row[3]) for row in rows):7}")
    counts = Counter(verdict for _, verdict in forgeries)
    print("forged rows  " + ", ".join(f"{count:,} {verdict}" for verdict, count in counts.most_common()))
    faults = [f"{fault}\n    {row[4]}" for row in log for fault in row[3]]
    faults += [f"unnoticed: {statement}" for statement, verdict in forgeries if verdict == "unnoticed"]
    print(f"\nGot through: {len(faults)}", *faults[:30], sep="\n  ")
    return 1 if faults else 0


def on_the_database(size, chance):
    with hostile.log_lines() as stream, hostile.undone():
        attack = hostile.Attack(chance, import_text(publish=True).collection)
        unreached = attack.visit(["superuser", "reader"])
        print(f"{len(attack.routes)} patterns of addresses, {len(attack.forms)} forms. Never reached:", *unreached, "")
        for _ in tqdm(attack.run(size), total=size, disable=None, unit=" requests"):
            pass
        connection.check_constraints()
        forgeries = [hostile.forge(chance) for _ in range(size // 5)]
    attack.log.append(("log", 200, 0, hostile.forged_lines(stream), "the log"))
    return attack.log, forgeries


if __name__ == "__main__":
    sys.exit(main())
