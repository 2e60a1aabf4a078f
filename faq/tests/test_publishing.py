"""Sealing, withdrawing, restoring and checking."""

from contextlib import suppress
from datetime import date, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import ProtectedError
from django.utils import timezone

from faq.answers import content as contents
from faq.models import AnswerPoint, Edition, Question, SearchText
from faq.models.editions import Sealed
from faq.tests.conftest import check
from faq.tests.test_sources import cite
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db


def question(number=2):
    return Question.objects.select_related("collection", "live").get(number=number)


def edit(text, number=2):
    point = question(number).points.first()
    point.text = text
    point.save()
    working_copy.refresh(question(number))


def test_publishing_seals_the_working_copy(library, publisher):
    edit("Four weeks.")
    assert question().state == "changed"
    edition = publishing.publish(question(), by=publisher, note=" Now\nfour weeks. ")
    assert (edition.number, edition.change_note) == (2, "Now four weeks.")
    assert edition.content == contents.Content(
        "How long may I keep a book?",
        jurisdiction="Springfield",
        blocks=(contents.Block(1, "paragraph", "Four weeks."),),
    )
    assert edition.digest == contents.digest(edition.content)
    assert edition.approved_by == {"id": publisher.pk, "name": "Pat"}
    assert not edition.imported
    assert question().live == edition and question().state == "public"
    assert question().editions.get(number=1).content.blocks[0].text.startswith("Three weeks.")


def test_a_log_in_name_is_never_part_of_a_public_record(library, publisher):
    publisher.first_name = ""
    edit("Four weeks.")
    edition = publishing.publish(question(), by=publisher, note="Longer.")
    assert edition.approved_by == {"id": publisher.pk, "name": "an editor"}


def test_publishing_refuses_without_a_note_or_a_change_or_points(library, publisher):
    with pytest.raises(publishing.CannotPublish, match="nothing to publish"):
        publishing.publish(question(), by=publisher, note="Same.")
    edit("Four weeks.")
    with pytest.raises(publishing.CannotPublish, match="Say in a few words"):
        publishing.publish(question(), by=publisher, note="  ")
    question().points.all().delete()
    with pytest.raises(publishing.CannotPublish, match="no points yet"):
        publishing.publish(question(), by=publisher, note="Empty.")
    assert Edition.objects.filter(question=question()).count() == 1


@pytest.mark.parametrize(
    ("points", "problem"),
    [
        ([("bullet", 1)], "Block 1 is nested"),
        ([("paragraph", 0), ("bullet", 1)], "Block 2 is nested"),
        ([("numbered", 0), ("bullet", 0)], "Block 2 is a bullet right after a numbered point"),
        ([("numbered", 0), ("bullet", 1), ("bullet", 0)], "Block 3 is a bullet right after"),
    ],
)
def test_publishing_refuses_what_a_seed_file_could_not_hold(drafts, publisher, points, problem):
    row = question()
    row.points.all().delete()
    for place, (kind, depth) in enumerate(points):
        AnswerPoint.objects.create(question=row, kind=kind, depth=depth, text="x", position=place)
    with pytest.raises(publishing.CannotPublish, match=problem):
        publishing.publish(row, by=publisher, note="Try.")


