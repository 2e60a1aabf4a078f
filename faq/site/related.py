"""Beside one answer: its topics and keywords, the questions before and after it, and those to read next."""

from collections import Counter

from django.db.models import CharField, OuterRef, Subquery, Value
from taggit.models import Tag

from faq.models import Question, Topic

RELATED = 5
"""Questions to read next."""
NEAR = 200
"""How far away in its collection a question of the same topic is looked for."""


def with_neighbours(question):
    """The queryset of one question, with `previous_id` and `next_id`: the public ones beside it in its collection."""
    public = Question.objects.public().filter(collection=OuterRef("collection"))
    before = public.filter(number__lt=OuterRef("number")).order_by("-number")
    after = public.filter(number__gt=OuterRef("number")).order_by("number")
    return question.annotate(previous_id=Subquery(before.values("pk")[:1]), next_id=Subquery(after.values("pk")[:1]))


def beside(question):
    """What a page shows beside a question `with_neighbours`: ``{"topics", "tags", "previous", "next", "related"}``.

    Related are the questions that editors chose, else others of the same topics, the nearest first."""
    topics, tags, chosen = _labels(question)
    related = (chosen or _same_topic(question, topics))[:RELATED]
    wanted = [question.previous_id, question.next_id, *related]
    rows = {row.pk: row for row in Question.objects.public().for_list().filter(pk__in=wanted)}
    return {
        "topics": topics,
        "tags": tags,
        "previous": rows.get(question.previous_id),
        "next": rows.get(question.next_id),
        "related": [rows[pk] for pk in related if pk in rows],
    }


def _labels(question):
    """The question's topics and tags, and the keys of the questions that editors chose, in one query."""
    nothing = Value("", output_field=CharField())
    parts = [
        question.topics.order_by().values_list(Value("topic"), "pk", "slug", "name", "position"),
        question.tags.order_by().values_list(Value("tag"), "pk", "slug", "name", Value(0)),
        question.related.public().order_by().values_list(Value("chosen"), "pk", nothing, nothing, "number"),
    ]
    found = sorted(parts[0].union(*parts[1:], all=True), key=lambda row: (row[4], row[3], row[1]))
    return (
        [Topic(pk=pk, slug=slug, name=name) for kind, pk, slug, name, _ in found if kind == "topic"],
        [Tag(pk=pk, slug=slug, name=name) for kind, pk, slug, name, _ in found if kind == "tag"],
        [pk for kind, pk, *_ in found if kind == "chosen"],
    )


def _same_topic(question, topics):
    """Keys of public questions that share topics: those nearby that share most, then others of the first topic."""
    others = Question.topics.through.objects.filter(question__live__isnull=False).exclude(question=question)
    numbers = (question.number - NEAR, question.number + NEAR)
    near = others.filter(topic__in=topics, question__collection=question.collection_id, question__number__range=numbers)
    shared = Counter(near.values_list("question", "question__number"))
    keys = sorted(shared, key=lambda row: (-shared[row], abs(row[1] - question.number), row[1]))
    found = [pk for pk, _ in keys]
    if topics and len(found) < RELATED:
        elsewhere = others.filter(topic=topics[0]).order_by("question_id").values_list("question", flat=True)
        found += [pk for pk in elsewhere[:RELATED] if pk not in found]
    return found
