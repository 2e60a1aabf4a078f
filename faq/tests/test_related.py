"""The neighbours of an answer, and related questions."""

import pytest
from django.utils import timezone

from faq.answers import manifest
from faq.models import Question
from faq.tests.conftest import import_text

pytestmark = pytest.mark.django_db


def town(slug, **topics):
    """Eight public questions; `topics` names the numbers that have one."""
    text = "".join(f"{n}. May I borrow book {n}?\nYes.\n" for n in range(1, 9))
    given = tuple(manifest.Topic(name, name.title(), tuple(numbers)) for name, numbers in topics.items())
    return import_text(text, manifest.Manifest(title=slug, topics=given), slug, publish=True).collection


def shown(client, number, slug="town"):
    """The (collection, number) of the questions before and after, and of those to read next."""
    context = client.get(Question.objects.get(collection__slug=slug, number=number).get_absolute_url()).context
    rows = context["previous"], context["next"], *context["related"]
    return [(row.collection.slug, row.number) if row else None for row in rows]


def withdraw(**which):
    Question.objects.filter(**which).update(live=None, withdrawn_at=timezone.now(), state="withdrawn")


def test_the_neighbours_are_the_nearest_public_ones_of_the_collection(client):
    for slug in ("other", "town"):
        town(slug)
    withdraw(collection__slug="town", number__in=[4, 6])
    assert shown(client, 5) == [("town", 3), ("town", 7)]
    assert shown(client, 1) == [None, ("town", 2)] and shown(client, 8) == [("town", 7), None]


def test_without_a_choice_of_the_editors_those_that_share_most_topics_come_first_then_the_nearest(client):
    town("town", cards=[1, 3, 4, 5, 7, 8], visits=[1, 3, 8])
    assert [number for _, number in shown(client, 3)[2:]] == [1, 8, 4, 5, 7]


def test_where_too_few_are_near_others_of_the_topic_follow(client):
    town("far", cards=[2, 6])
    town("town", cards=[1, 3, 5])
    assert shown(client, 3)[2:] == [("town", 1), ("town", 5), ("far", 2), ("far", 6)]


def test_related_questions_chosen_by_editors_replace_the_others(client):
    town("town", cards=[1, 3, 5])
    chosen = Question.objects.filter(number__in=[8, 2, 6])
    Question.objects.get(number=3).related.set(chosen)
    withdraw(number=6)
    assert [number for _, number in shown(client, 3)[2:]] == [2, 8]
