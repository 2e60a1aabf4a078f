"""Asking for the password again after an absence, and the report of failed logins."""

import pytest

from faq.models import Question
from faq.tests.conftest import logged_in
from faq.workflow import working_copy

pytestmark = pytest.mark.django_db


@pytest.fixture
def changed(library, editor):
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    working_copy.refresh(row, editor)
    return f"/admin/faq/question/{row.pk}/"


def live():
    return Question.objects.get(number=2).live.number


def test_a_person_at_work_is_not_asked_for_the_password_again(changed, publisher, away):
    client = logged_in(publisher)
    for _ in range(10):
        away(minutes=20)
        assert client.get("/admin/").status_code == 200
    assert b"Your password" not in client.get(f"{changed}publish/").content
    client.post(f"{changed}publish/", {"note": "Longer."})
    assert live() == 2


@pytest.mark.parametrize("look_first", [True, False])
def test_publishing_after_an_absence_asks_for_the_password(changed, publisher, away, look_first):
    """Also where the page was opened before: what was typed comes back."""
    client = logged_in(publisher)
    client.get(f"{changed}publish/")
    away(hours=1)
    if look_first:
        client.get("/admin/")
        client.get(f"{changed}publish/")
    page = client.post(f"{changed}publish/", {"note": "It is longer now."})
    assert live() == 1 and "You were inactive" in page.content.decode() and b"It is longer now." in page.content
    page = client.post(f"{changed}publish/", {"note": "It is longer now.", "password": "wrong"})
    assert live() == 1 and "This is not your password" in page.content.decode() and b"longer now" in page.content
    client.post(f"{changed}publish/", {"note": "It is longer now.", "password": "correct horse"})
    assert live() == 2
    assert b"Your password" not in client.get(f"{changed}withdraw/").content


@pytest.mark.parametrize(
    ("act", "data"), [("publish", {"note": "A."}), ("withdraw", {"because": "A."}), ("check", {"comment": "A."})]
)
def test_every_act_that_the_public_sees_asks(changed, publisher, away, act, data):
    client = logged_in(publisher)
    away(hours=2)
    response = client.post(f"{changed}{act}/", data)
    assert response.status_code == 200 and "You were inactive" in response.content.decode()


@pytest.mark.parametrize("act", ["submit", "discard", "link"])
def test_acts_that_the_public_does_not_see_do_not_ask(changed, editor, away, act):
    client = logged_in(editor)
    away(hours=2)
    assert client.post(f"{changed}{act}/", {}).status_code == 302


def test_a_selection_asks_as_well(changed, publisher, away):
    client, row = logged_in(publisher), Question.objects.get(number=2)
    away(hours=2)
    data = {"action": "publish", "_selected_action": row.pk, "confirmed": "yes", "note": "A."}
    data["seen"] = f"{row.pk}:{row.bulk_version}"
    assert "You were inactive" in client.post("/admin/faq/question/", data).content.decode()
    assert live() == 1
    client.post("/admin/faq/question/", data | {"password": "correct horse"})
    assert live() == 2


def test_guessing_the_password_there_is_limited_like_guessing_it_at_login(changed, publisher, away):
    client = logged_in(publisher)
    away(hours=2)
    for attempt in range(11):
        response = client.post(f"{changed}publish/", {"note": "A.", "password": f"wrong {attempt}"})
    assert response.status_code == 429 and live() == 1
