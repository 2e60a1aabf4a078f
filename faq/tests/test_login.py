"""Logging in: passwords, the limit of attempts, and the second factor."""

import re
from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessLog
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from faq.models import Question
from kb_site import proxies
from kb_site import settings as production

pytestmark = pytest.mark.django_db
RIGHT = "correct horse"


def log_in(client, name="erin", password=RIGHT, address="192.0.2.1", **headers):
    data = {"username": name, "password": password, "next": "/admin/"}
    return client.post("/admin/login/", data, REMOTE_ADDR=address, headers=headers)


def test_after_ten_failures_an_address_waits_and_others_do_not(editor):
    client = Client()
    for attempt in range(10):
        response = log_in(client, password=f"wrong {attempt}")
    assert response.status_code == 429 and "Too many failed log-ins" in response.content.decode()
    assert log_in(client).status_code == 429  # also with the right password
    assert log_in(client, name="somebody else").status_code == 429
    assert log_in(client, address="192.0.2.2").status_code == 302


def test_the_pages_around_a_log_in_bear_the_sites_name(editor):
    client = Client()
    assert "Standing Answers: the editors" in client.get("/admin/login/").content.decode()
    log_in(client)
    assert "Standing Answers: the editors" in client.post("/admin/logout/").content.decode()


@pytest.mark.parametrize(
    ("addresses", "others"),
    [
        ([f"2001:db8:1:2::{n:x}" for n in range(1, 11)], ["2001:db8:1:3::1", "2001:db8:1::1"]),
        ([f"2001:DB8:1:2:{n:x}::" for n in range(1, 11)], ["2001:db8:1:3::1"]),
        (["::ffff:192.0.2.1", "192.0.2.1"] * 5, ["192.0.2.2", "::ffff:192.0.2.2", "::1"]),
    ],
)  # fmt: skip
def test_of_ipv6_the_network_of_one_client_waits_and_others_do_not(editor, addresses, others):
    for address in addresses:
        last = log_in(Client(), password="wrong", address=address)
    assert last.status_code == 429 == log_in(Client(), address=addresses[0]).status_code
    for address in others:
        assert log_in(Client(), address=address).status_code == 302, address


@pytest.mark.pure
@pytest.mark.parametrize(
    ("given", "counted"),
    [
        ("198.51.100.7", "198.51.100.7"), ("203.0.113.1, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:4711", "198.51.100.7"), ("::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::"), ("[2001:db8::7]:4711", "2001:db8::"), ("[2001:db8::7]", "2001:db8::"),
        ("fe80::1%eth0", "fe80::"), ("", "10.0.0.1"), ("unknown", "10.0.0.1"), ("198.51.100.7,", "10.0.0.1"),
    ],
)  # fmt: skip
def test_what_a_proxy_says_of_an_address_is_read_in_all_its_forms(settings, given, counted):
    settings.PROXY = True
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", HTTP_X_FORWARDED_FOR=given)
    assert proxies.client(request) == counted
    settings.PROXY = False
    assert proxies.client(request) == "10.0.0.1"


def test_no_failed_log_in_leaves_an_address_behind(editor):
    for attempt in range(3):
        log_in(Client(), password=f"wrong {attempt}")
    log_in(Client())
    assert not AccessAttempt.objects.exists() and not AccessLog.objects.exists()


def test_an_address_that_the_client_makes_up_does_not_help(editor):
    client = Client()
    for attempt in range(12):
        response = log_in(client, password="wrong", **{"X-Forwarded-For": f"203.0.113.{attempt}"})
    assert response.status_code == 429


def test_behind_a_proxy_the_address_that_the_proxy_saw_counts(editor, settings):
    settings.PROXY = True
    client = Client()
    for attempt in range(10):
        made_up = f"203.0.113.{attempt}, 198.51.100.7"
        response = log_in(client, password="wrong", address="10.0.0.1", **{"X-Forwarded-For": made_up})
    assert response.status_code == 429
    assert log_in(client, address="10.0.0.1", **{"X-Forwarded-For": "198.51.100.8"}).status_code == 302


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer(editor):
    User.objects.create_user("idle", password=RIGHT, is_active=False, is_staff=True)
    User.objects.create_user("reader", password=RIGHT)
    answers = {
        re.search(r'errornote">(.*?)</p>', log_in(Client(), name, password).content.decode(), re.S)[1]
        for name, password in (("erin", "wrong"), ("nobody", "wrong"), ("idle", RIGHT), ("reader", RIGHT))
    }
    assert len(answers) == 1


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


# The second factor


@pytest.fixture
def required(settings):
    settings.SECOND_FACTOR = True


def code_of(user):
    """What the app on the person's phone shows now, and a moment later, when another one is wanted."""
    device = TOTPDevice.objects.get(user=user)
    TOTPDevice.objects.filter(user=user).update(last_t=-1, throttling_failure_count=0)
    return f"{totp(device.bin_key):06d}"


