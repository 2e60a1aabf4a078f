"""Find candidates with PostgreSQL's full-text search.

`install` adds a generated `tsvector` column with weights to `faq_searchtext`, and a GIN index on it. A GIN index
stores no weights, so a search for a common word in titles would read every text with that word; titles therefore have
an index of their own.

Words are normalized and stemmed before they are stored (see `query_parser` and `stemming`), and `typos` corrects
misspelled words. The text search configuration is therefore “simple”, and the database user needs no permission to
create the extensions `unaccent` and `pg_trgm`."""

from contextlib import contextmanager

from django.db import connection, transaction

from .ranking import FOUND_BY, LABELS, POINTS, SHORT, TITLE, WEIGHTS

OUTER_ID = "faq_searchtext.question_id"
"""The SQL name of the question's id, for the argument `within` of `candidates`."""

_CLASSES = {TITLE: "A", SHORT: "B", LABELS: "B", FOUND_BY: "C", POINTS: "D"}
_IN_TITLE = f":{_CLASSES[TITLE]}"  # stems have no colon
_COLUMN = " || ".join(
    f"setweight(to_tsvector('simple'::regconfig, {name}), '{weight}')" for name, weight in _CLASSES.items()
)
_TITLE = f"to_tsvector('simple'::regconfig, {TITLE})"


def install(cursor):
    """Add column and indexes, if they are not there. The database fills them.

    A migration that changes a column of `faq_searchtext` has to drop `vector` first; it comes back here."""
    if not in_line(cursor):
        cursor.execute(f"ALTER TABLE faq_searchtext ADD COLUMN vector tsvector GENERATED ALWAYS AS ({_COLUMN}) STORED")
        cursor.execute("CREATE INDEX faq_searchtext_vector ON faq_searchtext USING gin (vector)")
    cursor.execute("SELECT to_regclass('faq_searchtext_title')")
    if cursor.fetchone() == (None,):
        cursor.execute(f"CREATE INDEX faq_searchtext_title ON faq_searchtext USING gin ({_TITLE})")


def refill(cursor):
    """Do nothing: PostgreSQL updates the generated column."""


def in_line(cursor):
    """Whether column and index are there; then they are right."""
    columns = connection.introspection.get_table_description(cursor, "faq_searchtext")
    return "vector" in [column.name for column in columns]


def words(stems, column=None):
    """Return the condition that these stems are adjacent, in one column or anywhere. (Stems are alphanumeric.)

    Do not combine a condition on the title with conditions on other columns."""
    weight = f":{_CLASSES[column]}" if column else ""
    return "(" + " <-> ".join(f"'{word}'{weight}" for word in stems) + ")"


def all_of(conditions):
    return " & ".join(conditions)


def any_of(conditions):
    return " | ".join(conditions)


def candidates(condition, within, limit, looked_at):
    """Return the ids of at most `limit` questions that match, sorted by `ts_rank`; at most `looked_at` are ranked.

    `within` is None or (SQL, parameters) of an additional condition on `OUTER_ID`."""
    extra, parameters = within or ("true", [])
    anywhere = condition.replace(_IN_TITLE, "")
    vector = "vector" if anywhere == condition else _TITLE
    weights = ", ".join(str(WEIGHTS[name] / WEIGHTS[TITLE]) for name in (POINTS, FOUND_BY, LABELS, TITLE))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT question_id FROM (SELECT question_id, vector FROM faq_searchtext "  # noqa: S608
            f"WHERE {vector} @@ to_tsquery('simple', %s) AND {extra} LIMIT %s) AS found "
            f"ORDER BY ts_rank('{{{weights}}}', vector, to_tsquery('simple', %s)) DESC, question_id LIMIT %s",
            [anywhere, *parameters, looked_at, condition, limit],
        )
        return [pk for (pk,) in cursor.fetchall()]


@contextmanager
def impatient():
    """Let a write in this block fail after 100 ms instead of waiting for a lock."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 100")
        yield
