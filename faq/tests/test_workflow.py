"""From an editor's change to an edition: review, the second person, and the log."""

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import ValidationError
from django.db import DatabaseError, connection, transaction

from faq.models import Edition, Event, Question, triggers
from faq.tests.conftest import check, import_text
from faq.tests.test_sources import cite
from faq.workflow import audit, publishing, working_copy
from faq.workflow.publishing import CannotPublish, NeedsSecondPerson

pytestmark = pytest.mark.django_db


def question(number=2):
    return Question.objects.select_related("collection", "live").get(number=number)


def change(by, text="Four weeks.", number=2):
    row = question(number)
    point = row.points.first()
    point.text = text
    point.save()
    working_copy.refresh(row, by)
    return question(number)


def acts(number=2):
    return [(event.act, event.by and event.by["name"]) for event in Event.objects.of(question(number))][::-1]


@pytest.fixture
def second(db):
    user = User.objects.create_user("sam", is_staff=True, first_name="Sam")
    user.groups.add(Group.objects.get(name="Publishers"))
    return user


def may_override(user):
    user.user_permissions.add(Permission.objects.get(codename="override_second_check"))
    return User.objects.get(pk=user.pk)


def test_a_change_is_submitted_sent_back_submitted_again_and_published(library, editor, publisher):
    row = publishing.submit(change(editor), by=editor, note="Longer.")
    assert (row.review, row.review_note, row.submitted_by["name"]) == ("submitted", "Longer.", "Erin")
    row = publishing.send_back(row, by=publisher, note="Since when?")
    assert (row.review, row.review_note, row.submitted_by["name"]) == ("returned", "Since when?", "Erin")
    publishing.submit(change(editor, "Four weeks, since May 2026."), by=editor)
    edition = publishing.publish(question(), by=publisher, note="Four weeks.")
    assert edition.second_check and edition.contributors == [{"id": editor.pk, "name": "Erin"}]
    row = question()
    assert (row.review, row.review_note, row.submitted_by, row.contributors) == ("", "", None, [])
    assert acts() == [
        ("imported", None), ("published", None), ("saved", "Erin"), ("submitted", "Erin"), ("returned", "Pat"),
        ("saved", "Erin"), ("submitted", "Erin"), ("published", "Pat"),
    ]  # fmt: skip


def test_there_is_nothing_to_review_where_nothing_changed(library, editor, publisher):
    with pytest.raises(CannotPublish, match="nothing to review"):
        publishing.submit(question(), by=editor)
    with pytest.raises(CannotPublish, match="does not wait for a review"):
        publishing.send_back(question(), by=publisher, note="No.")


def test_an_answer_that_cannot_be_published_cannot_be_submitted(library, editor):
    row = question()
    row.points.all().delete()
    working_copy.refresh(row, editor)
    with pytest.raises(CannotPublish, match="no points"):
        publishing.submit(row, by=editor)


def test_sending_back_needs_a_note(library, editor, publisher):
    publishing.submit(change(editor), by=editor)
    with pytest.raises(CannotPublish, match="what is still to be done"):
        publishing.send_back(question(), by=publisher, note="  ")
    assert question().review == "submitted"


def test_you_cannot_publish_text_that_you_wrote(library, editor, publisher):
    change(editor)
    change(publisher, "Five weeks.")
    with pytest.raises(NeedsSecondPerson, match="somebody else"):
        publishing.publish(question(), by=publisher, note="Five.")
    with pytest.raises(NeedsSecondPerson, match="You may not publish"):
        publishing.publish(question(), by=publisher, note="Five.", override="I am in a hurry.")
    assert question().live.number == 1


def test_a_superuser_needs_a_second_person_like_everybody_else(library, publisher):
    boss = User.objects.create_superuser("boss")
    change(boss)
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=boss, note="Mine.")
    assert publishing.publish(question(), by=publisher, note="Theirs.").second_check


def test_an_account_with_another_name_is_the_same_person(library, publisher):
    change(publisher)
    publisher.username, publisher.first_name = "other", "Other"
    publisher.save()
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=publisher, note="Mine.")


