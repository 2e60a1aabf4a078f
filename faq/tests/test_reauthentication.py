"""Asking for the password again after an absence, and the report of failed logins."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from faq.admin import reauthentication
from faq.models import Question
from faq.tests.conftest import logged_in
from faq.tests.test_login import RIGHT, log_in
from faq.workflow import working_copy

pytestmark = pytest.mark.django_db


@pytest.fixture
def changed(library, editor):
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    working_copy.refresh(row, editor)
    return f"/admin/faq/question/{row.pk}/"


@pytest.fixture
def away(monkeypatch):
    """Makes time pass for who is logged in."""
    now = reauthentication.time.time()

    def pass_(**spans):
        nonlocal now
        now += timedelta(**spans).total_seconds()
        monkeypatch.setattr(reauthentication.time, "time", lambda: now)

    return pass_


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
    data = {"action": "publish", "_selected_action": row.pk, "confirmed": "yes", "note": "A.",
            "seen": f"{row.pk}:{row.digest}:{row.live_id}"}  # fmt: skip
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


def test_the_desk_reports_failed_logins_with_your_name(editor):
    first = Client()
    log_in(first)
    assert b"failed before this one" not in first.get("/admin/").content
    for attempt in range(3):
        log_in(Client(), password=f"wrong {attempt}")
    second = Client()
    log_in(second, password=RIGHT)
    page = second.get("/admin/").content.decode()
    assert "3 log-ins with your name failed before this one" in page and "Your previous log-in was on" in page
    third = Client()
    log_in(third)
    assert b"failed before this one" not in third.get("/admin/").content


def test_failed_log_ins_are_remembered_for_a_month(editor, monkeypatch):
    for attempt in range(2):
        log_in(Client(), password=f"wrong {attempt}")
    later = timezone.now() + timedelta(days=29)
    monkeypatch.setattr("django.core.cache.backends.db.tz_now", lambda: later)
    client = Client()
    log_in(client)
    assert b"2 log-ins with your name failed before this one" in client.get("/admin/").content


def test_a_session_ends_twelve_hours_after_the_log_in_however_much_it_is_used(editor, away, monkeypatch):
    client, begun = Client(), timezone.now()
    log_in(client, password=RIGHT)
    for hours, status in ((6, 200), (11, 200), (12.1, 302)):
        now = begun + timedelta(hours=hours)
        monkeypatch.setattr(timezone, "now", lambda now=now: now)
        away(hours=hours)
        response = client.get("/admin/")
        assert response.status_code == status
        if cookie := response.cookies.get("sessionid"):
            assert cookie["max-age"] in ("", 0) or cookie["max-age"] <= (12 - hours) * 3600 + 60
