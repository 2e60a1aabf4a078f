"""Readers' reports: tied to edition and point, nothing about the reader kept, and never a false thank-you."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from faq.models import Question, Report
from faq.site import reports
from faq.tests.conftest import logged_in, submit
from faq.workflow import publishing

pytestmark = pytest.mark.django_db

PAGE = "/answers/library/1/report/"


def test_a_report_is_stored_with_edition_and_point_and_its_receipt_says_so(library, client):
    response = client.post(f"{PAGE}?edition=1", {"text": "The card\r\n costs money.", "point": "2", "website": ""})
    assert response.status_code == 303 and not response.cookies
    report = Report.objects.get()
    assert (report.edition.number, report.edition.question.number, report.point) == (1, 1, 2)
    assert report.text == "The card\ncosts money."
    receipt = client.get(response.headers["Location"])
    assert "Your report is stored" in receipt.content.decode()
    assert "The card" not in receipt.content.decode()
    assert receipt.headers["Cache-Control"].startswith("max-age=0, no-cache, no-store")


def test_it_works_without_cookies_and_from_a_page_that_was_open_for_days(library):
    from django.test import Client

    strict = Client(enforce_csrf_checks=True)
    assert strict.post(PAGE, {"text": "Wrong."}).status_code == 303


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
def test_what_is_not_stored_is_said_next_to_the_field_and_the_words_stay(library, client, data, message):
    response = client.post(PAGE, data)
    html = response.content.decode()
    assert response.status_code == 400 and message in html
    assert "We could not store this." in html and "is stored" not in html
    assert data["text"].strip()[:20] in html
    assert not Report.objects.exists()


def test_beyond_the_limit_the_truth_is_told_and_the_words_stay(library, client, monkeypatch):
    monkeypatch.setattr(reports, "LIMITS", ((timedelta(hours=1), 2),))
    for _ in range(2):
        assert client.post(PAGE, {"text": "Wrong."}).status_code == 303
    response = client.post(PAGE, {"text": "My third one."})
    assert response.status_code == 429
    assert "We could not store this: too many reports" in response.content.decode()
    assert "My third one." in response.content.decode()
    assert Report.objects.count() == 2
    Report.objects.update(received_at=timezone.now() - timedelta(hours=2))
    assert client.post(PAGE, {"text": "Later."}).status_code == 303


def test_the_table_has_no_place_for_who_sent_it():
    names = {field.name for field in Report._meta.get_fields()}
    assert names == {"id", "edition", "point", "text", "received_at", "receipt", "state", "answered_by"}


def test_words_are_forgotten_after_90_days_and_the_rest_stays(library, client, capsys):
    client.post(PAGE, {"text": "Old."})
    Report.objects.update(received_at=timezone.now() - timedelta(days=91))
    client.post(PAGE, {"text": "New."})
    call_command("purge_reports")
    assert capsys.readouterr().out == "The words of 1 report were deleted.\n"
    assert sorted(Report.objects.values_list("text", flat=True)) == ["", "New."]


def test_an_editor_links_the_edition_that_answered_and_the_reader_sees_it(library, client, publisher):
    receipt = client.post(PAGE, {"text": "Wrong."}).headers["Location"]
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
    assert client.post(PAGE, {"text": "Wrong."}).status_code == 410
    assert client.get("/answers/library/99/report/").status_code == 404
    assert client.get("/reports/nonsense/").status_code == 404
    assert not Report.objects.exists()


@pytest.mark.parametrize("query", ["", "?edition=1", "?edition=99", "?edition=x&point=y", "?edition=" + "9" * 40])
def test_the_form_opens_whatever_stands_in_the_address(library, client, query):
    assert client.get(PAGE + query).status_code == 200
