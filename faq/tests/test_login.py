"""Who gets in: passwords, and what happens to whoever guesses them."""

import re

import pytest
from axes.models import AccessAttempt, AccessLog
from django.conf import settings
from django.contrib.auth.hashers import get_hasher
from django.contrib.auth.models import User
from django.test import Client

from kb_site import settings as production

pytestmark = pytest.mark.django_db
RIGHT = "correct horse"


def log_in(client, name="erin", password=RIGHT, address="192.0.2.1", **headers):
    data = {"username": name, "password": password, "next": "/admin/"}
    return client.post("/admin/login/", data, REMOTE_ADDR=address, headers=headers)


def test_passwords_are_kept_by_argon2_and_old_ones_still_open():
    assert production.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")
    hasher = production.PASSWORD_HASHERS[1]
    assert hasher.endswith("PBKDF2PasswordHasher") and get_hasher().algorithm == "md5"  # the tests' own, which is fast


def test_after_ten_failures_an_address_waits_and_others_do_not(editor):
    client = Client()
    for attempt in range(10):
        response = log_in(client, password=f"wrong {attempt}")
    assert response.status_code == 429 and "Too many failed log-ins" in response.content.decode()
    assert log_in(client).status_code == 429  # also with the right password
    assert log_in(client, name="somebody else").status_code == 429
    assert log_in(client, address="192.0.2.2").status_code == 302


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
    settings.AXES_IPWARE_META_PRECEDENCE_ORDER = ["HTTP_X_FORWARDED_FOR", "REMOTE_ADDR"]
    settings.AXES_IPWARE_PROXY_ORDER = "right-most"
    client = Client()
    for attempt in range(10):
        made_up = f"203.0.113.{attempt}, 198.51.100.7"
        response = log_in(client, password="wrong", address="10.0.0.1", **{"X-Forwarded-For": made_up})
    assert response.status_code == 429
    assert log_in(client, address="10.0.0.1", **{"X-Forwarded-For": "198.51.100.8"}).status_code == 302


def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nobody(editor):
    User.objects.create_user("idle", password=RIGHT, is_active=False, is_staff=True)
    User.objects.create_user("reader", password=RIGHT)
    answers = {
        re.search(r'errornote">(.*?)</p>', log_in(Client(), name, password).content.decode(), re.S)[1]
        for name, password in (("erin", "wrong"), ("nobody", "wrong"), ("idle", RIGHT), ("reader", RIGHT))
    }
    assert len(answers) == 1


def test_a_session_ends_after_half_a_day():
    assert settings.SESSION_COOKIE_AGE == 12 * 60 * 60 and settings.SESSION_COOKIE_HTTPONLY
