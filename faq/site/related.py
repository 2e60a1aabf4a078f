"""Links on the page of a question: topics, keywords, the previous and next question, and related questions."""

from collections import Counter

from django.db.models import CharField, OuterRef, Subquery, Value
from taggit.models import Tag

from faq.models import Question, Topic

MAX_RELATED = 5
MAX_DISTANCE = 200
"""Distance in numbers up to which questions of the same topics are considered."""


def with_neighbours(question):
    """Annotate a queryset of one question with `previous_id` and `next_id`, its public neighbours in the collection."""
    public = Question.objects.public().filter(collection=OuterRef("collection"))
    before = public.filter(number__lt=OuterRef("number")).order_by("-number")
    after = public.filter(number__gt=OuterRef("number")).order_by("number")
    return question.annotate(previous_id=Subquery(before.values("pk")[:1]), next_id=Subquery(after.values("pk")[:1]))


def links(question):
    """Return ``{"topics", "tags", "previous", "next", "related"}`` of a question `with_neighbours`.

    Related are the questions that editors chose, or else others of the same topics, the nearest first."""
    topics, tags, chosen = _labels(question)
    related = (chosen or _same_topic(question, topics))[:MAX_RELATED]
    keys = [question.previous_id, question.next_id, *related]
    rows = {row.pk: row for row in Question.objects.public().for_list().filter(pk__in=keys)}
    return {
        "topics": topics,
        "tags": tags,
        "previous": rows.get(question.previous_id),
        "next": rows.get(question.next_id),
        "related": [rows[pk] for pk in related if pk in rows],
    }


def _labels(question):
    """Return the topics, the tags, and the keys of the related questions that editors chose, in one query."""
    empty = Value("", output_field=CharField())
    parts = [
        question.topics.order_by().values_list(Value("topic"), "pk", "slug", "name", "position"),
        question.tags.order_by().values_list(Value("tag"), "pk", "slug", "name", Value(0)),
        question.related.public().order_by().values_list(Value("chosen"), "pk", empty, empty, "number"),
    ]
    found = sorted(parts[0].union(*parts[1:], all=True), key=lambda row: (row[4], row[3], row[1]))
    return (
        [Topic(pk=pk, slug=slug, name=name) for kind, pk, slug, name, _ in found if kind == "topic"],
        [Tag(pk=pk, slug=slug, name=name) for kind, pk, slug, name, _ in found if kind == "tag"],
        [pk for kind, pk, *_ in found if kind == "chosen"],
    )


def _same_topic(question, topics):
    """Return the keys of questions with the same topics: near ones that share most, then others of the first topic."""
    others = Question.topics.through.objects.filter(question__live__isnull=False).exclude(question=question)
    numbers = (question.number - MAX_DISTANCE, question.number + MAX_DISTANCE)
    near = others.filter(topic__in=topics, question__collection=question.collection_id, question__number__range=numbers)
    shared = Counter(near.values_list("question", "question__number"))
    keys = sorted(shared, key=lambda row: (-shared[row], abs(row[1] - question.number), row[1]))
    found = [pk for pk, _ in keys]
    if topics and len(found) < MAX_RELATED:
        elsewhere = others.filter(topic=topics[0]).order_by("question_id").values_list("question", flat=True)
        found += [pk for pk in elsewhere[:MAX_RELATED] if pk not in found]
    return found
