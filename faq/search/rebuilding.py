"""Makes the index anew from what is public, and finds out whether that is needed."""

from django.db import connections, transaction
from django.db.models import Count, Sum

from faq.models import Question, SearchKey, SearchText, SearchWord

from . import indexing, postgres, sqlite
from .search import engine
from .stemming import stem

BATCH = indexing.BATCH


def install(using="default", **kwargs):
    """Make the database's own part of the index, and fill it where it is empty (a receiver of `post_migrate`)."""
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
    """Index everything anew while the site goes on. Returns how many questions are in the index.

    In small transactions, so that nobody waits for long. `progress` wraps the iteration over batches of ids."""
    with connections["default"].cursor() as cursor:
        if not engine().in_line(cursor):  # SQLite could not even change a row of it
            engine().refill(cursor)
    ids = list(Question.objects.order_by("pk").values_list("pk", flat=True))
    for part in progress(_batches(ids)):
        indexing.index(indexing.held(Question.objects.filter(pk__in=part)))
    _sum_up_words()
    indexing.insert_words((word, root, *missing) for (word, root), missing in _miscounted().items())
    _tidy_keys()
    return SearchText.objects.count()


def _sum_up_words():
    """Put one row in place of the many that a word has, a few words at a time."""
    many = SearchWord.objects.values("stem").annotate(rows=Count("pk")).filter(rows__gt=1).order_by()
    for part in _batches(list(many.values_list("stem", flat=True)), 100):
        marks = ", ".join(["%s"] * len(part))
        with transaction.atomic(), connections["default"].cursor() as cursor:
            # What is deleted is what is summed, whatever others add meanwhile.
            cursor.execute(
                f"DELETE FROM faq_searchword WHERE stem IN ({marks}) RETURNING word, stem, questions, firsts",  # noqa: S608
                part,
            )
            sums = _sums(cursor.fetchall())
            indexing.insert_words((word, root, *pair) for (word, root), pair in sums.items() if any(pair))


def _miscounted():
    """What is missing to the counts of words, compared with the texts: ``{(word, stem): (questions, firsts)}``.

    Texts and counts are read by one statement, so that they are of the same moment."""
    missing = {}
    with connections["default"].chunked_cursor() as cursor:
        cursor.execute(
            "SELECT words, '', '', 0, 0 FROM faq_searchtext "
            "UNION ALL SELECT '', word, stem, sum(questions), sum(firsts) FROM faq_searchword GROUP BY word, stem"
        )
        for words, word, root, questions, firsts in cursor:
            rows = [(word, root, -questions, -firsts)] if questions or firsts else []
            if words:
                every, firsts = indexing.countable(words)
                rows = ((word, stem(word), 1, word in firsts) for word in every)
            _sums(rows, missing)
    return {key: pair for key, pair in missing.items() if any(pair)}


def _sums(rows, sums=None):
    """Rows of (word, stem, questions, firsts) as ``{(word, stem): (questions, firsts)}``, added to `sums`."""
    sums = {} if sums is None else sums
    for word, root, questions, firsts in rows:
        before = sums.get((word, root), (0, 0))
        sums[word, root] = before[0] + int(questions), before[1] + int(firsts)
    return sums


def _tidy_keys():
    """Keys for all words that are indexed, and for no others."""
    counted = SearchWord.objects.values("word").annotate(Sum("questions"))
    words = {row["word"] for row in counted.order_by() if row["questions__sum"] > 0 and row["word"]}
    for part in _batches(sorted(set(SearchKey.objects.values_list("word", flat=True).distinct()) - words)):
        SearchKey.objects.filter(word__in=part).delete()
    for part in _batches(sorted(words)):
        with transaction.atomic():
            indexing.note_keys(part)


def _batches(some, size=BATCH):
    return [some[start : start + size] for start in range(0, len(some), size)]


def drift():
    """Sentences about what in the index differs from what is public; none if all is well."""
    found, wrong = [], []
    public = Question.objects.public().select_related("live").order_by("pk")
    indexed = set(SearchText.objects.values_list("pk", flat=True))
    ids = list(public.values_list("pk", flat=True))
    stale = sorted(indexed - set(ids))
    missing = [pk for pk in ids if pk not in indexed]
    for part in _batches(ids):
        rows = SearchText.objects.in_bulk(part)
        for right in indexing.entries(public.filter(pk__in=part)):
            row = rows.get(right.pk)
            if row and any(
                getattr(row, name) != getattr(right, name) for name in ("edition_id", "words", *indexing.FIELDS)
            ):
                wrong.append(right.pk)
    for what, some in (
        ("public and not in the index", missing),
        ("in the index and not public", stale),
        ("in the index with other words than the public sees", wrong),
    ):
        if some:
            found.append(f"{len(some)} {what}: {_numbers(some)}.")
    if _miscounted():
        found.append("The words are not counted right.")
    with connections["default"].cursor() as cursor:
        if not engine().in_line(cursor):
            found.append("The database's full-text index is not in line with the texts.")
    return found


def _numbers(ids):
    """The first of these questions by collection and number."""
    some = Question.objects.filter(pk__in=ids[:10]).in_order().values_list("collection__slug", "number")
    return ", ".join(f"{slug} {number}" for slug, number in some) + (", …" if len(ids) > 10 else "")