@pytest.mark.parametrize("way", ["restore", "source", "jurisdiction", "nesting", "back and forth"])
def test_there_is_no_way_around_the_second_person(library, publisher, second, way):
    """Every way to change a word that somebody else may have written before."""
    from faq.tests.test_sources import cite

    number = 1 if way == "nesting" else 2
    if way == "restore":
        change(second, "Good words.")
        publishing.publish(question(), by=publisher, note="Good.")
        publishing.restore(question(), question().editions.get(number=1), by=publisher)
    elif way == "source":
        source = cite(question().points.first())
        working_copy.refresh(question(), second)
        publishing.publish(question(), by=publisher, note="A source.")
        source.title = "Another document"
        source.save()
        working_copy.refresh_many(Question.objects.filter(points__citations__source=source), publisher)
    elif way == "jurisdiction":
        library.jurisdiction = "Everywhere"
        library.save()
        working_copy.refresh_many(library.questions.all(), publisher)
    elif way == "nesting":
        row = question(1)
        row.points.filter(key=5).update(kind="paragraph", depth=0)
        working_copy.refresh(row, publisher)
    else:
        change(publisher, "Mine.")
        change(second, "Theirs.")
    assert question(number).state == "changed"
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(number), by=publisher, note="Mine.")


def test_a_reverted_change_makes_nobody_a_contributor(library, editor, publisher):
    change(publisher)
    change(publisher, "Three weeks. A reminder is sent before.")
    assert (question().state, question().contributors) == ("public", [])
    change(editor)
    assert publishing.publish(question(), by=publisher, note="Longer.").second_check


def test_an_override_says_publicly_that_nobody_else_looked_until_somebody_does(library, publisher, second, client):
    publisher = may_override(publisher)
    cite(question().points.first())
    change(publisher)
    edition = publishing.publish(question(), by=publisher, note="Four.", override="Nobody else was there.")
    address = edition.question.get_absolute_url()
    assert not edition.second_check and question().unconfirmed
    for page in (address, "/", "/answers/library/", edition.get_absolute_url(), question().get_history_url()):
        assert "Published without a second check" in client.get(page).content.decode(), page
    assert Event.objects.of(question()).first().details["override"] == "Nobody else was there."
    assert "Nobody else was there" not in client.get(question().get_history_url()).content.decode()
    check(question(), publisher)
    assert question().unconfirmed  # their own check is no second pair of eyes
    check(question(), second, comment="Compared.")
    assert not question().unconfirmed
    assert "Published without a second check" not in client.get(address).content.decode()
    history = client.get(question().get_history_url()).content.decode()
    assert "Published without a second check." in history and "Another person has confirmed it since." in history


def test_an_override_that_is_not_needed_is_not_recorded(library, editor, publisher):
    change(editor)
    assert publishing.publish(question(), by=publisher, note="Four.", override="Just so.").second_check
    assert not question().unconfirmed and "override" not in Event.objects.of(question()).first().details


def test_imported_words_that_one_person_publishes_do_not_claim_two(drafts, publisher, client):
    edition = publishing.publish(question(), by=publisher, note="First.")
    assert not edition.second_check and not question().unconfirmed
    assert "one person read it" in client.get(question().get_history_url()).content.decode()


def test_the_writer_of_a_withdrawn_answer_cannot_republish_it_alone(library, editor, publisher, second):
    change(publisher)
    publishing.publish(question(), by=second, note="Four.")
    publishing.withdraw(question(), because="It was wrong.", by=second)
    assert question().contributors == [{"id": publisher.pk, "name": "Pat"}]
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=publisher, note="It was right.")
    assert publishing.publish(question(), by=second, note="It was right after all.").second_check


def test_discarding_leaves_what_the_public_sees(library, editor):
    row = question(1)
    row.short_answer = "Everybody."
    row.save()
    row.points.filter(key=3).delete()
    row.points.create(text="New.", position=9)
    working_copy.refresh(row, editor)
    ids = dict(row.points.values_list("key", "pk"))
    publishing.discard(row, by=editor)
    assert working_copy.content(question(1)) == question(1).live.content
    assert (question(1).state, question(1).contributors) == ("public", [])
    kept = dict(question(1).points.values_list("key", "pk"))
    assert {key: kept[key] for key in (1, 2, 4, 5)} == {key: ids[key] for key in (1, 2, 4, 5)}
    with pytest.raises(CannotPublish, match="nothing to discard"):
        publishing.discard(row, by=editor)
    assert acts(1)[-1] == ("saved", "Erin") and acts(1)[-2] == ("discarded", "Erin")


