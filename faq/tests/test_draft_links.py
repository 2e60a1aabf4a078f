"""Signed links that show a draft to somebody without an account."""

import re
import time

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from faq.models import Event, Question
from faq.tests.conftest import fields_of, logged_in, submit
from faq.tests.test_admin import form_data, page_of, question, save
from faq.workflow import audit, draft_links, publishing, working_copy

pytestmark = pytest.mark.django_db


def test_the_link_shows_the_draft_marked_as_a_draft(library, editor, client):
    desk_of, row = logged_in(editor), question()
    save(desk_of, row, form_data(desk_of, row) | {"points-0-text": "Four weeks."})
    html = desk_of.post(page_of(row, "link"), follow=True).content.decode()
    address = re.search(r"http://testserver(/drafts/[^\"<]+)", html)[1]
    response = client.get(address)
    html = response.content.decode()
    assert "Four weeks." in html and "Draft: this is a preview" in html and "do not pass it on" in html
    assert '<meta name="robots" content="noindex">' in html and "/admin/" not in html
    assert "no-store" in response["Cache-Control"] and response["Referrer-Policy"] == "no-referrer"
    assert "script-src" not in response["Content-Security-Policy"] and not response.cookies
    assert Event.objects.of(row).first().act == "shown"
    assert "/drafts/" not in "".join(LogEntry.objects.values_list("change_message", flat=True))
    assert client.get(f"/es{address}").status_code == 200


def test_the_link_ends_with_the_draft(library, editor, publisher, client):
    row = question()
    row.points.update(text="Four weeks.")
    working_copy.refresh(row, editor)
    address = reverse("draft", args=[draft_links.token(row)])
    publishing.publish(row, by=publisher, note="Four.")
    response = client.get(address)
    assert response.status_code == 410 and row.get_absolute_url() in response.content.decode()
    row.points.update(text="Five weeks.")
    assert "Five weeks." not in client.get(address).content.decode()


@pytest.mark.parametrize("many", [False, True])
def test_the_link_of_a_deleted_draft_shows_no_other_question(drafts, admin_client, client, many):
    row = question()
    address = reverse("draft", args=[draft_links.token(row)])
    assert client.get(address).status_code == 200
    if many:
        page = admin_client.post("/admin/faq/question/", {"action": "delete_selected", "_selected_action": [row.pk]})
        admin_client.post("/admin/faq/question/", fields_of(page))
    else:
        submit(admin_client, page_of(row, "delete"))
    assert not Question.objects.filter(pk=row.pk).exists()
    event = Event.objects.of(row).first()
    assert (event.act, event.remark) == ("discarded", "The whole draft was deleted.") and audit.verify().problems == []
    other = Question.objects.create(collection=drafts, number=row.number, text="Is there something else?")
    assert other.pk != row.pk  # no key is given twice
    response = client.get(address)
    assert response.status_code == 410 and "something else" not in response.content.decode()
    assert client.get(reverse("draft", args=[draft_links.token(other)])).status_code == 200


def test_the_link_ends_after_two_weeks(drafts_clock, drafts, client):
    address = reverse("draft", args=[draft_links.token(question())])
    drafts_clock(days=13)
    assert client.get(address).status_code == 200
    drafts_clock(days=15)
    response = client.get(address)
    assert response.status_code == 410 and "Ask the person who gave it to you" in response.content.decode()


@pytest.fixture
def drafts_clock(monkeypatch):
    now = time.time()
    return lambda days: monkeypatch.setattr("django.core.signing.time.time", lambda: now + days * 86_400)


@pytest.mark.parametrize("token", ["x", "WzEsMF0:1abc:2def", "%00", "a" * 3000])
def test_a_made_up_link_shows_nothing(library, token, client):
    assert client.get(f"/drafts/{token}/").status_code == 404
