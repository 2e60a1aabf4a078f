"""Admin actions on a selection of questions."""

import re

import pytest
from django.contrib.auth.models import Permission

from faq.models import Event, Question, Topic
from faq.tests.conftest import logged_in, name_sources
from faq.tests.test_admin import question
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db


def bulk(client, name, rows, **answers):
    data = {"action": name, "_selected_action": [row.pk for row in rows]}
    if "confirmed" in answers and "seen" not in answers:
        page = client.post("/admin/faq/question/", data, follow=True).content.decode()
        data["seen"] = re.findall(r'name="seen"\s+value="([^"]+)"', page)
    return client.post("/admin/faq/question/", data | answers, follow=True)


def test_a_selection_is_submitted_and_each_refusal_gives_its_reason(library, editor):
    for number in (1, 3):
        row = question(number)
        row.points.filter(key=1).update(text="Changed.")
        working_copy.refresh(row, editor)
    client = logged_in(editor)
    ask = bulk(client, "submit", Question.objects.all())
    assert "Submit for review" in ask.content.decode() and "1. Who may borrow a book?" in ask.content.decode()
    html = bulk(client, "submit", Question.objects.all(), confirmed="yes", note="All.").content.decode()
    assert "2 questions were submitted." in html
    assert "1 refused. 2: The public sees exactly this already, so there is nothing to review." in html
    assert [row.review_note for row in Question.objects.submitted()] == ["All.", "All."]


def test_a_selection_is_published_by_a_second_person_only(library, editor, publisher):
    for number, by in ((1, editor), (3, publisher)):
        row = question(number)
        row.points.filter(key=1).update(text="Changed.")
        working_copy.refresh(row, by)
    html = bulk(logged_in(publisher), "publish", Question.objects.all(), confirmed="yes", note="New.").content.decode()
    assert "1 question was published." in html and "2 refused." in html and "3: You wrote some of these words" in html
    assert [question(number).live.number for number in (1, 2, 3)] == [2, 1, 1]


def test_a_selection_that_changed_since_the_page_opened_is_not_published(library, editor, publisher):
    row = question()
    row.points.update(text="Four weeks.")
    working_copy.refresh(row, editor)
    desk_of = logged_in(publisher)
    page = bulk(desk_of, "publish", [row]).content.decode()
    seen = re.findall(r'name="seen"\s+value="([^"]+)"', page)
    row.points.update(text="Unseen words.")
    working_copy.refresh(row, editor)
    html = bulk(desk_of, "publish", [row], confirmed="yes", note="New.", seen=seen).content.decode()
    assert "2: It changed after you had opened this page." in html and question().live.number == 1


def test_nobody_confirms_an_edition_that_came_after_the_page_was_opened(library, editor, publisher):
    """Otherwise it would count as the second check of text that was published without one."""
    row = question()
    row.points.update(text="Never shown to the checker.")
    working_copy.refresh(row, publisher)
    publisher.user_permissions.add(Permission.objects.get(codename="override_second_check"))
    editor.user_permissions.add(Permission.objects.get(codename="check_question"))
    desk_of = logged_in(editor)
    page = bulk(desk_of, "check", [row]).content.decode()
    seen = re.findall(r'name="seen"\s+value="([^"]+)"', page)
    again = type(publisher).objects.get(pk=publisher.pk)
    publishing.publish(row, by=again, note="New.", override="Nobody else is here.")
    html = bulk(desk_of, "check", [row], confirmed="yes", seen=seen).content.decode()
    assert "2: It changed after you had opened this page." in html
    assert question().unconfirmed and question().checked_on is None


@pytest.mark.parametrize(
    ("name", "answers", "done"),
    [
        ("check", {"comment": ""}, "3 questions were noted as checked."),
        ("add_tags", {"tags": "loan, card"}, "3 questions were given the keywords."),
        ("add_topic", {"topic": "{topic}"}, "2 questions were given the topic."),
        ("set_interval", {"interval": "30"}, "3 questions were changed."),
    ],
)
def test_a_selection_is_checked_and_labelled(library, publisher, name, answers, done):
    name_sources(Question.objects.all())
    topic = Topic.objects.get(slug="cards")
    answers = {key: value.format(topic=topic.pk) for key, value in answers.items()}
    client = logged_in(publisher)
    assert done in bulk(client, name, Question.objects.all(), confirmed="yes", **answers).content.decode()
    again = bulk(client, name, Question.objects.all(), confirmed="yes", **answers).content.decode()
    assert name == "check" or "3 refused." in again


def test_of_a_selection_the_answers_that_name_no_source_are_not_noted_as_checked(library, publisher):
    name_sources(Question.objects.filter(number=1))
    html = bulk(logged_in(publisher), "check", Question.objects.all(), confirmed="yes", comment="").content.decode()
    assert "1 question was noted as checked." in html
    assert "2 refused. 2: The public answer names no source" in html and " 3: The public answer names no" in html
    assert [row.number for row in Question.objects.checked()] == [1]


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("publish", {"note": ""}), ("add_tags", {"tags": "?!"}), ("add_topic", {}), ("set_interval", {"interval": "7"}),
        ("no_such_act", {"note": "x"}),
    ],
)  # fmt: skip
def test_an_act_without_an_answer_asks_again_and_does_nothing(library, publisher, name, answers):
    before = Event.objects.count()
    bulk(logged_in(publisher), name, Question.objects.all(), confirmed="yes", **answers)
    assert Event.objects.count() == before


def test_an_editor_is_not_offered_publishing(library, editor):
    html = bulk(logged_in(editor), "publish", Question.objects.all(), confirmed="yes", note="x").content.decode()
    assert 'value="publish"' not in html and 'value="submit"' in html
    assert {row.live.number for row in Question.objects.select_related("live")} == {1}
