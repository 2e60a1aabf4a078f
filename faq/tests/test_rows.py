"""Rows are written and read past the ORM exactly as it would."""

from datetime import date

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from faq import publishing, rows, working_copy
from faq.models import AnswerPoint, Citation, Edition, Event, Question, Source
from faq.models.places import place
from faq.tests.test_publishing import edit, question

pytestmark = pytest.mark.django_db


def facts(row, *without):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields} | dict.fromkeys(without)


def a_question(collection, number):
    """One with something unusual in each kind of column."""
    return Question(
        pk=place(collection.pk, number), collection=collection, number=number, text="Per cent: 100 % of “it”?",
        contributors=[{"id": 1, "name": "Erin’s"}], submitted_by=None, submitted_at=timezone.now(),
        check_due=date(2030, 1, 2), checked_on=date(2029, 12, 31), state=Question.State.DRAFT, imported="a\nb\\c\t%s",
    )  # fmt: skip


@pytest.mark.parametrize("count", [1, 3])
def test_inserted_rows_are_those_that_django_would_insert(drafts, count):
    theirs = [a_question(drafts, 10 + number) for number in range(count)]
    Question.objects.bulk_create(theirs)
    ours = [a_question(drafts, 20 + number) for number in range(count)]
    for mine, other in zip(ours, theirs, strict=True):
        mine.submitted_at = other.submitted_at
    rows.insert(Question, ours)
    for mine, other in zip(ours, theirs, strict=True):
        stored = facts(Question.objects.get(pk=mine.pk), "id", "number")
        assert stored == facts(Question.objects.get(pk=other.pk), "id", "number") == facts(mine, "id", "number")


def test_a_value_is_stored_as_what_it_is_and_not_as_its_text(drafts):
    event = Event(
        number=99, at=timezone.now(), by=None, act=Event.Act.SAVED, collection="library", question=1,
        details={"changed": ["words"], "deep": {"ä": None}}, previous="", hash="x",
    )  # fmt: skip
    rows.insert(Event, [event])
    assert facts(Event.objects.get(number=99), "id") == facts(event, "id")
    assert Event.objects.filter(by__isnull=True, details__changed__0="words", number=99).exists()


def test_a_row_that_is_there_already_gets_the_new_values_of_the_fields_that_are_named(drafts):
    point = AnswerPoint.objects.get(question__number=2)
    new = AnswerPoint(question=point.question, key=point.key, position=9, kind=point.kind, text="Four weeks.")
    rows.insert(AnswerPoint, [new], unique=["question", "key"], update=["text"])
    point.refresh_from_db()
    assert (point.text, point.position) == ("Four weeks.", 1)


def test_updating_writes_the_fields_that_are_named_and_no_others(drafts):
    some = list(Question.objects.order_by("number"))
    for one in some:
        one.review_note, one.text, one.submitted_by = f"Note {one.number}", "Not written", {"id": 2, "name": "b"}
    rows.update(Question, some, ["review_note", "submitted_by"])
    stored = Question.objects.order_by("number")
    assert [one.review_note for one in stored] == ["Note 1", "Note 2", "Note 3"]
    assert [one.submitted_by for one in stored] == [{"id": 2, "name": "b"}] * 3
    assert not stored.filter(text="Not written").exists()


def test_the_database_refuses_what_it_would_refuse_the_orm(drafts):
    wrong = a_question(drafts, 11)
    wrong.text = ""
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.insert(Question, [wrong])
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.insert(Question, [a_question(drafts, 1)])


def test_nothing_to_write_asks_nothing(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        rows.insert(Question, [])
        rows.update(Question, [], ["text"])


def test_a_working_copy_reads_the_same_with_and_without_what_was_fetched_before(library):
    for number, title in enumerate(("House rules", "Timetable"), start=1):
        source = Source.objects.create(title=title)
        for point in AnswerPoint.objects.filter(question__number=1).order_by("-key")[:3]:
            Citation.objects.create(point=point, source=source, place=f"p. {number}", consulted=date(2026, 1, number))
    fetched = Question.objects.select_related("collection").prefetch_related("points__citations__source")
    content = working_copy.content(question(1))
    assert content == working_copy.content(fetched.get(number=1))
    assert [len(block["citations"]) for block in content["blocks"]] == [0, 0, 2, 2, 2]


def queries(act):
    with CaptureQueriesContext(connection) as asked:
        act()
    return [one["sql"] for one in asked if not one["sql"].startswith(("SAVEPOINT", "RELEASE"))]


def test_publishing_costs_the_same_few_queries_however_long_the_answer_is(library, publisher):
    edit("Four weeks.")
    few = queries(lambda: publishing.publish(question(), by=publisher, note="Longer."))
    point = question(1).points.first()
    point.text = "Whoever lives in Springfield."
    point.save()
    working_copy.refresh(question(1))
    many = queries(lambda: publishing.publish(question(1), by=publisher, note="Plainer."))
    assert Edition.objects.filter(imported=False).count() == 2
    most = 16 if connection.vendor == "sqlite" else 18  # one to find the question; on PostgreSQL two that lock
    assert len(few) <= most and len(many) <= most, "\n".join(many)
