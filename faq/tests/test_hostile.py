"""What hostile words, requests and files do to the site: nothing. `make attack` sends many more of them."""

import logging
import random
import re
import socket
from collections import Counter
from urllib.parse import quote

import pytest
from django.contrib.auth.hashers import get_hasher
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from faq.admin import points
from faq.answers import markup, seedfile
from faq.models import Citation, Question, Report, SiteText, Source, Topic, content_version
from faq.tests.conftest import form_token, import_text, logged_in, name_sources
from faq.tests.hostile import headers, wire, world
from faq.tests.hostile.campaign import SHARES, Campaign, forged, fresh_application, log_lines
from faq.tests.surfaces import public_addresses
from faq.tests.test_admin import form_data, page_of, question
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db

UNREACHED = [
    "admin/autocomplete/", "admin/faq/question/process_import/", "admin/faq/report/add/", "admin/faq/missedsearch/add/",
    "admin/faq/missedsearch/object_id/delete/",
    "admin/otp_totp/totpdevice/pk/config/", "admin/otp_totp/totpdevice/pk/qrcode/",
]  # fmt: skip
"""Addresses of the admin that show themselves to nobody, or to nobody without more than their own. They are attacked
all the same, and named here so that nothing else goes unreached."""

ADDRESS = "/answers/library/2/how-long-may-i-keep-a-book/"


def publish(row, by):
    working_copy.refresh(row)
    return publishing.publish(row, by=by, note="Changed.")


# What turns the direction of text

OVERRIDE = "\u202e"
TURNING = [OVERRIDE, "\u202a", "\u202d", "\u2066", "\u2067", "\u2068", "\u2069", "\u202c"]


@pytest.mark.parametrize("turn", TURNING)
def test_a_seed_file_with_a_hidden_turn_of_direction_is_refused_in_words(turn):
    with pytest.raises(seedfile.SeedError) as error:
        seedfile.parse(f"1. Who?\nEverybody {turn}ydobon.\n")
    assert f"U+{ord(turn):04X}, which is invisible and changes the direction of text" in str(error.value)
    assert error.value.line == 2


def test_an_editors_hidden_turn_is_left_out_and_marks_of_direction_stay(library, editor):
    client, row = logged_in(editor), question()
    words = {"text": f"Call{OVERRIDE} 555-0100?", "points-0-text": "\u2066שלום\u2069 \u200f(12)"}
    client.post(page_of(row), form_data(client, row) | words)
    row = question()
    assert row.text == "Call 555-0100?" and row.points.first().text == "שלום \u200f(12)"


def test_a_readers_hidden_turn_is_left_out_of_the_report(library, client):
    client.post("/answers/library/2/report/", {"text": f"Wrong{OVERRIDE}.", "token": form_token()})
    assert Report.objects.get().text == "Wrong."


def test_turns_that_came_in_by_other_ways_reach_no_page(library, publisher, client):
    row = question()
    Question.objects.filter(pk=row.pk).update(text=f"How {OVERRIDE}long?")
    Topic.objects.update(name=f"Cards {OVERRIDE}x", description=f"\u2067{OVERRIDE}")
    SiteText.objects.create(name="who", text=f"*We* {OVERRIDE}are")
    publish(question(), publisher)
    addresses = [*public_addresses(), f"/questions/?q={OVERRIDE}card", f"/nowhere/{OVERRIDE}/"]
    for address in [*addresses, page_of(row), page_of(row, "preview")]:
        visitor = client if not address.startswith("/admin") else logged_in(publisher)
        response = visitor.get(address, follow=True)
        assert not [turn for turn in TURNING if turn in response.content.decode()], address
        assert int(response.headers.get("Content-Length", len(response.content))) == len(response.content)
    assert question().live.content.question == f"How {OVERRIDE}long?"  # what was sealed stays as it was


def test_words_of_another_direction_keep_to_themselves(library, publisher, client):
    row = question()
    row.text = "כמה זמן (12)?"
    row.save()
    source = Source.objects.create(title="ספר 7", publisher="עיר 3")
    Citation.objects.create(point=row.points.first(), source=source, place="§ 4", consulted="2026-05-04")
    publish(row, publisher)
    html = client.get("/answers/library/2/", follow=True).content.decode()
    for part in ('dir="auto">כמה זמן (12)?</h1>', "<bdi>ספר 7</bdi>", "<bdi>עיר 3</bdi>", "<bdi>§ 4</bdi>"):
        assert part in html, part


# What a page leads to


