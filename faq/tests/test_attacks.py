"""What an attacker or an accident tried, and what stopped it. (See also `test_workflow.py` and `test_promises.py`.)"""

import pytest
from django.contrib.auth.models import Group, Permission, User

from faq.models import Citation, Collection, Event, Question, Source
from faq.operations import link_checker
from faq.tests.conftest import _person, check, import_text, logged_in, submit
from faq.tests.test_admin import form_data, page_of, question
from faq.tests.test_sources import cite
from faq.tests.test_workflow import change, may_override, second, tamper  # noqa: F401
from faq.workflow import audit, collection_texts, draft_links, publishing, working_copy
from faq.workflow.publishing import NeedsSecondPerson

pytestmark = pytest.mark.django_db


@pytest.fixture
def alone(library, publisher):
    """Question 2 with the publisher's own words, public without a second check."""
    publisher = may_override(publisher)
    cite(question().points.first())
    change(publisher, "Own words.")
    publishing.publish(question(), by=publisher, note="Mine.", override="Nobody else was there.")
    return publisher


def test_withdrawing_and_publishing_again_does_not_wash_ones_own_words(alone):
    publishing.withdraw(question(), because="Oops.", by=alone)
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=alone, note="Back.")


def test_a_comma_by_somebody_else_does_not_wash_ones_own_words(alone, editor):
    row = question()
    row.short_answer = "A comma."
    row.save()
    working_copy.refresh(row, editor)
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=alone, note="A comma.")
    edition = publishing.publish(question(), by=alone, note="A comma.", override="Still nobody.")
    assert not edition.second_check and question().unconfirmed
    assert {one["name"] for one in edition.contributors} == {"Pat", "Erin"}


def test_what_another_person_confirmed_is_washed(alone, editor, second):  # noqa: F811
    check(question(), second)
    row = question()
    row.short_answer = "A comma."
    row.save()
    working_copy.refresh(row, editor)
    assert publishing.publish(question(), by=alone, note="A comma.").second_check


def test_restoring_somebodys_old_words_keeps_them_theirs(alone, editor, second):  # noqa: F811
    change(editor, "Better words.")
    publishing.publish(question(), by=second, note="Better.")
    publishing.restore(question(), question().editions.get(number=2), by=editor)
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=alone, note="Back to mine.")


def test_whoever_described_a_source_does_not_publish_the_answer_that_names_it(library, editor, publisher, second):  # noqa: F811
    data = {"title": "Dogs are allowed", "publisher": "", "kind": "other", "address": "", "archived": ""}
    logged_in(publisher).post("/admin/faq/source/add/", data)
    source = Source.objects.get()
    Citation.objects.create(point=question().points.first(), source=source, consulted="2026-05-04")
    working_copy.refresh(question(), editor)
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(question(), by=publisher, note="A source.")
    html = logged_in(publisher).get(page_of(question())).content.decode()
    assert page_of(question(), "publish") not in html
    assert publishing.publish(question(), by=second, note="A source.").second_check
    row = question()
    row.short_answer = "Yes."
    row.save()
    working_copy.refresh(row, editor)
    assert publishing.publish(question(), by=publisher, note="Yes.").second_check  # two people have seen the source


@pytest.mark.parametrize("seen", ["", "made up"])
@pytest.mark.parametrize("verb", ["publish", "withdraw", "check", "discard", "submit"])
def test_nothing_is_done_to_what_a_page_did_not_show(library, editor, publisher, verb, seen):
    change(editor)
    before = Event.objects.count()
    answer = {"note": "x", "because": "x", "comment": "x", "seen": seen}
    html = logged_in(publisher).post(page_of(question(), verb), answer).content.decode()
    assert "the question changed after you had opened this page" in html and Event.objects.count() == before


