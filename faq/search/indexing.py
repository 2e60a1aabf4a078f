"""What search finds: the live editions by their words, kept in line with what is public.

`index` is called by `publishing` in the transaction that makes something public; `following` calls it when tags and
topics change and when a fixture is loaded. Nothing but live editions, and the tags and topics of public questions, is
ever read here.
"""

from collections import Counter, defaultdict

from django.db import transaction
from django.db.models import Sum

from faq.answers import content as contents
from faq.models import Question, QuestionTag, SearchKey, SearchText, SearchWord

from . import query_parser, typos
from .errors import index_errors
from .stemming import stem

BATCH = 500
FIELDS = ("title", "short", "labels", "found_by", "points")
MAX_TEXT = 200_000
"""Of one field, in characters: PostgreSQL takes at most a megabyte of words for one row."""


@index_errors()
@transaction.atomic(savepoint=False)
def index(questions):
    """Bring the index in line with the live editions of `questions` (rows with `live` at hand)."""
    questions = list(questions)
    for start in range(0, len(questions), BATCH):
        _index(questions[start : start + BATCH])


def index_ids(ids):
    """The same for the public ones among questions that are known by their ids."""
    index(held(Question.objects.public().filter(pk__in=ids)))


def held(questions):
    """The queryset with the live editions, held until the transaction ends: who indexes last has seen what is last.

    First the lock, then the rows: see `working_copy.locked`."""
    keys = questions.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk", flat=True)
    yield from Question.objects.filter(pk__in=list(keys)).select_related("live").order_by("pk")


def entry(question, found_by):
    """The unsaved `SearchText` of a question with a live edition, found also by these words of tags and topics."""
    content = question.live.content
    texts = {
        "title": [content.question],
        "short": [content.short_answer],
        "labels": [block.label for block in content.blocks],
        "found_by": sorted(found_by),
        "points": [contents.said(block) for block in content.blocks],
    }
    read = {name: [query_parser.words(line) for line in lines] for name, lines in texts.items()}
    every = {word for lines in read.values() for line in lines for word in line}
    stemmed = {name: "\n".join(" ".join(map(stem, line)) for line in lines) for name, lines in read.items()}
    return SearchText(
        question=question,
        edition=question.live,
        words=" ".join(sorted(every)),
        **{name: text[:MAX_TEXT] for name, text in stemmed.items()},
    )


def entries(questions):
    """The unsaved `SearchText`s of questions with live editions."""
    names = defaultdict(set)
    ids = [question.pk for question in questions]
    for pk, name in QuestionTag.objects.filter(content_object__in=ids).values_list("content_object", "tag__name"):
        names[pk].add(name)
    topics = Question.topics.through.objects.filter(question__in=ids)
    for pk, *words in topics.values_list("question", "topic__name", "topic__description"):
        names[pk].update(words)
    return [entry(question, names[question.pk]) for question in questions]


def _index(questions):
    ids = [question.pk for question in questions]
    before = dict(SearchText.objects.filter(question__in=ids).values_list("question", "words"))
    new = entries([question for question in questions if question.live_id])
    gone = before.keys() - {row.question_id for row in new}
    if gone:
        SearchText.objects.filter(question__in=gone).delete()
    SearchText.objects.bulk_create(
        new, update_conflicts=True, unique_fields=["question"], update_fields=["edition", "words", *FIELDS]
    )
    _count(before.values(), [row.words for row in new])


def _count(before, after):
    """Note which words went with the texts `before` and came with the texts `after`."""
    questions, firsts = Counter(), Counter()
    for note, texts in ((Counter.subtract, before), (Counter.update, after)):
        for words, first_words in map(countable, texts):
            note(questions, words)
            note(firsts, first_words)
    changed = [word for word in questions if questions[word] or firsts[word]]
    insert_words((word, stem(word), questions[word], firsts[word]) for word in changed)
    note_keys({word for word in changed if questions[word] > 0 and word})


def insert_words(counts):
    """Add rows of (word, stem, questions, firsts)."""
    names = ("word", "stem", "questions", "firsts")
    SearchWord.objects.bulk_create((SearchWord(**dict(zip(names, row, strict=True))) for row in counts), BATCH)


def countable(text):
    """The words of an indexed text with an empty one for the text, and those that are the first with their stem."""
    words = ["", *text.split()]
    backwards = words[::-1]
    return words, set(dict(zip(map(stem, backwards), backwards, strict=True)).values())


def note_keys(words):
    """Let these words be found where they are mistyped."""
    known = set()
    words = sorted(words)
    for start in range(0, len(words), BATCH):
        known.update(
            SearchKey.objects.filter(word__in=words[start : start + BATCH]).values_list("word", flat=True).distinct()
        )
    SearchKey.objects.bulk_create(
        (SearchKey(key=key, word=word) for word in words if word not in known for key in sorted(typos.keys(word))),
        BATCH,
    )


def frequencies(stems):
    """In how many indexed questions each of these stems stands, and how many there are: ``{stem: int}, int``."""
    found = SearchWord.objects.filter(stem__in=["", *stems]).values_list("stem").annotate(Sum("firsts"))
    counts = {root: count for root, count in found if count > 0}
    return counts, counts.pop("", 0)