def test_an_address_that_a_browser_would_run_is_no_link(library, publisher, client):
    row = question()
    for number, address in enumerate(
        ("javascript:alert(1)", "//evil.example/", "data:text/html,x", "https://ok.example/")
    ):
        source = Source.objects.create(key=f"s{number}", title=f"S{number}", address=address, archived=address)
        Citation.objects.create(point=row.points.first(), source=source, consulted="2026-05-04")
    publish(row, publisher)
    for address in (ADDRESS, "/answers/library/2/editions/2/", "/answers/library/"):
        html = client.get(address).content.decode()
        assert "javascript:" not in html and "evil.example" not in html and "data:" not in html
        assert 'href="https://ok.example/"' in html and "S0" in html


@pytest.mark.parametrize("path", ["/%5Cevil.example/", "/es/%5Cevil.example/", "/%00", "/%0d%0ax/"])
def test_a_made_up_address_is_no_link_to_another_host(db, client, path):
    response = client.get(path)
    assert response.status_code == 404
    html = response.content.decode()
    assert 'href="//' not in html and 'href="/\\' not in html and "\0" not in html


def test_a_link_in_the_sites_own_words_says_where_it_leads(db):
    html = markup.render("[a](//evil.example/) [b](https://ok.example/) [c](/about/) [d](/\\\\evil.example)")
    assert re.findall(r'href="([^"]*)"', html) == ["https://ok.example/", "/about/", "/%5Cevil.example"]


def test_a_long_address_does_not_make_a_list_many_times_as_long(library, client):
    plain = len(client.get("/questions/").content)
    for query in (
        {"utm": "x" * 50_000},
        {"q": "x" * 50_000},
        {"topic": "x" * 50_000},
        {"q": "card", "x": "<" * 50_000},
    ):
        response = client.get("/questions/", query)
        assert response.status_code == 200 and len(response.content) < plain + 10 * 50_000, query.keys()
    html = client.get("/questions/?q=card&topic=cards&checked=no&utm=x").content.decode()
    assert 'href="?q=card&amp;checked=no"' in html and 'href="?topic=cards&amp;checked=no"' in html


# Who reads what


def test_nobody_reads_the_second_factor_of_somebody_else(publisher):
    root = logged_in(User.objects.create_superuser("root"))
    phone = TOTPDevice.objects.create(user=publisher, name="phone")
    paper = StaticDevice.objects.create(user=publisher, name="paper")
    paper.token_set.create(token="abcd-1234")
    for address in (f"{phone.pk}/config/", f"{phone.pk}/qrcode/", "999999/qrcode/", "999999/config/"):
        assert root.get(f"/admin/otp_totp/totpdevice/{address}").status_code == 403
    assert phone.key not in root.get(f"/admin/otp_totp/totpdevice/{phone.pk}/change/").content.decode()
    assert "abcd-1234" not in root.get(f"/admin/otp_static/staticdevice/{paper.pk}/change/").content.decode()


@pytest.mark.parametrize("cookie", ["csrftoken=<x>", "sessionid=x", "messages=x; sessionid=\\x00"])
def test_nobody_who_only_reads_is_given_a_cookie(library, cookie):
    for address in [*public_addresses(), "/answers/library/2/report/", "/nowhere/"]:
        assert not Client(headers={"Cookie": cookie}).get(address).cookies, address


# What a refusal looks like


def test_public_pages_refuse_what_is_sent_to_them_before_they_ask_where_from(library):
    browser = Client(enforce_csrf_checks=True)
    for address in public_addresses():
        assert browser.post(address, {"a": "b"}).status_code == 405, address


def test_refusals_are_pages_of_this_site_with_the_way_back(library, editor):
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)
    refused = client.post(page_of(question(), "submit"))
    forbidden = client.get(page_of(question(), "publish"))
    crooked = client.get("/about/", headers={"Host": "evil example"})
    for response, status, words in (
        (refused, 403, "does not belong to your log-in"),
        (forbidden, 403, "You may not do this"),
        (crooked, 400, "This cannot be answered"),
    ):
        html = response.content.decode()
        assert response.status_code == status and words in html and "<h1>" in html and 'class="go"' in html
        assert "<style" not in html and "style=" not in html


# How much of anything


def long_answer(points):
    text = "1. Long?\n" + "".join(f"{number}. Point {number}.\n" for number in range(1, points + 1))
    return import_text(text, slug="long", publish=True).collection.questions.get()


def test_a_long_answer_can_be_saved_as_a_whole(db, editor):
    row, client = long_answer(80), logged_in(editor)
    client.post(page_of(row), form_data(client, row) | {"points-79-text": "The last one, changed."})
    assert row.points.last().text == "The last one, changed." and row.points.count() == 80


