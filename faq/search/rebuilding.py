"""Rebuild the search index from public content, and report differences."""

from django.db import connections, transaction
from django.db.models import Count, Sum

from faq.models import Question, SearchKey, SearchText, SearchWord

from . import indexing, postgres, sqlite
from .search import engine
from .stemming import stem

BATCH_SIZE = indexing.BATCH_SIZE


def install(using="default", **kwargs):
    """Create what the database needs for the index, and index missing questions. Connected to `post_migrate`."""
    connection = connections[using]
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        if "faq_searchword" not in tables:
            return  # migrated to a state before this search
        part = sqlite if connection.vendor == "sqlite" else postgres
        part.install(cursor)
    if using == "default" and Question.objects.public().filter(search_text__isnull=True).exists():
        rebuild()


def rebuild(progress=iter):
    """Rebuild the index while the site is running. Returns the number of indexed questions.

    Small transactions keep locks short. `progress` wraps the iteration over batches of ids."""
    with connections["default"].cursor() as cursor:
        if not engine().in_line(cursor):  # SQLite cannot update a damaged index
            engine().refill(cursor)
    ids = list(Question.objects.order_by("pk").values_list("pk", flat=True))
    for batch in progress(_batches(ids)):
        indexing.index(indexing.locked(Question.objects.filter(pk__in=batch)))
    _merge_counts()
    indexing.insert_words((word, root, *missing) for (word, root), missing in _count_differences().items())
    _update_keys()
    return SearchText.objects.count()


def _merge_counts():
    """Replace the many count rows of a word with one, in batches of words."""
    repeated = SearchWord.objects.values("stem").annotate(rows=Count("pk")).filter(rows__gt=1).order_by()
    for batch in _batches(list(repeated.values_list("stem", flat=True)), 100):
        marks = ", ".join(["%s"] * len(batch))
        with transaction.atomic(), connections["default"].cursor() as cursor:
            # DELETE … RETURNING sums exactly the deleted rows, while other transactions insert rows.
            cursor.execute(
                f"DELETE FROM faq_searchword WHERE stem IN ({marks}) RETURNING word, stem, questions, firsts",  # noqa: S608
                batch,
            )
            sums = _add(cursor.fetchall())
            indexing.insert_words((word, root, *pair) for (word, root), pair in sums.items() if any(pair))


def _count_differences():
    """Return the differences between texts and word counts: ``{(word, stem): (questions, firsts)}``.

    One statement reads texts and counts, so that both are from the same snapshot."""
    missing = {}
    with connections["default"].chunked_cursor() as cursor:
        cursor.execute(
            "SELECT words, '', '', 0, 0 FROM faq_searchtext "
            "UNION ALL SELECT '', word, stem, sum(questions), sum(firsts) FROM faq_searchword GROUP BY word, stem"
        )
        for words, word, root, questions, firsts in cursor:
            rows = [(word, root, -questions, -firsts)] if questions or firsts else []
            if words:
                distinct, firsts = indexing.countable(words)
                rows = ((word, stem(word), 1, word in firsts) for word in distinct)
            _add(rows, missing)
    return {key: pair for key, pair in missing.items() if any(pair)}


def _add(rows, sums=None):
    """Add (word, stem, questions, firsts) rows to `sums`, ``{(word, stem): (questions, firsts)}``, and return it."""
    sums = {} if sums is None else sums
    for word, root, questions, firsts in rows:
        before = sums.get((word, root), (0, 0))
        sums[word, root] = before[0] + int(questions), before[1] + int(firsts)
    return sums


def _update_keys():
    """Make the keys agree with the indexed words."""
    counted = SearchWord.objects.values("word").annotate(Sum("questions"))
    words = {row["word"] for row in counted.order_by() if row["questions__sum"] > 0 and row["word"]}
    for batch in _batches(sorted(set(SearchKey.objects.values_list("word", flat=True).distinct()) - words)):
        SearchKey.objects.filter(word__in=batch).delete()
    for batch in _batches(sorted(words)):
        with transaction.atomic():
            indexing.note_keys(batch)


def _batches(values, size=BATCH_SIZE):
    return [values[start : start + size] for start in range(0, len(values), size)]


def drift():
    """Return sentences about differences between the index and the public content."""
    problems, wrong = [], []
    public = Question.objects.public().select_related("live").order_by("pk")
    indexed = set(SearchText.objects.values_list("pk", flat=True))
    ids = list(public.values_list("pk", flat=True))
    stale = sorted(indexed - set(ids))
    missing = [pk for pk in ids if pk not in indexed]
    for batch in _batches(ids):
        rows = SearchText.objects.in_bulk(batch)
        for expected in indexing.build_texts(public.filter(pk__in=batch)):
            row = rows.get(expected.pk)
            if row and any(
                getattr(row, name) != getattr(expected, name) for name in ("edition_id", "words", *indexing.FIELDS)
            ):
                wrong.append(expected.pk)
    for description, ids in (
        ("public and not in the index", missing),
        ("in the index and not public", stale),
        ("in the index with other words than the public sees", wrong),
    ):
        if ids:
            problems.append(f"{len(ids)} {description}: {_numbers(ids)}.")
    if _count_differences():
        problems.append("The word counts are wrong.")
    with connections["default"].cursor() as cursor:
        if not engine().in_line(cursor):
            problems.append("The database's full-text index is not in line with the texts.")
    return problems


def _numbers(ids):
    """Return collection and number of the first ten questions."""
    questions = Question.objects.filter(pk__in=ids[:10]).in_order().values_list("collection__slug", "number")
    return ", ".join(f"{slug} {number}" for slug, number in questions) + (", …" if len(ids) > 10 else "")