def test_an_edition_is_sealed_in_the_model_and_in_the_database(library):
    edition = Edition.objects.first()
    edition.change_note = "rewritten"
    for attempt in (edition.save, edition.delete, Edition.objects.all().delete):
        with pytest.raises(Sealed, match="never changed or deleted"):
            attempt()
    with pytest.raises(Sealed):
        Edition.objects.update(change_note="rewritten")
    for statement in (
        "UPDATE faq_edition SET change_note = 'rewritten'",
        "UPDATE faq_edition SET id = id + 1000",
        "DELETE FROM faq_edition",
        # (PostgreSQL truncates nothing before it has looked at the foreign keys of this transaction.)
        *(["SET CONSTRAINTS ALL IMMEDIATE; TRUNCATE faq_edition CASCADE"] if connection.vendor == "postgresql" else []),
    ):
        with pytest.raises(DatabaseError, match="sealed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    with pytest.raises(ProtectedError):
        question().delete()
    assert set(Edition.objects.values_list("change_note", flat=True)) == {publishing.IMPORTED}


@pytest.mark.sqlite
@pytest.mark.parametrize("free", ["id", "number"])
@pytest.mark.parametrize("table", ["faq_edition", "faq_check", "faq_event"])
def test_sealed_rows_are_not_replaced_either(library, publisher, table, free):
    """SQLite's INSERT OR REPLACE deletes what has the same key, and tells no trigger for deletions."""
    check(Question.objects.get(number=1), publisher)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id LIMIT 1")
        names, row = [column[0] for column in cursor.description], cursor.fetchone()
        other = [99999 if name == free else value for name, value in zip(names, row, strict=True)]
        command = f"REPLACE INTO {table} VALUES ({', '.join(['%s'] * len(names))})"
        with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
            cursor.execute(command, other)
        cursor.execute(f"SELECT * FROM {table} ORDER BY id LIMIT 1")
        assert cursor.fetchone() == row


@pytest.mark.parametrize(
    ("table", "column", "name"),
    [("faq_edition", "content", "key"), ("faq_event", "details", "edition"), ("faq_check", "by", "id")],
)
def test_json_that_is_equal_and_reads_otherwise_is_refused(library, publisher, table, column, name):
    """PostgreSQL takes 1 and 1.00 in JSON for equal."""
    check(question(), publisher)
    changed = f"replace({column}, '\"{name}\": ', '\"{name}\":  ')"
    if connection.vendor == "postgresql":
        changed = f"regexp_replace({column}::text, '(\"{name}\": \\d+)', '\\1.00', 'g')::jsonb"
    with pytest.raises(DatabaseError, match="never changed or deleted"), transaction.atomic():
        connection.cursor().execute(f"UPDATE {table} SET {column} = {changed}")


@pytest.mark.sqlite
@pytest.mark.parametrize("table", ["faq_edition", "faq_check", "faq_event"])
def test_an_update_to_an_equal_value_leaves_the_stored_bytes_on_sqlite(library, publisher, table):
    check(question(), publisher)
    ways = ["{} * 1.0", "{} || ''", "{} || '.0'", "{} || ' '", "' ' || {}", "{} || char(0)", "'+' || {}"]
    ways += [f"CAST({{}} AS {kind})" for kind in ("blob", "real", "text", "integer")]
    stored = ", ".join(f"typeof({name}), hex({name})" for name in columns(table))
    everything = f"SELECT {stored} FROM {table} ORDER BY id"
    with connection.cursor() as cursor:
        before = cursor.execute(everything).fetchall()
        for name in columns(table):
            for way in ways:
                with suppress(DatabaseError), transaction.atomic():
                    cursor.execute(f"UPDATE {table} SET {name} = {way.format(name)}")
                assert cursor.execute(everything).fetchall() == before, (name, way)


def columns(table):
    described = connection.introspection.get_table_description(connection.cursor(), table)
    return [connection.ops.quote_name(column.name) for column in described]


def test_withdrawing_hides_the_answer_and_says_why_and_publishing_brings_it_back(library, publisher):
    publishing.withdraw(question(), because="The rule\nchanged.")
    row = question()
    assert (row.live, row.withdrawn_because, row.state) == (None, "The rule changed.", "withdrawn")
    assert not SearchText.objects.filter(question=row).exists()
    assert list(Question.objects.public().values_list("number", flat=True)) == [1, 3]
    edition = publishing.publish(row, by=publisher, note="Back again.")
    row = question()
    assert (edition.number, row.live, row.withdrawn_at, row.withdrawn_because) == (2, edition, None, "")
    assert SearchText.objects.filter(question=row).exists()


def test_withdrawing_needs_a_reason_and_something_public(library):
    with pytest.raises(publishing.CannotPublish, match="Say why"):
        publishing.withdraw(question(), because=" ")
    publishing.withdraw(question(), because="Wrong.")
    with pytest.raises(publishing.CannotPublish, match="not public"):
        publishing.withdraw(question(), because="Wrong.")


def test_restoring_brings_words_keys_and_numbering_back_into_the_working_copy_only(library, publisher):
    row = question(1)
    before = working_copy.content(row)
    row.points.filter(key__in=[2, 4]).delete()
    added = AnswerPoint.objects.create(question=row, text="More.", position=9)
    assert added.key == 6
    working_copy.refresh(row)
    second = publishing.publish(row, by=publisher, note="Shorter.")
    publishing.restore(question(1), row.editions.get(number=1))
    row = question(1)
    assert working_copy.content(row) == before
    assert row.live == second and row.state == "changed"
    assert AnswerPoint.objects.create(question=row, text="Newest.", position=9).key == 7


def test_restoring_refuses_another_questions_edition(library):
    with pytest.raises(Exception, match="another question"):
        publishing.restore(question(1), question(2).live)


def test_a_check_moves_the_dates_and_editing_does_not(library, publisher):
    act = check(question(), publisher, comment="Compared with the notice.", on=date(2026, 3, 1))
    row = question()
    assert (row.checked_on, row.check_due) == (date(2026, 3, 1), date(2026, 3, 1) + timedelta(days=180))
    assert (act.edition, act.by["name"], act.comment) == (row.live, "Pat", "Compared with the notice.")
    edit("Four weeks.")
    assert question().checked_on == date(2026, 3, 1)


def test_a_new_edition_is_unchecked(library, publisher):
    check(question(), publisher)
    edit("Four weeks.")
    publishing.publish(question(), by=publisher, note="Longer.")
    assert question().checked_on is None and question().check_due is None


def test_public_questions_are_checked_overdue_or_unchecked(library, publisher):
    today = timezone.localdate()
    check(question(1), publisher, on=today - timedelta(days=180))
    check(question(2), publisher, on=today - timedelta(days=181))
    numbers = {
        name: list(getattr(Question.objects.public(), name)().values_list("number", flat=True))
        for name in ("checked", "overdue", "unchecked")
    }
    assert numbers == {"checked": [1], "overdue": [2], "unchecked": [3]}
    assert not question(1).is_overdue and question(2).is_overdue


def test_a_draft_cannot_be_checked(drafts, publisher):
    with pytest.raises(publishing.CannotPublish, match="public"):
        publishing.check(question(), by=publisher)


def test_an_answer_that_names_no_source_cannot_be_checked_against_its_sources(library, publisher):
    with pytest.raises(publishing.CannotPublish, match="names no source"):
        publishing.check(question(), by=publisher)
    cite(question().points.get())
    with pytest.raises(publishing.CannotPublish, match="names no source"):  # the public does not see it yet
        publishing.check(question(), by=publisher)
    working_copy.refresh(question())
    publishing.publish(question(), by=publisher, note="A source.")
    assert publishing.check(question(), by=publisher).number == 1


def test_a_points_key_is_never_used_again(drafts):
    row = question(1)
    row.points.get(key=5).delete()
    assert AnswerPoint.objects.create(question=row, text="New.").key == 6
    AnswerPoint.objects.filter(key=6).delete()
    assert AnswerPoint.objects.create(question=question(1), text="Newer.").key == 7


def test_the_address_is_made_of_the_public_words(library):
    Question.objects.filter(number=2).update(text="Secret new words?")
    assert question().get_absolute_url() == "/answers/library/2/how-long-may-i-keep-a-book/"


def test_a_note_that_a_feed_could_not_show_is_refused(library, publisher):
    edit("Four weeks.")
    with pytest.raises(publishing.CannotPublish, match="control character U\\+000B"):
        publishing.publish(question(), by=publisher, note="Fixed\x0ba word")
    with pytest.raises(publishing.CannotPublish, match="control character"):
        publishing.withdraw(question(), because="\x07")