@pytest.mark.parametrize("total", ["1000000", "501", str(10**30), "9" * 5000])
@pytest.mark.parametrize("prefix", ["points", "points-0-citations"])
def test_a_form_that_counts_more_rows_than_it_sends_is_refused_in_words(library, editor, prefix, total):
    client, row = logged_in(editor), question()
    response = client.post(page_of(row), form_data(client, row) | {f"{prefix}-TOTAL_FORMS": total, "text": "Other?"})
    assert response.status_code == 400 and f"{prefix}-TOTAL_FORMS" in response.content.decode()
    assert question().text == "How long may I keep a book?"


@pytest.mark.parametrize("name", ["points-0-id", "points-0-citations-0-id"])
@pytest.mark.parametrize("value", ["1,2", "x", "9" * 30, "²", "-1"])
def test_a_row_of_a_form_with_a_crooked_key_is_refused_in_words(library, editor, name, value):
    client, row = logged_in(editor), question()
    response = client.post(page_of(row), form_data(client, row) | {name: value, "text": "Other?"})
    assert response.status_code == 400 and name in response.content.decode()
    assert question().text == "How long may I keep a book?"


@pytest.mark.parametrize("value", ["1,x", "9" * 30, "²", "-1", "\0"])
def test_every_field_of_the_desk_that_names_a_row_refuses_a_crooked_key(library, value):
    client = logged_in(User.objects.create_superuser("root"))
    data = {"name": "Helpers", "username": "helga", "text": "x", "kind": "x"}
    for address, field in (
        ("auth/group/add/", "permissions"), ("auth/user/add/", "groups"), ("faq/note/add/", "questions"),
        ("otp_totp/totpdevice/add/", "user"), ("faq/note/add/", "collection"),
    ):  # fmt: skip
        response = client.post(f"/admin/{address}", data | {field: value})
        assert response.status_code == 400 and f"“{field}”" in response.content.decode(), (address, field)


def test_there_is_a_most_of_points_and_of_sources_of_a_point(library, editor):
    client, row = logged_in(editor), question()
    data = form_data(client, row) | {f"x{number}": "" for number in range(60)}
    response = client.post(page_of(row), data | {"points-0-citations-TOTAL_FORMS": "51"})
    assert "Please submit at most 50 forms" in response.content.decode()
    assert (points.MOST_POINTS, points.MOST_CITATIONS) == (300, 50)


def test_five_hundred_questions_are_acted_on_at_once(db, publisher):
    text = "".join(f"{number}. What about {number}?\nThis.\n" for number in range(1, 501))
    import_text(text, slug="many", publish=True)
    name_sources(Question.objects.all())
    client = logged_in(publisher)
    data = {"action": "check", "_selected_action": list(Question.objects.values_list("pk", flat=True))}
    page = client.post("/admin/faq/question/", data).content.decode()
    seen = re.findall(r'name="seen"\s+value="([^"]+)"', page)
    client.post("/admin/faq/question/", data | {"seen": seen, "confirmed": "yes", "comment": "Compared."})
    assert Question.objects.checked().count() == len(seen) == 500


@pytest.mark.parametrize("page", ["question", "collection", "source", "tag", "note", "report", "missedsearch"])
def test_a_search_of_the_desk_with_too_many_words_is_refused_in_words(library, publisher, page):
    address = f"/admin/{'taggit' if page == 'tag' else 'faq'}/{page}/"
    client = logged_in(publisher)
    for words in ("a " * 5000, '"' * 5001, "a" * 100_000, "'a'" * 400):
        response = client.get(address, {"q": words})
        assert response.status_code in (200, 400), words[:20]
    assert "cannot be looked up" in client.get(address, {"q": "a " * 41}).content.decode()
    assert client.get(address, {"q": "a " * 40}).status_code == 200


def upload(client, content):
    data = {"import_file": SimpleUploadedFile("desk.csv", content), "format": "0", "resource": "0"}
    return client.post("/admin/faq/question/import/", data).content.decode()


def test_a_spreadsheet_that_is_too_large_is_refused_before_its_rows_are_looked_at(
    library, editor, django_assert_max_num_queries
):
    client, head = logged_in(editor), b"collection,number,topics,keywords\n"
    assert "the limit is 2,000,000" in upload(client, head + b"x" * 2_000_000)
    with django_assert_max_num_queries(60):
        html = upload(client, head + b"library,1,,x\n" * 2001)
    assert "The file has 2,001 rows; the limit is 2,000." in html
    assert "Traceback" not in html and "spreadsheet.py" not in html


