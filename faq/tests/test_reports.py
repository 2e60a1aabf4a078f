"""Readers' reports: tied to edition and point, and without anything about the reader."""

import re
import secrets
import time
from datetime import timedelta

import pytest
from django.core import signing
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from faq.models import Question, Report
from faq.tests.conftest import form_token, logged_in, submit
from faq.workflow import publishing

pytestmark = pytest.mark.django_db

PAGE = "/answers/library/1/report/"


def test_a_report_is_stored_with_edition_and_point_and_its_receipt_says_so(library, client):
    sent = {"text": "The card\r\n costs money.", "point": "2", "website": "", "token": form_token()}
    response = client.post(f"{PAGE}?edition=1", sent)
    assert response.status_code == 303 and not response.cookies
    report = Report.objects.get()
    assert (report.edition.number, report.edition.question.number, report.point) == (1, 1, 2)
    assert report.text == "The card\ncosts money."
    receipt = client.get(response.headers["Location"])
    assert "Your report is stored" in receipt.content.decode()
    assert "The card" not in receipt.content.decode()
    assert receipt.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")


def test_the_form_works_without_cookies_and_after_hours(library):
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PAGE, {"text": "Wrong.", "token": form_token(20 * 3600)}).status_code == 303


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"text": ""}, "Write in a few words what is wrong or unclear."),
        ({"text": "x" * 2001}, "at most 2000 characters"),
        ({"text": "bell \x07"}, "cannot be shown or stored"),
        ({"text": "Wrong.", "website": "https://example.org"}, "a field that must stay empty was filled in"),
        ({"text": "Wrong.", "point": "99"}, "99 is not one of the available choices"),
    ],
)
def test_an_invalid_report_is_refused_next_to_the_field_and_the_words_stay(library, client, data, message):
    response = client.post(PAGE, data | {"token": form_token()})
    html = response.content.decode()
    assert response.status_code == 400 and message in html
    assert "We could not store this." in html and "is stored" not in html
    assert data["text"].strip()[:20] in html
    assert not Report.objects.exists()


def send(client, text="Wrong.", seconds=3600):
    """Send the form, which was opened so many seconds ago."""
    return client.post(PAGE, {"text": text, "token": form_token(seconds)})


def arrived(edition, count, age=timedelta(0)):
    rows = [Report(edition=edition, text="One of many.", receipt=secrets.token_hex(8)) for _ in range(count)]
    Report.objects.bulk_create(rows)
    Report.objects.filter(text="One of many.").update(received_at=timezone.now() - age)


def token_on(response):
    return re.search(r'name="token" value="([^"]+)"', response.content.decode())[1]


def test_a_form_that_is_sent_at_once_says_how_long_to_wait_and_is_accepted_then(library, client, monkeypatch):
    token = token_on(client.get(PAGE))
    early = client.post(PAGE, {"text": "My words.", "point": "2", "token": token})
    html = early.content.decode()
    assert (early.status_code, early.headers["Retry-After"]) == (429, "5") and not early.cookies
    assert "Please wait 5 seconds, then send it again." in " ".join(html.split()) and "My words.</textarea>" in html
    assert token_on(early) == token and not Report.objects.exists()  # so the time of writing counts
    spanish = client.post(f"/es{PAGE}", {"text": "My words.", "token": token}).content.decode()
    assert "Espere 5 segundos" in spanish and "Sus palabras siguen abajo" in spanish
    later = time.time() + 5
    monkeypatch.setattr(time, "time", lambda: later)
    assert client.post(PAGE, {"text": "My words.", "point": "2", "token": token}).status_code == 303
    assert Report.objects.get().text == "My words."


@pytest.mark.parametrize(
    ("count", "wait", "words"), [(20, 30, "30 seconds"), (60, 120, "2 minutes"), (300, 600, "10 minutes")]
)
def test_the_more_reports_arrive_the_longer_everybody_waits_and_nobody_is_refused(library, client, count, wait, words):
    edition = library.questions.get(number=1).live
    arrived(edition, count - 1)
    assert send(client, seconds=wait - 5).status_code == 303
    early = send(client, "Mine.", seconds=2)
    assert early.status_code == 429 and wait - 5 <= int(early.headers["Retry-After"]) <= wait
    assert (
        f"Please wait {words}, then" in " ".join(early.content.decode().split()) and "Mine." in early.content.decode()
    )
    assert send(client, "Mine.", seconds=wait).status_code == 303
    arrived(edition, 0, age=timedelta(hours=2))
    assert send(client, "Later.", seconds=4).status_code == 303