@pytest.mark.parametrize("way", ["citation removed", "old edition restored", "jurisdiction changed"])
def test_an_import_never_publishes_what_waits_for_a_second_person(library, editor, publisher, way):
    row = question()
    if way == "citation removed":
        cite(row.points.first())
        working_copy.refresh(row, editor)
        publishing.publish(row, by=publisher, note="A source.")
        Citation.objects.all().delete()
        working_copy.refresh(question(), editor)
    elif way == "old edition restored":
        change(editor)
        publishing.publish(question(), by=publisher, note="Four.")
        publishing.restore(question(), question().editions.get(number=1), by=editor)
    else:
        library.jurisdiction = "Mars"
        library.save()
        working_copy.refresh_many(library.questions.all(), editor)
    number = question().live.number
    report = import_text(publish=True)
    assert question().live.number == number and report.published == []
    assert 2 in report.held and "second person" in report.held[2]


def test_a_site_manager_does_not_make_themselves_a_publisher(library):
    manager = _person("max", "Site managers")
    client = logged_in(manager)
    data = {"groups": list(Group.objects.values_list("pk", flat=True)), "is_superuser": "on"}
    assert submit(client, f"/admin/auth/user/{manager.pk}/change/", data).status_code == 302
    assert not User.objects.get(pk=manager.pk).has_perm("faq.publish_question")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:2800:220:1::1", True), ("127.0.0.1", False), ("10.0.0.1", False),
        ("169.254.169.254", False), ("224.0.0.1", False), ("100.64.0.1", False), ("::1", False), ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False), ("64:ff9b::7f00:1", False), ("2002:7f00:1::1", False), ("fe80::1%eth0", False),
        ("fec0::1", False), ("fd00::1", False), ("ff02::1", False), ("0.0.0.0", False),
    ],
)  # fmt: skip
def test_only_addresses_of_the_public_internet_are_visited(address, public):
    assert link_checker.is_public(address) == public


def test_a_private_address_is_refused_before_anything_is_sent(monkeypatch):
    def connect(*args):
        raise AssertionError("knocked at a private door")

    monkeypatch.setattr("socket.socket.connect", connect)
    for address in ("https://127.0.0.1:8443/", "http://[::1]/", "http://localhost:1/"):
        assert (
            link_checker.visit(address) == "no answer: the address leads into a private network, which is not visited"
        )


def test_what_a_hostile_server_answers_does_not_stop_the_check(db):
    source = Source.objects.create(title="Bad", address="https://example.org/")
    link_checker.note(source, "the server says 404 a\0b\x1b[31m" + "x" * 500)
    source.refresh_from_db()
    assert source.failure.startswith("the server says 404 ab[31mx") and len(source.failure) == 200


@pytest.mark.parametrize("value", ["abc", "\0", "9" * 30, "-1", "1.5", "²", "\xa0"])
@pytest.mark.parametrize("field", ["related", "topics", "points-0-citations-0-source", "_selected_action"])
def test_crooked_keys_in_forms_are_no_errors_of_the_server(library, editor, field, value):
    client, row = logged_in(editor), question()
    if field == "_selected_action":
        response = client.post("/admin/faq/question/", {"action": "submit", field: value})
    else:
        response = client.post(page_of(row), form_data(client, row) | {field: value})
    assert response.status_code == 400 and "cannot be looked up" in response.content.decode()
    assert question().state == "public"


@pytest.mark.parametrize("value", ["", " ", "1,2"])
def test_a_selection_of_nothing_is_no_error_of_the_server(library, editor, value):
    response = logged_in(editor).post("/admin/faq/question/", {"action": "submit", "_selected_action": value})
    assert response.status_code == 400 and "cannot be looked up" in response.content.decode()


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"format": "abc"},
        {"format": "9" * 30},
        {"import_file_name": "gone.csv", "original_file_name": "x", "format": "0", "resource": "0"},
    ],
)  # fmt: skip
def test_a_confirmed_spreadsheet_that_is_gone_is_said_in_words(library, editor, data):
    response = logged_in(editor).post("/admin/faq/question/process_import/", data, follow=True)
    assert response.status_code == 200


def test_an_export_of_a_filter_that_is_none_is_said_in_words(library, editor):
    response = logged_in(editor).get("/admin/faq/question/export/?topics__id__exact=abc", follow=True)
    assert "Nothing was exported" in response.content.decode()