def test_no_page_of_the_spreadsheet_needs_a_script_in_it(library, editor):
    client = logged_in(editor)
    for address in ("export", "import"):
        html = client.get(f"/admin/faq/question/{address}/").content.decode()
        assert "onchange" not in html and "style=" not in html


def test_keywords_are_merged_by_nothing_that_would_not_do_it(library, client, editor):
    manager = User.objects.create_superuser("root")
    html = logged_in(manager).get("/admin/taggit/tag/").content.decode()
    assert "Merge" not in html and "bicycle" in html
    assert logged_in(manager).get("/admin/taggit/tag/merge-tags/").status_code in (302, 404)


# Who is asked who they are


def log_in(name, password="wrong"):
    client = Client()
    client.get("/admin/login/")
    return client.post("/admin/login/", {"username": name, "password": password, "next": "/admin/"})


def test_a_log_in_costs_the_same_for_names_that_are_known_and_names_that_are_not(editor, monkeypatch):
    User.objects.create_user("idle", password="correct horse", is_active=False, is_staff=True)
    hasher, encode, counts = get_hasher(), type(get_hasher()).encode, Counter()

    def counted(self, *arguments, **options):
        counts["hashes"] += 1
        return encode(self, *arguments, **options)

    monkeypatch.setattr(type(hasher), "encode", counted)
    answers = {}
    log_in("erin")  # so that none of them is the first
    for name in ("erin", "nobody", "idle", "ERIN", "erin\n", "a" * 150):
        counts.clear()
        with CaptureQueriesContext(connection) as queries:
            html = log_in(name).content.decode()
        shape = [re.sub(r"'[^']*'|\d+", "?", query["sql"])[:40] for query in queries]
        said = re.search(r'errornote">(.*?)</p>', html, re.S)[1]
        answers[name] = (counts["hashes"], len(shape), said)
    hashes, queries, said = zip(*answers.values(), strict=True)
    assert set(hashes) == {1} and len(set(said)) == 1
    # A failure is noted with an account that there is: one query more, beside a hash that takes far longer.
    assert max(queries) - min(queries) <= 2, answers


@pytest.mark.parametrize(
    "name", ["x\nFORGED: logged in", "x\r\nFORGED: y", "\x1b[2JFORGED", "x\u2028FORGED: y", '"}\n{"level": "FORGED"}']
)
def test_no_name_or_address_writes_a_line_of_the_log(editor, name):
    with log_lines() as log:
        browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
        log_in(name)
        browser.post("/admin/login/", {"username": name})  # is logged with its address
        browser.post(
            f"/admin/{quote(name)}/", {"a": name}, headers={"Referer": name.encode("ascii", "ignore").decode()}
        )
        browser.get(f"/{quote(name)}/", headers={"Host": "evil.example"})
        browser.get("/about/", headers={"User-Agent": "x"})
        logging.getLogger("django.request").error("Refused: %s", quote(name))
    assert "Refused" in log.getvalue()  # the log is what is looked at
    assert not forged(log.getvalue())


# Everything at once


def test_a_small_attack_gets_nothing_through(library):
    """`make attack` is larger, and draws another seed each time: a change's own tests do not fail by chance."""
    seed = 20261124
    make_application = fresh_application()  # which sets up the log
    with log_lines() as log:
        campaign = Campaign(make_application, world.build(library), seed)
        try:
            campaign.look_around(each=2)
            campaign.attack(200)
        finally:
            content_version.close()
    assert not campaign.faults, (seed, campaign.faults[:5])
    assert campaign.errors == 0 and not forged(log.getvalue())
    assert sorted(campaign.unreached()) == sorted(UNREACHED)
    assert sum(campaign.kinds.values()) > 600 and campaign.fields() > 150 and set(campaign.kinds) >= set(SHARES)


@pytest.mark.commands
def test_the_real_server_bears_crooked_bytes_and_gives_every_answer_its_headers(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with (tmp_path / "log").open("wb") as log, wire.server(tmp_path / "var", port, log) as server:
        some = dict(random.sample(sorted(wire.CROOKED.items()), 8))  # `make attack` sends all
        assert [(what, faults) for what, _, faults in wire.attack(server, some) if faults] == []
        server.log_in()
        for kind, path, how in wire.addresses(server):
            status, found, _ = server.ask(path, **how)
            assert list(headers.faults(path, status, found, tls=how.get("https", True))) == [], (kind, path)