def test_an_import_goes_into_the_log_as_nobodys_act(db):
    import_text(slug="other")
    events = Event.objects.filter(collection="other").values_list("question", "act", "by", "details")
    assert list(events) == [(number, "imported", None, {"outcome": "new"}) for number in (1, 2, 3)]


# The log


def tamper(sql, *values):
    triggers.remove()
    try:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
    finally:
        triggers.install()


def test_the_log_follows_and_editions_are_as_sealed(library, editor, publisher):
    publishing.publish(change(editor), by=publisher, note="Four.")
    verdict = audit.verify()
    assert verdict.problems == []
    assert (verdict.entries, verdict.editions) == (8, 4)
    assert verdict.head == Event.objects.last().hash
    assert audit.verify(Event.objects.get(number=3).hash).problems == []
    assert "the hash was kept from" in audit.verify("0" * 64).problems[0]


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("UPDATE faq_event SET act = 'checked' WHERE number = 3", "Entry 3 was changed after it was written."),
        ("UPDATE faq_event SET by = NULL, details = '{}' WHERE number = 7", "Entry 7 was changed"),
        ("DELETE FROM faq_event WHERE number = 4", "Entries 4 to 4 are missing."),
        ("UPDATE faq_event SET previous = hash WHERE number = 5", "Entry 5 does not follow"),
        ("UPDATE faq_edition SET content = '{}' WHERE number = 2", "Edition 2 of library 2 is not what was sealed."),
        ("UPDATE faq_edition SET digest = 'x' WHERE number = 2", "Edition 2 of library 2 is not what was sealed."),
        (
            "UPDATE faq_edition SET published_at = '2020-01-01 10:00:00' WHERE number = 2",
            "Edition 2 of library 2 is not what was sealed.",
        ),
    ],
)
def test_a_change_of_sealed_rows_by_hand_is_found(library, editor, publisher, sql, problem):
    publishing.publish(change(editor), by=publisher, note="Four.")
    tamper(sql)
    assert any(problem in found for found in audit.verify().problems), audit.verify().problems


def test_the_log_is_only_ever_added_to(library):
    event = Event.objects.first()
    event.act = "checked"
    for attempt in (event.save, event.delete, Event.objects.all().delete, lambda: Event.objects.update(act="checked")):
        with pytest.raises(ValidationError, match="append-only"):
            attempt()
    for sql in ("UPDATE faq_event SET act = 'checked'", "DELETE FROM faq_event"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            connection.cursor().execute(sql)
    assert audit.verify().problems == []


def test_checks_are_sealed_too(library, publisher):
    check(question(), publisher)
    for sql in ("UPDATE faq_check SET comment = 'x'", "DELETE FROM faq_check"):
        with pytest.raises(DatabaseError, match="checks are sealed"), transaction.atomic():
            connection.cursor().execute(sql)


def test_an_act_that_fails_leaves_no_entry(library, publisher):
    count = Event.objects.count()
    with pytest.raises(CannotPublish):
        publishing.publish(question(), by=publisher, note="Nothing new.")
    assert Event.objects.count() == count


def test_an_account_that_is_removed_leaves_its_signatures(library, editor, publisher, client):
    cite(question().points.first())
    publishing.publish(change(editor), by=publisher, note="Four.")
    check(question(), publisher)
    publisher.delete()
    editor.delete()
    edition = Edition.objects.get(number=2)
    assert (edition.approved_by["name"], edition.contributors[0]["name"]) == ("Pat", "Erin")
    assert edition.checks.get().by["name"] == "Pat"
    assert acts()[-3:] == [("saved", "Erin"), ("published", "Pat"), ("checked", "Pat")]
    assert "by Pat" in client.get(question().get_history_url()).content.decode()
    assert audit.verify().problems == []