def set_up(user):
    """A browser in which the person has set up a phone, and the recovery codes."""
    client = Client()
    log_in(client, user.username)
    client.get("/admin/second-factor/new/")
    response = client.post("/admin/second-factor/new/", {"code": code_of(user)})
    return client, response.context["codes"]


def test_a_publisher_gets_nowhere_without_a_second_factor(library, required, publisher):
    client = Client()
    assert log_in(client, "pat").status_code == 302
    row = Question.objects.first()
    for address in ("/admin/", f"/admin/faq/question/{row.pk}/change/", f"/admin/faq/question/{row.pk}/withdraw/"):
        response = client.get(address)
        assert response.status_code == 302 and response.url.startswith("/admin/second-factor/new/?next=/admin/")
    withdraw = f"/admin/faq/question/{row.pk}/withdraw/"
    assert client.post(withdraw, {"because": "No."}).status_code == 302
    assert Question.objects.get(pk=row.pk).live


def test_a_phone_is_set_up_and_asked_for_from_then_on(library, required, publisher):
    client = Client()
    log_in(client, "pat")
    page = client.get("/admin/second-factor/new/").content.decode()
    assert "<svg" in page and "Key: <code>" in page
    assert "This code is wrong." in client.post("/admin/second-factor/new/", {"code": "000000"}).content.decode()
    TOTPDevice.objects.update(throttling_failure_count=0)
    response = client.post("/admin/second-factor/new/", {"code": code_of(publisher), "next": "/admin/faq/topic/"})
    assert len(response.context["codes"]) == 8 and 'href="/admin/faq/topic/"' in response.content.decode()
    assert client.get("/admin/").status_code == 200
    again = Client()
    log_in(again, "pat")
    assert again.get("/admin/").url == "/admin/second-factor/?next=/admin/"
    assert "wrong or was already used" in again.post("/admin/second-factor/", {"code": "123456"}).content.decode()
    response = again.post("/admin/second-factor/", {"code": code_of(publisher), "next": "/admin/faq/topic/"})
    assert response.url == "/admin/faq/topic/" and again.get("/admin/").status_code == 200


def test_a_recovery_code_opens_once(library, required, publisher):
    _, codes = set_up(publisher)
    for expected in (302, 200):
        client = Client()
        log_in(client, "pat")
        assert client.post("/admin/second-factor/", {"code": f" {codes[0].upper()} "}).status_code == expected


def test_the_password_alone_cannot_set_up_another_phone(library, required, publisher):
    set_up(publisher)
    thief = Client()
    log_in(thief, "pat")
    assert thief.get("/admin/second-factor/new/").status_code == 403
    assert thief.post("/admin/second-factor/new/", {"code": "123456"}).status_code == 403


def test_a_code_opens_once_and_guesses_wait(library, required, publisher):
    set_up(publisher)
    code = code_of(publisher)
    first, second = Client(), Client()
    for client, expected in ((first, 302), (second, 200)):
        log_in(client, "pat")
        assert client.post("/admin/second-factor/", {"code": code}).status_code == expected
    log_in(third := Client(), "pat")
    for guess in range(5):
        third.post("/admin/second-factor/", {"code": f"{guess:06d}"})
    TOTPDevice.objects.update(last_t=-1)
    right = f"{totp(TOTPDevice.objects.get().bin_key):06d}"
    assert third.post("/admin/second-factor/", {"code": right}).status_code == 200


def test_a_redirect_to_another_site_after_the_code_is_refused(library, required, publisher):
    set_up(publisher)
    client = Client()
    log_in(client, "pat")
    answer = {"code": code_of(publisher), "next": "https://evil.example/"}
    assert client.post("/admin/second-factor/", answer).url == "/admin/"


def test_an_editor_with_a_second_factor_is_asked_for_it(library, required, editor):
    client = Client()
    log_in(client)
    assert client.get("/admin/").status_code == 200
    set_up(editor)
    log_in(other := Client())
    assert other.get("/admin/").status_code == 302
    assert other.post("/admin/logout/").status_code == 200  # leaving is always possible


def test_the_pages_are_for_staff_alone(db):
    User.objects.create_user("reader", password=RIGHT)
    reader = Client()
    reader.force_login(User.objects.get(username="reader"))
    for visitor in (Client(), reader):
        for address in ("/admin/second-factor/", "/admin/second-factor/new/"):
            assert visitor.get(address).url.startswith("/admin/login/")


def test_no_second_factor_is_needed_where_only_this_machine_is_served(library, publisher):
    client = Client()
    log_in(client, "pat")
    assert client.get("/admin/").status_code == 200
    assert not production.SECOND_FACTOR
