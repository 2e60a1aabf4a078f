"""Finding candidates with SQLite's FTS5.

The table `faq_search` has no text of its own: it reads `faq_searchtext`, and triggers there keep it in line, whoever
writes. The words are stemmed already (see `stemming`), so its tokenizer only splits them."""

from contextlib import contextmanager

from django.db import DatabaseError, connection, transaction

from .ranking import WEIGHTS

OUTER_ID = "faq_search.rowid"
"""The question's id, for a condition within `candidates`."""

_COLUMNS = ", ".join(WEIGHTS)
_TABLE = (
    f"CREATE VIRTUAL TABLE faq_search USING fts5({_COLUMNS}, content='faq_searchtext', content_rowid='question_id', "
    'tokenize="unicode61 remove_diacritics 0")'
)
_OLD, _NEW = (", ".join(f"{row}.{name}" for name in WEIGHTS) for row in ("old", "new"))
_GOES = f"INSERT INTO faq_search(faq_search, rowid, {_COLUMNS}) VALUES ('delete', old.question_id, {_OLD});"  # noqa: S608
_COMES = f"INSERT INTO faq_search(rowid, {_COLUMNS}) VALUES (new.question_id, {_NEW});"  # noqa: S608
_TRIGGERS = {
    "faq_search_insert": f"AFTER INSERT ON faq_searchtext BEGIN {_COMES} END",
    "faq_search_delete": f"AFTER DELETE ON faq_searchtext BEGIN {_GOES} END",
    "faq_search_update": f"AFTER UPDATE ON faq_searchtext BEGIN {_GOES} {_COMES} END",
}


def install(cursor):
    """Make table and triggers as they must be now, and fill the table if it is new."""
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
    """Make the full-text index anew from `faq_searchtext`."""
    cursor.execute("INSERT INTO faq_search(faq_search) VALUES ('rebuild')")


def in_line(cursor):
    """Whether the full-text index holds exactly what `faq_searchtext` says."""
    try:
        with transaction.atomic():
            cursor.execute("INSERT INTO faq_search(faq_search, rank) VALUES ('integrity-check', 1)")
    except DatabaseError:
        return False
    return True


def words(stems, column=None):
    """The condition that these stems stand side by side. (Stems are letters and digits alone.)"""
    phrase = '"' + " ".join(stems) + '"'
    return f"({column} : {phrase})" if column else f"({phrase})"


def all_of(conditions):
    return " AND ".join(conditions)


def any_of(conditions):
    return " OR ".join(conditions)


def candidates(condition, within, limit, looked_at):
    """Ids of at most `limit` questions that fulfil the condition, the best by bm25 first, among `looked_at` of them.

    `within` is None or (SQL, parameters) of a condition on `OUTER_ID`. It is looked up for each found row: the other
    way round, with `rowid IN (…)`, SQLite would ask the full-text index anew for each row."""
    also, parameters = within or ("1", [])
    weights = ", ".join(map(str, WEIGHTS.values()))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM (SELECT rowid AS id, bm25(faq_search, {weights}) AS place FROM faq_search "  # noqa: S608
            f"WHERE faq_search MATCH %s AND {also} LIMIT %s) ORDER BY place, id LIMIT %s",
            [condition, *parameters, looked_at, limit],
        )
        return [pk for (pk,) in cursor.fetchall()]


@contextmanager
def impatient():
    """Let a write fail soon that would have to wait for another one."""
    with connection.cursor() as cursor:
        usual = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute("PRAGMA busy_timeout = 100")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
