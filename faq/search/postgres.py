"""Finding candidates with PostgreSQL's full-text search.

A generated column of `faq_searchtext` holds the words with their weights, and a GIN index on it is all that is asked;
but for titles, which have a small index of their own: a GIN index knows no weights, so what has a common word in its
title would be looked for in all texts that have it anywhere.
The words are folded and stemmed before they are stored (see `reading` and `stemming`) and mistyped ones are found by
`typos`, so neither `unaccent` nor `pg_trgm` is needed: the site's database user may be one that creates no extension.
The configuration “simple” takes words as they are."""

from contextlib import contextmanager

from django.db import connection, transaction

from .ranking import FOUND_BY, LABELS, POINTS, SHORT, TITLE, WEIGHTS

OUTER_ID = "faq_searchtext.question_id"
"""The question's id, for a condition within `candidates`."""

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
    """Nothing to do: the database keeps the column itself."""


def in_line(cursor):
    """Whether column and index are there; then they are right."""
    columns = connection.introspection.get_table_description(cursor, "faq_searchtext")
    return "vector" in [column.name for column in columns]


def words(stems, column=None):
    """The condition that these stems stand side by side. (Stems are letters and digits alone.)

    What asks for titles must not be joined with what asks for other texts, too."""
    weight = f":{_CLASSES[column]}" if column else ""
    return "(" + " <-> ".join(f"'{word}'{weight}" for word in stems) + ")"


def all_of(conditions):
    return " & ".join(conditions)


def any_of(conditions):
    return " | ".join(conditions)


def candidates(condition, within, limit, looked_at):
    """Ids of at most `limit` questions that fulfil the condition, the best by `ts_rank` first, among `looked_at`.

    `within` is None or (SQL, parameters) of a condition on `OUTER_ID`."""
    also, parameters = within or ("true", [])
    anywhere = condition.replace(_IN_TITLE, "")
    place = "vector" if anywhere == condition else _TITLE
    weights = ", ".join(str(WEIGHTS[name] / WEIGHTS[TITLE]) for name in (POINTS, FOUND_BY, LABELS, TITLE))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT question_id FROM (SELECT question_id, vector FROM faq_searchtext "  # noqa: S608
            f"WHERE {place} @@ to_tsquery('simple', %s) AND {also} LIMIT %s) AS found "
            f"ORDER BY ts_rank('{{{weights}}}', vector, to_tsquery('simple', %s)) DESC, question_id LIMIT %s",
            [anywhere, *parameters, looked_at, condition, limit],
        )
        return [pk for (pk,) in cursor.fetchall()]


@contextmanager
def impatient():
    """Let a write fail soon that would have to wait for another one."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = 100")
        yield
