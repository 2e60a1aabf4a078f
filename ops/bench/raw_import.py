"""What importing could cost at the least: the rows of a filled data set, by `executemany`, in one transaction.

    python -m ops.bench.raw_import FILLED.sqlite3 EMPTY.sqlite3       all rows of the site, into the site's own tables
    python -m ops.bench.raw_import FILLED.sqlite3 EMPTY.sqlite3 points   questions and points alone, into plain tables

Prints the seconds of processor time. Rows are read into memory before the clock starts. The site's tables have their
indexes, triggers and the full-text index that follows them, as the import has; foreign keys are not looked at.
"""

import sqlite3
import sys
import time
from contextlib import closing

PLAIN = {"faq_question": "number, text", "faq_answerpoint": "question_id, key, position, kind, depth, label, text"}


def main(filled, empty, what="all"):
    with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(empty)) as target:
        target.execute("PRAGMA journal_mode=WAL")
        target.execute("PRAGMA synchronous=NORMAL")
        spent = 0.0
        for table, columns in _tables(source, target) if what == "all" else PLAIN.items():
            rows = source.execute(f"SELECT {columns} FROM {table}").fetchall()
            if what == "points":
                target.execute(f"CREATE TABLE plain_{table} (id INTEGER PRIMARY KEY, {columns})")
                table = f"plain_{table}"
            marks = ", ".join("?" * len(columns.split(",")))
            began = time.process_time()
            target.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)
            spent += time.process_time() - began
        began = time.process_time()
        target.commit()
        print(round(spent + time.process_time() - began, 3))


def _tables(source, target):
    """Tables that the import filled: those of the site that are empty where nothing was imported."""
    names = source.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' "
        "AND (name LIKE 'faq!_%' ESCAPE '!' OR name = 'taggit_tag') "
        "AND name NOT LIKE 'faq!_search' ESCAPE '!' AND name NOT LIKE 'faq!_search!_%' ESCAPE '!'"
    ).fetchall()
    for (name,) in names:
        if target.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is None:
            columns = [f'"{row[1]}"' for row in source.execute(f"PRAGMA table_info({name})")]
            yield name, ", ".join(columns)


if __name__ == "__main__":
    main(*sys.argv[1:])
