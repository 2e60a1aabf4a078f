#!/usr/bin/env python3
"""Measure how good the search is on the questions of the seed, compared with simpler searches: `make relevance`.

    python ops/relevance.py    a table for the database in DATABASE_URL, else for SQLite

The script creates a scratch database, as the tests do, and removes it at the end.
"""

import io
import os
import sqlite3
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SEED = ROOT / "seeds" / "wyoming-courts-ice.txt"
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "kb_site.settings_test"

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import Q  # noqa: E402
from django.test.utils import setup_databases, teardown_databases  # noqa: E402

from faq.answers import content as contents  # noqa: E402
from faq.models import Question  # noqa: E402
from faq.search import query_parser  # noqa: E402
from faq.search.search import Search  # noqa: E402
from faq.tests.relevance import MEASURES, measure, queries  # noqa: E402


def this_search(words):
    search = Search(words)
    return [q.number for q in search.ranked(search.within(Question.objects.public().for_list()))[:10]]


def icontains(words):
    """The usual first search in Django: the answer contains every word; in the order of the list."""
    found = Question.objects.public().in_order()
    for word in words.split():
        found = found.filter(Q(live__content__icontains=word))
    return list(found.values_list("number", flat=True)[:10])


def bare_fts5():
    """FTS5 of SQLite: one column, its Porter stemmer, any of the words, bm25."""
    memory = sqlite3.connect(":memory:")
    memory.execute("CREATE VIRTUAL TABLE bare USING fts5(words, tokenize='porter unicode61 remove_diacritics 2')")
    rows = ((number, contents.plain(content)) for number, content in _texts())
    memory.executemany("INSERT INTO bare(rowid, words) VALUES (?, ?)", rows)

    def find(words):
        match = " OR ".join(f'"{word}"' for word in query_parser.words(words))
        return [
            n for (n,) in memory.execute("SELECT rowid FROM bare WHERE bare MATCH ? ORDER BY rank LIMIT 10", [match])
        ]

    return find


def bare_postgresql():
    """Full-text search of PostgreSQL: its English configuration, any of the words, ts_rank."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE bare (number integer, vector tsvector)")
        for number, content in _texts():
            cursor.execute(
                "INSERT INTO bare VALUES (%s, to_tsvector('english', %s))", [number, contents.plain(content)]
            )

    def find(words):
        match = " | ".join(f"'{word}'" for word in query_parser.words(words))
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT number FROM bare, to_tsquery('english', %s) AS query WHERE vector @@ query "
                "ORDER BY ts_rank(vector, query) DESC, number LIMIT 10",
                [match],
            )
            return [n for (n,) in cursor.fetchall()]

    return find


def _texts():
    return list(Question.objects.public().in_order().values_list("number", "live__content"))


def table(half, searches):
    entries = queries(half)
    print(f"{half} half, {len(entries)} searches".ljust(34) + "".join(name.rjust(11) for name in MEASURES))
    for name, find in searches.items():
        figures = measure(entries, find)
        print(f"  {name}".ljust(34) + "".join(f"{figures[one]:11.3f}" for one in MEASURES))
    for kind in dict.fromkeys(entry["kind"] for entry in entries):
        some = [entry for entry in entries if entry["kind"] == kind]
        figures = measure(some, this_search)
        print(f"    this search: {kind} ({len(some)})".ljust(34) + "".join(f"{figures[one]:11.3f}" for one in MEASURES))
    print()


def main():
    old = setup_databases(verbosity=0, interactive=False)
    try:
        call_command("import_seed", SEED, publish=True, verbosity=0, stdout=io.StringIO())
        searches = {"icontains": icontains, "bare FTS5, bm25": bare_fts5()}
        if connection.vendor == "postgresql":
            searches["bare PostgreSQL, ts_rank"] = bare_postgresql()
        searches[f"this search on {connection.display_name}"] = this_search
        for half in ("tuned", "untouched"):
            table(half, searches)
    finally:
        teardown_databases(old, verbosity=0)


if __name__ == "__main__":
    main()
