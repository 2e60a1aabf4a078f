"""The texts of a collection: proposed by one person, confirmed by a second one, and logged."""

from io import StringIO

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.urls import reverse

from faq.admin import site
from faq.models import Collection, Event, Question
from faq.tests.conftest import _person, logged_in
from faq.tests.surfaces import public_addresses
from faq.tests.test_views import words
from faq.workflow import audit, collection_texts, fixtures, publishing
from faq.workflow.collection_texts import CannotChange

pytestmark = pytest.mark.django_db

SECRET = "zanzibar"


@pytest.fixture
def manager(db):
    return _person("max", "Site managers")


@pytest.fixture
def other(db):
    return _person("mia", "Site managers")


def stored():
    return Collection.objects.get(slug="library")


def page_of(verb):
    return reverse(f"admin:faq_collection_{verb}", args=[stored().pk])


def send(user, **texts):
    """Save the collection's page with these texts changed; returns the response."""
    client = logged_in(user)
    form = client.get(page_of("change")).context["adminform"].form
    return client.post(page_of("change"), {**{name: form[name].value() for name in form.fields}, **texts}, follow=True)


def decide(user, decision="confirm", **more):
    return logged_in(user).post(page_of("confirm"), {decision: decision, **more}, follow=True)


def entries():
    found = Event.objects.of_collection(stored()).order_by("number")
    return [(event.act, event.by["name"], event.details["old"], event.details["new"]) for event in found]


def test_a_change_of_a_public_collection_waits_for_a_second_person(library, manager, publisher, client):
    page = send(manager, origin="Checked by three lawyers.", title="The library")
    assert "Readers see no change until a second person confirms it." in words(page)
    assert "was changed successfully" not in words(page)
    assert (stored().origin, stored().title) == ("A leaflet.", "Springfield library")
    assert "lawyers" not in words(client.get("/answers/library/"))
    page = decide(publisher, note="Rita says so.")
    assert "Confirmed. Readers see it now." in words(page)
    assert (stored().origin, stored().title, stored().proposed) == ("Checked by three lawyers.", "The library", None)
    assert "lawyers" in words(client.get("/answers/library/"))
    old = {"title": "Springfield library", "origin": "A leaflet."}
    new = {"title": "The library", "origin": "Checked by three lawyers."}
    assert entries() == [("proposed", "Max", old, new), ("confirmed", "Pat", old, new)]
    assert Event.objects.last().details["proposed_by"] == {"id": manager.pk, "name": "Max"}
    assert Event.objects.last().remark == "Rita says so."


@pytest.mark.parametrize("field", collection_texts.FIELDS)
def test_each_text_of_a_public_collection_waits(library, manager, field):
    send(manager, **{field: "fr"})
    assert getattr(stored(), field) != "fr" and stored().proposed["values"] == {field: "fr"}


def test_a_withdrawn_answer_counts_as_public(library, manager):
    for row in Question.objects.all():
        publishing.withdraw(row, because="Wrong.")
    send(manager, title="The library")
    assert stored().title == "Springfield library"


def test_a_collection_that_was_never_public_changes_at_once_and_is_logged(drafts, manager):
    page = send(manager, title="The library", jurisdiction="Shelbyville")
    assert "was changed successfully" in words(page)
    assert (stored().title, stored().proposed) == ("The library", None)
    [(act, by, old, new)] = entries()
    assert (act, by) == ("changed", "Max") and old["title"] == "Springfield library" and new["title"] == "The library"
    assert Question.objects.get(number=2).contributors == [{"id": manager.pk, "name": "Max"}]


def test_a_new_collection_is_logged_with_its_texts(manager):
    data = {"title": "Bicycle lanes", "slug": "lanes", "language": "en", "origin": "A map."}
    assert logged_in(manager).post("/admin/faq/collection/add/", data).status_code == 302
    event = Event.objects.get()
    assert (event.act, event.collection, event.question) == ("changed", "lanes", None)
    assert event.details["old"] == {} and event.details["new"]["origin"] == "A map."


def test_saving_without_a_change_proposes_nothing(library, manager):
    assert "was changed successfully" in words(send(manager))
    assert stored().proposed is None and entries() == []


def test_nobody_confirms_their_own_proposal(library, publisher):
    publisher.groups.add(Group.objects.get(name="Site managers"))
    boss = User.objects.create_superuser("boss", first_name="Bo")
    for person in (publisher, boss):
        send(person, title=f"By {person.first_name}")
        assert logged_in(person).get(page_of("confirm")).status_code == 403
        assert decide(person).status_code == 403
        assert site.queue(person) == [line for line in site.queue(person) if "Collection texts" not in line.label]
        with pytest.raises(CannotChange, match="your own proposal"):
            collection_texts.confirm(stored(), by=person, seen=collection_texts.digest(stored()))
        Collection.objects.update(proposed=None)
    assert stored().title == "Springfield library"


def test_without_the_right_to_publish_nobody_confirms(library, manager, other, editor):
    send(manager, title="The library")
    for person in (other, editor):
        assert decide(person).status_code == 403
        assert "Confirm or decline" not in words(logged_in(person).get(page_of("change")))
    assert stored().title == "Springfield library" and stored().proposed


def test_everybody_who_may_see_the_collection_sees_old_and_new_side_by_side(library, manager, editor, publisher):
    send(manager, origin="Checked by three lawyers.")
    for person in (editor, manager, publisher):
        page = words(logged_in(person).get(page_of("change")))
        assert "Waiting to be confirmed , proposed by Max on" in page
        assert "Text Now Proposed Origin A leaflet. Checked by three lawyers." in page
    assert "Confirm or decline…" in words(logged_in(publisher).get(page_of("change")))


