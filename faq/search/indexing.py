"""Build the search index from live editions, and from the tags and topics of public questions.

`publishing` calls `index` in its transaction; `signals` calls it when tags and topics change, and when a fixture is
loaded. This module never reads a working copy.
"""

from collections import Counter, defaultdict

from django.db import transaction
from django.db.models import Sum

from faq.answers import content as contents
from faq.models import Question, QuestionTag, SearchKey, SearchText, SearchWord

from . import query_parser, typos
from .errors import index_errors
from .stemming import stem

BATCH_SIZE = 500
FIELDS = ("title", "short", "labels", "found_by", "points")
MAX_TEXT = 200_000
"""Characters of one field. A `tsvector` of PostgreSQL is limited to one megabyte."""


@index_errors()
@transaction.atomic(savepoint=False)
def index(questions):
    """Update the index rows of `questions`. Load them with `live`. Removes questions that are not public."""
    questions = list(questions)
    for start in range(0, len(questions), BATCH_SIZE):
        _index(questions[start : start + BATCH_SIZE])


def index_ids(ids):
    """Update the index rows of the public questions with these ids."""
    index(locked(Question.objects.public().filter(pk__in=ids)))


def locked(questions):
    """Lock a queryset of questions until the transaction ends, and yield them with `live`.

    The lock makes simultaneous updates of the index sequential, so that the last one sees the latest rows. See
    `working_copy.locked` for the order of lock and read."""
    keys = questions.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk", flat=True)
    yield from Question.objects.filter(pk__in=list(keys)).select_related("live").order_by("pk")


def build_text(question, found_by):
    """Return the unsaved `SearchText` of a public question. `found_by` are the texts of its tags and topics."""
    content = question.live.content
    texts = {
        "title": [content.question],
        "short": [content.short_answer],
        "labels": [block.label for block in content.blocks],
        "found_by": sorted(found_by),
        "points": [contents.said(block) for block in content.blocks],
    }
    tokens = {name: [query_parser.words(line) for line in lines] for name, lines in texts.items()}
    distinct = {word for lines in tokens.values() for line in lines for word in line}
    stemmed = {name: "\n".join(" ".join(map(stem, line)) for line in lines) for name, lines in tokens.items()}
    return SearchText(
        question=question,
        edition=question.live,
        words=" ".join(sorted(distinct)),
        **{name: text[:MAX_TEXT] for name, text in stemmed.items()},
    )


def build_texts(questions):
    """Return the unsaved `SearchText` objects of public questions."""
    names = defaultdict(set)
    ids = [question.pk for question in questions]
    for pk, name in QuestionTag.objects.filter(content_object__in=ids).values_list("content_object", "tag__name"):
        names[pk].add(name)
    topics = Question.topics.through.objects.filter(question__in=ids)
    for pk, *words in topics.values_list("question", "topic__name", "topic__description"):
        names[pk].update(words)
    return [build_text(question, names[question.pk]) for question in questions]


def _index(questions):
    ids = [question.pk for question in questions]
    before = dict(SearchText.objects.filter(question__in=ids).values_list("question", "words"))
    new = build_texts([question for question in questions if question.live_id])
    removed = before.keys() - {row.question_id for row in new}
    if removed:
        SearchText.objects.filter(question__in=removed).delete()
    SearchText.objects.bulk_create(
        new, update_conflicts=True, unique_fields=["question"], update_fields=["edition", "words", *FIELDS]
    )
    _update_counts(before.values(), [row.words for row in new])


def _update_counts(before, after):
    """Insert the differences in word counts between the texts `before` and `after`."""
    questions, firsts = Counter(), Counter()
    for change, texts in ((Counter.subtract, before), (Counter.update, after)):
        for words, first_words in map(countable, texts):
            change(questions, words)
            change(firsts, first_words)
    changed = [word for word in questions if questions[word] or firsts[word]]
    insert_words((word, stem(word), questions[word], firsts[word]) for word in changed)
    note_keys({word for word in changed if questions[word] > 0 and word})


def insert_words(counts):
    """Insert `SearchWord` rows from (word, stem, questions, firsts)."""
    names = ("word", "stem", "questions", "firsts")
    SearchWord.objects.bulk_create((SearchWord(**dict(zip(names, row, strict=True))) for row in counts), BATCH_SIZE)


def countable(text):
    """Return the words to count in an indexed text, and the subset with one word for each stem.

    The empty word in both counts the text itself."""
    words = ["", *text.split()]
    first_by_stem = {stem(word): word for word in reversed(words)}
    return words, set(first_by_stem.values())


def note_keys(words):
    """Insert the missing `SearchKey` rows of these words."""
    existing = set()
    words = sorted(words)
    for start in range(0, len(words), BATCH_SIZE):
        existing.update(
            SearchKey.objects.filter(word__in=words[start : start + BATCH_SIZE])
            .values_list("word", flat=True)
            .distinct()
        )
    SearchKey.objects.bulk_create(
        (SearchKey(key=key, word=word) for word in words if word not in existing for key in sorted(typos.keys(word))),
        BATCH_SIZE,
    )


def frequencies(stems):
    """Return the number of indexed questions for each stem, and in total: ``{stem: int}, int``."""
    rows = SearchWord.objects.filter(stem__in=["", *stems]).values_list("stem").annotate(Sum("firsts"))
    counts = {root: count for root, count in rows if count > 0}
    return counts, counts.pop("", 0)
