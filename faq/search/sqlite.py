"""Find candidates with SQLite's FTS5.

`faq_search` is an external content table on `faq_searchtext`. Triggers update it. Both are created after each
`migrate`, because a migration that rebuilds `faq_searchtext` drops the triggers. Words are stemmed before they are
stored (see `stemming`), so the tokenizer only splits them."""

from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

from .ranking import WEIGHTS

OUTER_ID = "faq_search.rowid"
"""The SQL name of the question's id, for the argument `within` of `candidates`."""

_COLUMNS = ", ".join(WEIGHTS)
_TABLE = (
    f"CREATE VIRTUAL TABLE faq_search USING fts5({_COLUMNS}, content='faq_searchtext', content_rowid='question_id', "
    'tokenize="unicode61 remove_diacritics 0")'
)
_OLD, _NEW = (", ".join(f"{row}.{name}" for name in WEIGHTS) for row in ("old", "new"))
_DELETE = f"INSERT INTO faq_search(faq_search, rowid, {_COLUMNS}) VALUES ('delete', old.question_id, {_OLD});"  # noqa: S608
_INSERT = f"INSERT INTO faq_search(rowid, {_COLUMNS}) VALUES (new.question_id, {_NEW});"  # noqa: S608
_TRIGGERS = {
    "faq_search_insert": f"AFTER INSERT ON faq_searchtext BEGIN {_INSERT} END",
    "faq_search_delete": f"AFTER DELETE ON faq_searchtext BEGIN {_DELETE} END",
    "faq_search_update": f"AFTER UPDATE ON faq_searchtext BEGIN {_DELETE} {_INSERT} END",
}


def install(cursor):
    """Create the current table and triggers, and fill the table if it is new."""
    cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'faq_search'")
    found = cursor.fetchone()
    if found != (_TABLE,):
        cursor.execute("DROP TABLE IF EXISTS faq_search")
        cursor.execute(_TABLE)
        refill(cursor)
    for name, rule in _TRIGGERS.items():
        cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        cursor.execute(f"CREATE TRIGGER {name} {rule}")


def refill(cursor):
    """Rebuild the full-text index from `faq_searchtext`."""
    cursor.execute("INSERT INTO faq_search(faq_search) VALUES ('rebuild')")


def in_line(cursor):
    """Whether the full-text index agrees with `faq_searchtext`."""
    try:
        with transaction.atomic():
            cursor.execute("INSERT INTO faq_search(faq_search, rank) VALUES ('integrity-check', 1)")
    except DatabaseError:
        return False
    return True


def words(stems, column=None):
    """Return the condition that these stems are adjacent, in one column or anywhere. (Stems are alphanumeric.)"""
    phrase = '"' + " ".join(stems) + '"'
    return f"({column} : {phrase})" if column else f"({phrase})"


def all_of(conditions):
    return " AND ".join(conditions)


def any_of(conditions):
    return " OR ".join(conditions)


def candidates(condition, within, limit, looked_at):
    """Return the ids of at most `limit` questions that match, sorted by bm25; at most `looked_at` are ranked.

    `within` is None or (SQL, parameters) of an additional condition on `OUTER_ID`. SQLite evaluates it for each match;
    with `rowid IN (…)` it would query the full-text index once for each row of the subquery."""
    extra, parameters = within or ("1", [])
    weights = ", ".join(map(str, WEIGHTS.values()))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM (SELECT rowid AS id, bm25(faq_search, {weights}) AS score FROM faq_search "  # noqa: S608
            f"WHERE faq_search MATCH %s AND {extra} LIMIT %s) ORDER BY score, id LIMIT %s",
            [condition, *parameters, looked_at, limit],
        )
        return [pk for (pk,) in cursor.fetchall()]


@contextmanager
def impatient():
    """Let a write in this block fail after 100 ms instead of waiting for a lock."""
    with connection.cursor() as cursor:
        timeout = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute("PRAGMA busy_timeout = 100")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout}")