def test_a_link_to_a_draft_ends_when_the_answer_is_withdrawn(library, editor, publisher):
    change(editor)
    token = draft_links.token(question())
    assert draft_links.find(token).pk == question().pk
    publishing.withdraw(question(), because="Wrong.", by=publisher)
    with pytest.raises(draft_links.LinkExpired):
        draft_links.find(token)


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("UPDATE faq_edition SET approved_by = '{\"id\": 9}' WHERE number = 2", "is not what was sealed"),
        ("UPDATE faq_edition SET contributors = '[]' WHERE number = 2", "is not what was sealed"),
        ("UPDATE faq_edition SET second_check = NOT second_check WHERE number = 2", "is not what was sealed"),
        ("UPDATE faq_edition SET change_note = 'Other.' WHERE number = 2", "is not what was sealed"),
        ("UPDATE faq_check SET comment = 'Never.'", "checks of edition 2 of library 2 do not follow from the log"),
        ("DELETE FROM faq_check", "checks of edition 2 of library 2 do not follow from the log"),
        ("UPDATE faq_event SET details = '{}' WHERE act = 'published'", "was changed after it was written"),
    ],
)  # fmt: skip
def test_forged_facts_are_found_out(library, editor, publisher, sql, problem):
    cite(question().points.first())
    publishing.publish(change(editor), by=publisher, note="Four.")
    check(question(), publisher, comment="Compared.")
    assert audit.verify().problems == []
    tamper(sql)
    assert any(problem in found for found in audit.verify().problems), audit.verify().problems


def test_view_only_staff_change_nothing(library):
    viewer = User.objects.create_user("vera", is_staff=True)
    viewer.user_permissions.add(*Permission.objects.filter(codename__startswith="view_"))
    client, before = logged_in(viewer), Event.objects.count()
    assert client.get(page_of(question())).status_code == 200
    for verb in ("submit", "discard", "restore", "settle", "link", "publish", "withdraw", "check", "send-back"):
        assert client.post(page_of(question(), verb), {"edition": 1, "note": "x"}).status_code == 403
    assert client.post(page_of(question()), {"text": "Mine?"}).status_code == 403
    assert Event.objects.count() == before and Question.objects.filter(text="Mine?").count() == 0


# Found by an attack on the promises


def test_a_publisher_sees_what_another_one_sent_back_meanwhile(library, editor, publisher):
    other = _person("max", "Publishers")
    row = change(editor)
    publishing.submit(row, by=editor)
    page = logged_in(other)
    opened = page.get(page_of(row, "publish")).context["seen"]
    publishing.send_back(row, by=publisher, note="Article 5 was repealed.")
    answer = page.post(page_of(row, "publish"), {"seen": opened, "note": "Four weeks."})
    assert "changed after you had opened this page" in answer.content.decode()
    assert question().live.number == 1 and question().review_note == "Article 5 was repealed."


def test_a_submission_does_not_replace_another_persons(library, editor, publisher):
    row = change(editor)
    publishing.submit(row, by=editor, note="Please check the date.")
    with pytest.raises(publishing.CannotPublish, match="Erin submitted this question already"):
        publishing.submit(row, by=publisher, note="Fine.")
    assert question().review_note == "Please check the date."


def test_you_cannot_publish_a_collections_texts_that_you_wrote_alone(db, editor, publisher):
    collection = Collection.objects.create(slug="lanes", title="Lanes", jurisdiction="All of it, says Pat")
    collection_texts.note_new(collection, by=publisher)
    row = Question.objects.create(collection=collection, number=1, text="May I cycle here?")
    row.points.create(text="Yes.", position=1)
    working_copy.refresh(row, editor)
    with pytest.raises(NeedsSecondPerson):
        publishing.publish(row, by=publisher, note="New.")
    other = _person("max", "Publishers")
    edition = publishing.publish(row, by=other, note="New.")
    assert {one["name"] for one in edition.contributors} == {"Erin", "Pat"}
    collection.refresh_from_db()
    assert collection.written_by == []


def test_new_keywords_are_in_the_log(library, editor):
    row = question()
    row.tags.add("overdue")
    working_copy.refresh(row, editor, ["tags"])
    assert Event.objects.of(row).first().details == {"changed": ["tags"], "tags": ["overdue"]}