def test_sixty_reports_of_one_client_do_not_keep_another_reader_from_reporting(library, client):
    for number in range(60):
        assert send(client, f"Report {number}.").status_code == 303
    reader = Client()
    assert send(reader, "The card is not free.", seconds=125).status_code == 303
    assert Report.objects.count() == 61


def test_a_form_that_is_sent_twice_is_one_report_with_one_receipt(library, client):
    sent = {"text": "Wrong.", "point": "2", "token": form_token()}
    first = client.post(PAGE, sent)
    arrived(library.questions.get(number=1).live, 300)
    assert client.post(PAGE, sent).headers["Location"] == first.headers["Location"]
    assert Report.objects.exclude(text="One of many.").count() == 1


def test_other_words_with_a_used_token_are_not_taken_for_the_report_that_is_stored(library, client):
    token = form_token()
    client.post(PAGE, {"text": "Wrong.", "token": token})
    again = client.post(PAGE, {"text": "And also this.", "token": token})
    assert again.status_code == 400 and "And also this.</textarea>" in again.content.decode()
    assert "was sent before" in again.content.decode() and token_on(again) != token
    assert Report.objects.get().text == "Wrong."


@pytest.mark.parametrize("kind", ["missing", "forged", "of another purpose", "expired", "crooked"])
def test_an_invalid_token_gives_the_form_again_with_the_words_and_a_valid_token(library, client, kind):
    data = {"text": "My words."} | {
        "missing": {},
        "forged": {"token": form_token()[:-3] + "abc"},
        "of another purpose": {"token": signing.dumps(["x", 0], salt="other")},
        "expired": {"token": form_token(25 * 3600)},
        "crooked": {"token": "\0"},
    }[kind]
    response = client.post(PAGE, data)
    assert response.status_code == 400 and "My words.</textarea>" in response.content.decode()
    assert "Please send them again in a few seconds." in response.content.decode()
    assert not Report.objects.exists()
    assert client.post(PAGE, data | {"token": token_on(response)}).status_code == 429  # a good one, but new


def test_a_report_has_no_field_for_its_sender():
    names = {field.name for field in Report._meta.get_fields()}
    assert names == {"id", "edition", "point", "text", "received_at", "receipt", "state", "answered_by"}


def test_words_are_forgotten_after_90_days_and_the_rest_stays(library, client, capsys):
    send(client, "Old.")
    Report.objects.update(received_at=timezone.now() - timedelta(days=91))
    send(client, "New.")
    call_command("purge_reports")
    assert capsys.readouterr().out == "The words of 1 report were deleted.\n"
    assert sorted(Report.objects.values_list("text", flat=True)) == ["", "New."]


def test_an_editor_links_the_edition_that_answered_and_the_reader_sees_it(library, client, publisher):
    receipt = send(client, "Wrong.").headers["Location"]
    row = Question.objects.get(number=1)
    row.points.filter(key=1).update(text="Anyone at all.")
    edition = publishing.publish(row, by=publisher, note="Corrected.")
    report = Report.objects.get()
    desk = logged_in(publisher)
    address = f"/admin/faq/report/{report.pk}/change/"
    page = desk.get(address)
    assert "Wrong." in page.content.decode()
    choices = page.context["adminform"].form.fields["answered_by"].queryset
    assert {(e.question.number, e.number) for e in choices} == {(1, 1), (1, 2)}
    submit(desk, address, {"state": "new", "answered_by": edition.pk})
    report.refresh_from_db()
    assert report.state == "answered"
    html = client.get(receipt).content.decode()
    assert "An editor changed the answer." in html and edition.get_absolute_url() in html


def test_a_withdrawn_or_unknown_answer_takes_no_report(library, client):
    publishing.withdraw(Question.objects.get(number=1), because="Gone.")
    assert send(client, "Wrong.").status_code == 410
    assert client.get("/answers/library/99/report/").status_code == 404
    assert client.get("/reports/nonsense/").status_code == 404
    assert not Report.objects.exists()
