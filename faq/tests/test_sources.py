"""Sources of points: in the working copy, in editions, on public pages; and the link checker."""

import threading
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from faq.answers import content as contents
from faq.answers import diffing
from faq.models import Citation, Question, Source
from faq.operations import link_checker
from faq.tests.conftest import LIBRARY, check, import_text
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db


def question(number=2):
    return Question.objects.select_related("collection", "live").get(number=number)


def cite(point, title="Rules of the library", **facts):
    """A source cited by the point; `facts` of the citation, or `address` of the source."""
    source, _ = Source.objects.get_or_create(
        title=title,
        publisher="Town of Springfield",
        defaults={"address": facts.pop("address", "https://example.org/r")},
    )
    Citation.objects.create(point=point, source=source, **{"consulted": date(2026, 5, 4), **facts})
    return source


@pytest.fixture
def sourced(library, editor, publisher):
    """Question 1 with three sourced points of five, published."""
    row = question(1)
    cite(row.points.get(key=1), place="§ 1", quotation="Anyone who lives in Springfield")
    cite(row.points.get(key=2), place="§ 2")
    cite(row.points.get(key=3), place="§ 1", quotation="or stays for a day", consulted=date(2026, 4, 1))
    working_copy.refresh(row, editor)
    publishing.publish(row, by=publisher, note="Sources.")
    return question(1)


def test_an_edition_keeps_its_sources_when_a_source_changes(sourced):
    [citation] = sourced.live.content.blocks[1].citations
    source = contents.Source(
        "rules-of-the-library", "Rules of the library", "Town of Springfield", "official", "https://example.org/r"
    )
    assert citation == contents.Citation(source, "2026-05-04", "§ 2")
    Source.objects.update(title="Another title")
    assert question(1).live.content.blocks[1].citations == (citation,)


def test_readers_see_each_points_source_and_which_points_have_none(sourced, client):
    html = client.get(sourced.get_absolute_url()).content.decode()
    references = [(r.number, r.place, r.consulted, r.quotations) for r in sourced.live.sources]
    assert references == [
        (1, "§ 1", date(2026, 4, 1), ["Anyone who lives in Springfield", "or stays for a day"]),
        (2, "§ 2", date(2026, 5, 4), []),
    ]
    assert html.count('href="#s1"') == 2 and html.count('href="#s2"') == 1
    assert html.count("no source yet") == 2
    assert '<li id="s2">' in html and 'href="https://example.org/r"' in html
    assert "consulted on 1 April 2026" in html and ">or stays for a day</q>" in html
    spanish = client.get(f"/es{sourced.get_absolute_url()}").content.decode()
    assert spanish.count("todavía sin fuente") == 2 and "página o aviso oficial" in spanish


def test_an_answer_without_any_source_says_so_once(library, client):
    html = client.get(question().get_absolute_url()).content.decode()
    assert "None is named for this answer yet." in html and "no source yet" not in html


def test_the_history_shows_changes_of_the_sources(sourced, client):
    html = client.get(sourced.get_history_url()).content.decode()
    assert "<b>Sources:</b>" in html
    before, after = (edition.content for edition in sourced.editions.all())
    changed = [(line.kind, line.key) for line in diffing.compare(before, after) if line.changed]
    assert changed == [("sources", 1), ("sources", 2), ("sources", 3)]


def test_structured_data_names_each_source_once(sourced, client):
    html = client.get(sourced.get_absolute_url()).content.decode()
    assert html.count('"@type":"CreativeWork"') == 1 and '"url":"https://example.org/r"' in html


def test_points_without_a_source_are_counted(sourced):
    assert (question(1).unsourced, question(2).unsourced) == (2, 1)


def test_a_reimport_never_writes_over_a_point_that_an_editor_gave_a_source(sourced):
    changed = LIBRARY.replace("free at the desk", "free")
    assert import_text(changed, publish=True).outcomes[0] == (1, "conflict kept as edited")
    assert question(1).points.get(key=2).citations.count() == 1
    assert import_text(publish=True).outcomes[0] == (1, "kept as edited")
    assert question(1).live.number == 2


def test_restoring_brings_the_sources_back_and_registers_a_lost_one_again(sourced, editor):
    Citation.objects.all().delete()
    Source.objects.all().delete()
    publishing.restore(sourced, sourced.live, by=editor)
    assert working_copy.content(question(1)) == sourced.live.content
    assert question(1).state == "public" and Source.objects.get().key == "rules-of-the-library"