def test_a_publisher_declines(library, manager, publisher):
    send(manager, origin="Checked by three lawyers.")
    assert "Declined, and logged." in words(decide(publisher, "decline", note="By whom?"))
    assert (stored().origin, stored().proposed) == ("A leaflet.", None)
    assert [(act, by) for act, by, *_ in entries()] == [("proposed", "Max"), ("declined", "Pat")]
    history = words(logged_in(manager).get(page_of("history")))
    assert "Pat declined texts of the collection, proposed by Max. “By whom?”" in history
    assert "Origin A leaflet. Checked by three lawyers." in history


def test_a_confirmation_of_a_proposal_that_changed_meanwhile_is_refused(library, manager, publisher):
    send(manager, origin="A book.")
    client = logged_in(publisher)
    seen = client.get(page_of("confirm")).context["seen"]
    send(manager, origin="Checked by three lawyers.")
    page = client.post(page_of("confirm"), {"confirm": "Confirm", "seen": seen})
    assert "the proposal changed after you had opened this page" in words(page)
    assert "Checked by three lawyers." in words(page) and stored().origin == "A leaflet."
    client.post(page_of("confirm"), {"confirm": "Confirm", "seen": page.context["seen"]})
    assert stored().origin == "Checked by three lawyers."


def test_a_proposal_that_was_decided_meanwhile_is_not_decided_again(library, manager, publisher):
    send(manager, origin="A book.")
    client = logged_in(publisher)
    seen = client.get(page_of("confirm")).context["seen"]
    decide(publisher, "decline")
    page = client.post(page_of("confirm"), {"confirm": "Confirm", "seen": seen}, follow=True)
    assert "There is no proposal to confirm." in words(page) and stored().origin == "A leaflet."
    with pytest.raises(CannotChange, match="any more"):
        collection_texts.confirm(stored(), by=publisher, seen=seen)


def test_a_second_proposal_is_refused_with_both_shown_and_one_by_the_same_person_takes_its_place(
    library, manager, other
):
    send(manager, origin="A book.")
    page = send(other, origin="A newspaper.", title="News")
    assert "Nothing was saved: a proposal by Max waits to be confirmed." in words(page)
    assert "Text Now Proposed Origin A leaflet. A book." in words(page) and "A newspaper.</textarea>" in (
        page.content.decode()
    )
    assert stored().proposed["values"] == {"origin": "A book."}
    send(other)  # no change is no proposal
    send(manager, title="The library")
    assert stored().proposed["values"] == {"title": "The library"}
    assert [(act, by) for act, by, *_ in entries()] == [("proposed", "Max")] * 2


def test_the_person_who_proposed_is_the_contributor_also_without_an_account(library, manager, publisher):
    send(manager, jurisdiction="Shelbyville")
    assert Question.objects.get(number=2).state == "public"
    who = {"id": manager.pk, "name": "Max"}
    manager.delete()
    decide(publisher)
    row = Question.objects.select_related("live").get(number=2)
    assert (row.state, row.contributors) == ("changed", [who])
    assert publishing.publish(row, by=publisher, note="Another place.").second_check
    assert Event.objects.filter(act="saved", question=2).last().by == who


def test_confirming_new_texts_after_an_absence_asks_for_the_password(library, manager, publisher, away):
    send(manager, origin="A book.")
    client = logged_in(publisher)
    client.get(page_of("confirm"))
    away(hours=1)
    page = client.post(page_of("confirm"), {"confirm": "Confirm", "note": "Seen."})
    assert "Your password" in words(page) and "Seen." in page.content.decode() and stored().proposed
    client.post(page_of("confirm"), {"confirm": "Confirm", "note": "Seen.", "password": "correct horse"})
    assert stored().origin == "A book."


def test_a_proposal_is_on_no_public_page_and_in_no_fixture(library, manager, client):
    send(manager, **{name: f"{SECRET} {name}"[:35] for name in collection_texts.FIELDS})
    assert len(stored().proposed["values"]) == 5
    assert [a for a in public_addresses() if SECRET in client.get(a).content.decode()] == []
    out = StringIO()
    fixtures.dump(stored(), out)
    assert SECRET not in out.getvalue() and "proposed" not in out.getvalue()


def test_characters_that_turn_the_direction_are_not_proposed(library, manager):
    send(manager, title="The \u202elibrary")
    assert stored().proposed["values"] == {"title": "The library"}


def test_the_log_is_whole_with_entries_of_a_collection_and_finds_a_change_of_them(library, manager, publisher):
    from faq.tests.test_workflow import tamper

    send(manager, title="The library")
    decide(publisher)
    assert audit.verify().problems == []
    assert str(Event.objects.last()).endswith("confirmed texts of the collection: library")
    assert not Event.objects.of(Question.objects.get(number=2)).filter(act="proposed").exists()
    row = Question.objects.get(number=2)
    assert logged_in(publisher).get(reverse("admin:faq_question_history", args=[row.pk])).status_code == 200
    number = Event.objects.get(act="proposed").number
    tamper(f"UPDATE faq_event SET question = 2 WHERE number = {number}")
    assert audit.verify().problems == [f"Entry {number} was changed after it was written."]


def test_the_database_keeps_no_proposal_as_nothing_at_all(library, manager, publisher):
    """An empty JSON value would be counted as a proposal."""
    send(manager, title="The library")
    decide(publisher)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM faq_collection WHERE proposed IS NULL")
        assert cursor.fetchone() == (1,)
