"""Makes the index anew from what is public, and finds out whether that is needed."""

from django.db import connections, transaction
from django.db.models import Sum

from faq.models import Question, SearchKey, SearchText, SearchWord

from . import indexing, postgres, sqlite
from .finding import engine

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

    In small transactions, so that nobody waits for long; only the words are summed up in one that writers wait for.
    `progress` wraps the iteration over batches of ids."""
    connection = connections["default"]
    with connection.cursor() as cursor:
        if not engine().in_line(cursor):  # SQLite could not even change a row of it
            engine().refill(cursor)
    ids = list(Question.objects.order_by("pk").values_list("pk", flat=True))
    for part in progress(range(0, len(ids), BATCH)):
        with transaction.atomic():
            indexing.index(Question.objects.filter(pk__in=ids[part : part + BATCH]).select_related("live"))
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("LOCK TABLE faq_searchtext IN SHARE ROW EXCLUSIVE MODE")
        _sum_up_words()
    return SearchText.objects.count()


def _sum_up_words():
    """One row for each word, as the texts say, and keys for these words alone."""
    words = _words_of_texts()
    SearchWord.objects.all().delete()
    SearchKey.objects.all().delete()
    indexing.insert_words((word, root, number, firsts) for (word, root), (number, firsts) in sorted(words.items()))
    indexing.note_keys({word for word, _ in words if word})


def _words_of_texts():
    """``{(word, stem): [questions, firsts]}``."""
    found = {}
    for text in SearchText.objects.values_list("words", flat=True).iterator(BATCH):
        for word, root, first in indexing.countable(text):
            pair = found.setdefault((word, root), [0, 0])
            pair[0] += 1
            pair[1] += first
    return found


def drift():
    """Sentences about what in the index differs from what is public; none if all is well."""
    found, wrong = [], []
    public = Question.objects.public().select_related("live").order_by("pk")
    indexed = set(SearchText.objects.values_list("pk", flat=True))
    ids = list(public.values_list("pk", flat=True))
    stale = sorted(indexed - set(ids))
    missing = [pk for pk in ids if pk not in indexed]
    for start in range(0, len(ids), BATCH):
        rows = SearchText.objects.in_bulk(ids[start : start + BATCH])
        for right in indexing.entries(public.filter(pk__in=ids[start : start + BATCH])):
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
    counted = {
        (word, root): [questions, firsts]
        for word, root, questions, firsts in SearchWord.objects.values_list("word", "stem")
        .annotate(Sum("questions"), Sum("firsts"))
        .order_by()
        if questions or firsts
    }
    if counted != _words_of_texts():
        found.append("The words are not counted right.")
    with connections["default"].cursor() as cursor:
        if not engine().in_line(cursor):
            found.append("The database's full-text index is not in line with the texts.")
    return found


def _numbers(ids):
    """The first of these questions by collection and number."""
    some = Question.objects.filter(pk__in=ids[:10]).in_order().values_list("collection__slug", "number")
    return ", ".join(f"{slug} {number}" for slug, number in some) + (", …" if len(ids) > 10 else "")
