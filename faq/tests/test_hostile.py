"""Hostile words, requests, files and rows do nothing to the site. `make attack` sends many more of them."""

import random
import re
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
from faq.models import Citation, Question, Report, SiteText, Source, Topic
from faq.tests import hostile
from faq.tests.conftest import form_token, import_text, logged_in, name_sources
from faq.tests.hostile import OVERRIDE, TURNING
from faq.tests.surfaces import public_addresses
from faq.tests.test_admin import form_data, page_of, question
from faq.tests.test_audit import used  # noqa: F401
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db

ADDRESS = "/answers/library/2/how-long-may-i-keep-a-book/"


def publish(row, by):
    working_copy.refresh(row)
    return publishing.publish(row, by=by, note="Changed.")


# Characters that turn the direction of text


@pytest.mark.parametrize("turn", "\u202a\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
def test_a_seed_file_with_a_hidden_turn_of_direction_is_refused_in_words(turn):
    words = f"U\\+{ord(turn):04X}, which is invisible and changes the direction of text"
    with pytest.raises(seedfile.SeedError, match=words) as error:
        seedfile.parse(f"1. Who?\nEverybody {turn}ydobon.\n")
    assert error.value.line == 2


def test_a_hidden_turn_is_left_out_of_forms_and_marks_of_direction_stay(library, editor, client):
    desk, row = logged_in(editor), question()
    words = {"text": f"Call{OVERRIDE} 555-0100?", "points-0-text": "\u2066שלום\u2069 \u200f(12)"}
    desk.post(page_of(row), form_data(desk, row) | words)
    assert (question().text, question().points.first().text) == ("Call 555-0100?", "שלום \u200f(12)")
    client.post("/answers/library/2/report/", {"text": f"Wrong{OVERRIDE}.", "token": form_token()})
    assert Report.objects.get().text == "Wrong."


def test_turns_that_came_in_by_other_ways_reach_no_page(library, publisher, client):
    Question.objects.filter(pk=question().pk).update(text=f"How {OVERRIDE}long?")
    Topic.objects.update(name=f"Cards {OVERRIDE}x", description=f"\u2067{OVERRIDE}")
    SiteText.objects.create(name="who", text=f"*We* {OVERRIDE}are")
    publish(question(), publisher)
    desk = logged_in(publisher)
    pages = [page_of(question()), page_of(question(), "preview")]
    for address in [*public_addresses(), f"/questions/?q={OVERRIDE}card", f"/nowhere/{OVERRIDE}/", *pages]:
        response = (desk if address in pages else client).get(address, follow=True)
        assert not TURNING.search(response.content.decode()), address
        assert int(response.headers.get("Content-Length", len(response.content))) == len(response.content)
    assert question().live.content.question == f"How {OVERRIDE}long?"  # a sealed edition stays as it was


def test_words_of_another_direction_keep_to_themselves(library, publisher, client):
    Question.objects.filter(pk=question().pk).update(text="כמה זמן (12)?")
    source = Source.objects.create(title="ספר 7", publisher="עיר 3")
    Citation.objects.create(point=question().points.first(), source=source, place="§ 4", consulted="2026-05-04")
    publish(question(), publisher)
    html = client.get("/answers/library/2/", follow=True).content.decode()
    for part in ('dir="auto">כמה זמן (12)?</h1>', "<bdi>ספר 7</bdi>", "<bdi>עיר 3</bdi>", "<bdi>§ 4</bdi>"):
        assert part in html, part


# Links


def test_an_address_that_a_browser_would_run_is_no_link(library, publisher, client):
    addresses = ["javascript:alert(1)", "//evil.example/", "data:text/html,x", "https://ok.example/"]
    for number, address in enumerate(addresses):
        source = Source.objects.create(key=f"s{number}", title=f"S{number}", address=address, archived=address)
        Citation.objects.create(point=question().points.first(), source=source, consulted="2026-05-04")
    publish(question(), publisher)
    for address in (ADDRESS, "/answers/library/2/editions/2/", "/answers/library/"):
        html = client.get(address).content.decode()
        assert not re.search("javascript:|evil.example|data:", html)
        assert 'href="https://ok.example/"' in html and "S0" in html


@pytest.mark.parametrize("path", ["/%5Cevil.example/", "/es/%5Cevil.example/", "/%00", "/%0d%0ax/"])
def test_a_made_up_address_is_no_link_to_another_host(db, client, path):
    response = client.get(path)
    assert response.status_code == 404 and not re.search(r'href="/[/\\]|\0', response.content.decode())


def test_a_link_in_the_sites_own_words_says_where_it_leads(db):
    html = markup.render("[a](//evil.example/) [b](https://ok.example/) [c](/about/) [d](/\\\\evil.example)")
    assert re.findall(r'href="([^"]*)"', html) == ["https://ok.example/", "/about/", "/%5Cevil.example"]


@pytest.mark.parametrize("query", [{"utm": "x"}, {"q": "x"}, {"topic": "x"}, {"x": "<", "q": "card"}])
def test_a_long_address_does_not_make_a_list_many_times_as_long(library, client, query):
    plain = len(client.get("/questions/").content)
    name = next(iter(query))
    response = client.get("/questions/", query | {name: query[name] * 50_000})
    assert response.status_code == 200 and len(response.content) < plain + 10 * 50_000


def test_a_filter_links_only_parameters_of_the_site(library, client):
    html = client.get("/questions/?q=card&topic=cards&checked=no&utm=x").content.decode()
    assert 'href="?q=card&amp;checked=no"' in html and 'href="?topic=cards&amp;checked=no"' in html


# Accounts


def test_nobody_reads_the_second_factor_of_somebody_else(publisher):
    root = logged_in(User.objects.create_superuser("root"))
    phone = TOTPDevice.objects.create(user=publisher, name="phone")
    paper = StaticDevice.objects.create(user=publisher, name="paper")
    paper.token_set.create(token="abcd-1234")
    for address in (f"{phone.pk}/config/", f"{phone.pk}/qrcode/", "999999/qrcode/", "999999/config/"):
        assert root.get(f"/admin/otp_totp/totpdevice/{address}").status_code == 403
    assert phone.key not in root.get(f"/admin/otp_totp/totpdevice/{phone.pk}/change/").content.decode()
    assert "abcd-1234" not in root.get(f"/admin/otp_static/staticdevice/{paper.pk}/change/").content.decode()


def log_in(name):
    client = Client()
    client.get("/admin/login/")
    return client.post("/admin/login/", {"username": name, "password": "wrong", "next": "/admin/"})


def test_a_log_in_costs_the_same_for_names_that_are_known_and_names_that_are_not(editor, monkeypatch):
    User.objects.create_user("idle", password="correct horse", is_active=False, is_staff=True)
    hasher, hashes = type(get_hasher()), []
    encode = hasher.encode
    monkeypatch.setattr(hasher, "encode", lambda *args, **options: hashes.append(1) or encode(*args, **options))
    log_in("erin")  # the first one costs more
    costs, queries, said = [], [], set()
    for name in ("erin", "nobody", "idle", "ERIN", "erin\n", "a" * 150):
        hashes.clear()
        with CaptureQueriesContext(connection) as asked:
            said |= set(re.findall(r'errornote">(.*?)</p>', log_in(name).content.decode(), re.S))
        costs.append(len(hashes))
        queries.append(len(asked))
    assert set(costs) == {1} and len(said) == 1
    assert max(queries) - min(queries) <= 2, queries  # a failure is noted with the account, if there is one


@pytest.mark.parametrize("name", [text for text in hostile.TEXTS if "FORGED" in text])
def test_no_name_or_address_writes_a_line_of_the_log(editor, name):
    path, referer = f"/admin/{quote(name)}/", name.encode("ascii", "ignore").decode()
    with hostile.log_lines() as log:
        browser = Client(enforce_csrf_checks=True, raise_request_exception=False)
        log_in(name)
        browser.post("/admin/login/", {"username": name})
        browser.post(path, {"a": name}, headers={"Referer": referer})
        browser.get(f"/{quote(name)}/", headers={"Host": "evil.example"})
    assert log.getvalue() and not hostile.forged_lines(log)


# Refusals


def test_public_pages_refuse_what_is_sent_to_them_before_they_ask_where_from(library):
    browser = Client(enforce_csrf_checks=True)
    assert {browser.post(address, {"a": "b"}).status_code for address in public_addresses()} == {405}


def test_refusals_are_pages_of_this_site_with_the_way_back(library, editor):
    client = Client(enforce_csrf_checks=True)
    client.force_login(editor)
    for response, status, words in (
        (client.post(page_of(question(), "submit")), 403, "does not belong to your log-in"),
        (client.get(page_of(question(), "publish")), 403, "You may not do this"),
        (client.get("/about/", headers={"Host": "evil example"}), 400, "This cannot be answered"),
    ):
        html = response.content.decode()
        assert response.status_code == status and words in html and "<h1>" in html and 'class="go"' in html


CROOKED_FIELDS = [
    *((f"{prefix}-TOTAL_FORMS", total) for prefix in ("points", "points-0-citations") for total in ("501", "9" * 5000)),
    *((f"{prefix}-id", key) for prefix in ("points-0", "points-0-citations-0") for key in ("1,2", "x", "9" * 30, "²")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), CROOKED_FIELDS)
def test_a_form_with_a_crooked_key_or_more_rows_than_it_sends_is_refused_in_words(library, editor, name, value):
    client, row = logged_in(editor), question()
    response = client.post(page_of(row), form_data(client, row) | {name: value, "text": "Other?"})
    assert response.status_code == 400 and name in response.content.decode()
    assert question().text == "How long may I keep a book?"


@pytest.mark.parametrize("value", ["1,x", "9" * 30, "²", "-1", "\0"])
def test_every_field_of_the_desk_that_names_a_row_refuses_a_crooked_key(library, value):
    client = logged_in(User.objects.create_superuser("root"))
    for address, field in (
        ("auth/group/add/", "permissions"), ("auth/user/add/", "groups"), ("faq/note/add/", "questions"),
        ("otp_totp/totpdevice/add/", "user"), ("faq/note/add/", "collection"),
    ):  # fmt: skip
        response = client.post(f"/admin/{address}", {field: value})
        assert response.status_code == 400 and f"“{field}”" in response.content.decode(), (address, field)


# Amounts


def test_a_long_answer_can_be_saved_as_a_whole(db, editor):
    text = "1. Long?\n" + "".join(f"{number}. Point {number}.\n" for number in range(1, 81))
    row = import_text(text, slug="long", publish=True).collection.questions.get()
    client = logged_in(editor)
    client.post(page_of(row), form_data(client, row) | {"points-79-text": "The last one, changed."})
    assert row.points.last().text == "The last one, changed." and row.points.count() == 80


def test_there_is_a_most_of_points_and_of_sources_of_a_point(library, editor):
    client, row = logged_in(editor), question()
    data = form_data(client, row) | {f"x{number}": "" for number in range(60)}
    response = client.post(page_of(row), data | {"points-0-citations-TOTAL_FORMS": "51"})
    assert "Please submit at most 50 forms" in response.content.decode()
    assert (points.MAX_POINTS, points.MAX_CITATIONS) == (300, 50)


def test_five_hundred_questions_are_acted_on_at_once(db, publisher):
    text = "".join(f"{number}. What about {number}?\nThis.\n" for number in range(1, 501))
    import_text(text, slug="many", publish=True)
    name_sources(Question.objects.all())
    client = logged_in(publisher)
    data = {"action": "check", "_selected_action": list(Question.objects.values_list("pk", flat=True))}
    seen = re.findall(r'name="seen"\s+value="([^"]+)"', client.post("/admin/faq/question/", data).content.decode())
    client.post("/admin/faq/question/", data | {"seen": seen, "confirmed": "yes", "comment": "Compared."})
    assert Question.objects.checked().count() == len(seen) == 500


@pytest.mark.parametrize("page", ["question", "collection", "source", "tag", "note", "report", "missedsearch"])
def test_a_search_of_the_desk_with_too_many_words_is_refused_in_words(library, publisher, page):
    address, client = f"/admin/{'taggit' if page == 'tag' else 'faq'}/{page}/", logged_in(publisher)
    for words in ("a " * 5000, '"' * 5001, "a" * 100_000, "'a'" * 400):
        assert client.get(address, {"q": words}).status_code in (200, 400), words[:20]
    assert "cannot be looked up" in client.get(address, {"q": "a " * 41}).content.decode()
    assert client.get(address, {"q": "a " * 40}).status_code == 200


def test_a_spreadsheet_that_is_too_large_is_refused_before_its_rows_are_looked_at(
    library, editor, django_assert_max_num_queries
):
    def upload(content):
        data = {"import_file": SimpleUploadedFile("desk.csv", content), "format": "0", "resource": "0"}
        return client.post("/admin/faq/question/import/", data).content.decode()

    client = logged_in(editor)
    assert "the limit is 2,000,000" in upload(hostile.HEAD + b"x" * 2_000_000)
    with django_assert_max_num_queries(60):
        html = upload(hostile.HEAD + b"library,1,,x\n" * 2001)
    assert "The file has 2,001 rows; the limit is 2,000." in html
    assert "Traceback" not in html and "spreadsheet.py" not in html


def test_keywords_are_merged_by_nothing_that_would_not_do_it(library):
    client = logged_in(User.objects.create_superuser("root"))
    html = client.get("/admin/taggit/tag/").content.decode()
    assert "Merge" not in html and "bicycle" in html
    assert client.get("/admin/taggit/tag/merge-tags/").status_code in (302, 404)


# Everything at once, with one seed: `make attack` draws another one each time


def test_a_small_attack_gets_nothing_through(library):
    with hostile.log_lines() as log:
        attack = hostile.Attack(random.Random(20261124), library)
        unreached = attack.visit(["superuser", "reader"])
        kinds = Counter(attack.run(200))
    assert [(request, faults) for *_, faults, request in attack.log if faults] == [] and not hostile.forged_lines(log)
    assert len(attack.log) > 500 and len(attack.forms) > 50 and len(kinds) == 8
    assert sorted(unreached) == []


def test_a_row_that_was_forged_by_hand_is_refused_or_found(used):  # noqa: F811
    chance = random.Random(20261124)
    results = [hostile.forge(chance) for _ in range(150)]
    assert [statement for statement, verdict in results if verdict == "unnoticed"] == []
    counts = Counter(verdict for _, verdict in results)
    assert counts["refused"] > 20 and counts["found"] > 10


@pytest.mark.commands
def test_the_real_server_bears_crooked_bytes_and_gives_every_answer_its_headers():
    assert [(request, faults) for *_, faults, request in hostile.on_the_server() if faults] == []