def test_two_documents_with_one_title_have_two_keys(db):
    keys = [Source.objects.create(title="Notice", publisher=str(number)).key for number in range(3)]
    assert keys == ["notice", "notice-2", "notice-3"]
    assert Source.objects.create(title="市の規則").key == "source"


@pytest.mark.parametrize("address", ["javascript:alert(1)", "ftp://example.org/", "example.org", "https://a b.org"])
def test_a_malformed_address_of_a_source_is_refused(db, address):
    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError):
        Source(title="Notice", address=address).full_clean()


# The link checker


class Pages(BaseHTTPRequestHandler):
    asked = []

    def do_GET(self):
        self.asked.append((self.command, self.path))
        status = {"/ok": 200, "/gone": 404, "/moved": 302, "/no-head": 405 if self.command == "HEAD" else 200,
                  "/log-in": 403, "/broken": 500}.get(self.path, 200)  # fmt: skip
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/ok")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *args):
        pass


@pytest.fixture
def pages():
    """The address of a small server on this machine that knows good and bad pages."""
    server = HTTPServer(("127.0.0.1", 0), Pages)
    Pages.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("page", "problem"),
    [
        ("/ok", None), ("/moved", None), ("/no-head", None), ("/log-in", None),
        ("/gone", "the server says 404 Not Found"), ("/broken", "the server says 500 Internal Server Error"),
    ],
)  # fmt: skip
def test_a_visit_says_whether_the_document_is_there(pages, page, problem):
    assert link_checker.visit(pages + page, private=True) == problem


def test_a_document_that_is_there_is_asked_for_by_its_head_alone(pages):
    link_checker.visit(f"{pages}/ok", private=True)
    assert Pages.asked == [("HEAD", "/ok")]


def test_the_link_checker_does_not_visit_private_networks(pages):
    assert "private network" in link_checker.visit(f"{pages}/ok")
    assert Pages.asked == []


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:1/", "http://nowhere.invalid/", "file:///etc/passwd", "http://["]
)
def test_an_unreachable_address_gives_a_reason(address):
    assert link_checker.visit(address, private=True).startswith("no answer")


def test_a_failing_address_is_recorded_until_it_answers_again(pages, db):
    good = Source.objects.create(title="Good", address=f"{pages}/ok")
    bad = Source.objects.create(title="Bad", address=f"{pages}/gone")
    Source.objects.create(title="On paper")
    out = StringIO()
    call_command("check_links", private=True, pause=0, stdout=out)
    assert out.getvalue().splitlines() == [
        "Bad: the server says 404 Not Found", f"  {pages}/gone", "2 addresses visited: 1 answered, 1 did not."
    ]  # fmt: skip
    good.refresh_from_db()
    bad.refresh_from_db()
    assert good.visited_at and not good.fails_since
    first = bad.fails_since
    assert first and bad.failure == "the server says 404 Not Found"
    out = StringIO()
    call_command("check_links", private=True, pause=0, stdout=out)
    assert out.getvalue() == "0 addresses visited: 0 answered, 0 did not.\n"  # not twice in a week
    call_command("check_links", private=True, pause=0, days=0, stdout=StringIO())
    bad.refresh_from_db()
    assert bad.fails_since == first
    Source.objects.filter(pk=bad.pk).update(address=f"{pages}/ok")
    call_command("check_links", private=True, pause=0, days=0, stdout=StringIO())
    bad.refresh_from_db()
    assert (bad.fails_since, bad.failure) == (None, "")


def test_reviews_due_lists_what_is_due_and_fails_where_something_is_overdue(library, publisher):
    today = timezone.localdate()

    def run():
        out = StringIO()
        try:
            call_command("reviews_due", stdout=out)
        except SystemExit as end:
            return out.getvalue(), end.code
        return out.getvalue(), 0

    assert run() == ("0 overdue, 0 due within 14 days, 3 never checked.\n", 0)
    check(question(1), publisher, on=today - timedelta(days=170))
    due = today + timedelta(days=10)
    text, code = run()
    assert (text.splitlines()[0], code) == (
        f"library 1: due on {due}. Checked on {today - timedelta(days=170)}.", 0
    )  # fmt: skip
    check(question(2), publisher, on=today - timedelta(days=181))
    text, code = run()
    assert text.splitlines()[0].startswith("library 2: overdue by 1 day.") and code == 1
    assert text.splitlines()[-1] == "1 overdue, 1 due within 14 days, 1 never checked."
