"""The promises of the README, each with tests that try to break it. (Those about parsing and importing stand in
`test_seedfile.py`, `test_importing.py` and `test_commands.py`; the second person in `test_workflow.py`; the stale save
in `test_admin.py` and `test_desk.py`.)"""

import re

import pytest
from django.db import connection
from django.test import RequestFactory

from faq.models import AnswerPoint, Question, Topic
from faq.tests.conftest import import_text, logged_in
from faq.tests.surfaces import public_addresses
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db

SECRET = "zanzibar"


@pytest.fixture
def half_hidden(library, publisher):
    """A draft, a half-revised and a withdrawn question, all full of words that the public must not see."""
    publishing.withdraw(Question.objects.get(number=2), because="The rule changed.")
    revised = Question.objects.get(number=1)
    revised.text, revised.short_answer = f"Who {SECRET}?", f"Only {SECRET}."
    revised.seed_conflict = revised.imported = f"1. {SECRET}?\n{SECRET}\n"
    revised.save()
    revised.points.update(text=f"{SECRET} one", label=SECRET)
    Question.objects.filter(number=2).update(text=f"How {SECRET}?", short_answer=SECRET)
    AnswerPoint.objects.filter(question__number=2).update(text=SECRET)
    draft = Question.objects.create(collection=library, number=4, text=f"Why {SECRET}?", short_answer=SECRET)
    draft.points.create(text=SECRET, position=1)
    draft.topics.set(Topic.objects.all())
    draft.tags.add(f"tag {SECRET}")
    Topic.objects.create(slug=SECRET, name=f"Topic {SECRET}").questions.set([draft, Question.objects.get(number=2)])
    import_text(f"1. {SECRET}?\n{SECRET}\n", slug=SECRET)
    for question in Question.objects.all():
        working_copy.refresh(question)
    return library


def test_1_nothing_unpublished_leaks(half_hidden, client):
    pages = {address: client.get(address) for address in public_addresses()}
    assert [address for address, page in pages.items() if SECRET in page.content.decode().lower()] == []
    assert {page.status_code for page in pages.values()} == {200, 410}


@pytest.mark.parametrize("query", ["q={}", "tag=tag-{}", "topic={}", "collection={}", "q={}&topic={}"])
def test_1_asking_for_an_unpublished_word_answers_like_asking_for_one_that_nobody_wrote(half_hidden, client, query):
    secret, nonsense = (
        client.get("/questions/?" + query.replace("{}", word)).content.decode() for word in (SECRET, "xylophon")
    )
    assert secret.replace(SECRET, "xylophon") == nonsense


@pytest.mark.parametrize("address", [f"/answers/library/4/why-{SECRET}/", "/answers/library/4/", f"/topics/{SECRET}/",
                                     "/answers/library/4/history/", "/answers/library/4/editions/1/",
                                     f"/answers/{SECRET}/", f"/answers/{SECRET}/1/"])  # fmt: skip
def test_1_addresses_of_unpublished_content_are_not_found(half_hidden, client, address):
    assert client.get(address).status_code == 404


def test_1_a_withdrawn_answers_words_are_gone_from_everywhere(half_hidden, client):
    for address in public_addresses():
        html = client.get(address).content.decode()
        assert "Three weeks" not in html and "How long may I keep" not in html, address


def test_1_search_knows_no_unpublished_word(half_hidden, client):
    assert not client.get(f"/questions/?q={SECRET}").context["page"].object_list
    assert not client.get("/questions/?q=weeks").context["page"].object_list
    assert [q.number for q in client.get("/questions/?q=springfield").context["page"].object_list] == [1]


def test_6_addresses_never_die(library, publisher, client):
    old = Question.objects.select_related("live").get(number=2)
    first = old.get_absolute_url()
    point = old.points.get()
    old.text, point.text = "For how many days?", "Ten."
    old.save()
    point.save()
    working_copy.refresh(old)
    publishing.publish(old, by=publisher, note="New words.")
    now = Question.objects.get(number=2).get_absolute_url()
    assert now == "/answers/library/2/for-how-many-days/"
    for address in (first, "/answers/library/2/", "/answers/library/2/nonsense/"):
        response = client.get(address)
        assert (response.status_code, response.url) == (301, now)
    editions = ["/answers/library/2/editions/1/", "/answers/library/2/editions/2/", "/answers/library/2/history/"]
    for address in editions:
        assert client.get(address).status_code == 200
    publishing.withdraw(old, because="The rule changed.")
    for address in (first, now, "/answers/library/2/", *editions):
        response = client.get(address)
        assert response.status_code == 410
        assert "The rule changed." in response.content.decode()


def test_6_a_redirect_keeps_what_stands_after_the_question_mark(library, client):
    assert client.get("/answers/library/2/?print=1").url == "/answers/library/2/how-long-may-i-keep-a-book/?print=1"


def test_6_a_collection_whose_answers_are_all_withdrawn_still_answers(library, client):
    for question in Question.objects.all():
        publishing.withdraw(question, because="Gone.")
    assert client.get(library.get_absolute_url()).status_code == 200


def test_6_a_topic_keeps_its_address_without_answers_and_when_it_is_deleted(library, client):
    address = Topic.objects.get(slug="cards").get_absolute_url()
    Question.objects.get(number=1).topics.clear()
    assert client.get(address).status_code == 200
    Topic.objects.get(slug="cards").delete()
    response = client.get(address)
    assert response.status_code == 410 and "Library cards" in response.content.decode()


def test_7_public_pages_leave_no_trace(half_hidden, client, editor):
    """No cookie, no script, no other host: not even for somebody who is logged in."""
    for visitor in (client, logged_in(editor)):
        for address in [*public_addresses(), "/nowhere/"]:
            response = visitor.get(address)
            html = response.content.decode()
            assert not response.cookies, address
            assert "Cookie" not in response.headers.get("Vary", ""), address
            assert (
                not re.search(r"<script(?! type=.application/ld\+json.>)", html)
                and "javascript:" not in html
                and "style=" not in html
            ), address
            assert not re.search(r"\son\w+\s*=", html), address
            policy = response.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy and "script-src" not in policy and "unsafe" not in policy
            assert "http" not in policy
            if not response["Content-Type"].startswith("text/html"):
                continue
            html = re.sub(r'<link rel="(canonical|alternate)"[^>]*>', "", html)  # named, not loaded
            loaded = re.findall(
                r'<(?:link|img|iframe|source|form|object|embed)[^>]*(?:href|src|action)="([^"]+)"', html
            )
            assert all(link.startswith("/") and not link.startswith("//") for link in loaded), loaded


def test_7_no_table_has_a_place_for_a_readers_address(db):
    columns = {
        f"{table}.{column.name}"
        for table in connection.introspection.table_names()
        for column in connection.introspection.get_table_description(connection.cursor(), table)
    }
    columns.remove("faq_source.address")  # a document's
    columns = {name for name in columns if not name.startswith("axes_")}  # of log-ins, and empty: see the settings
    assert not [name for name in columns if re.search(r"(^|[_.])(ip|addr|address|agent|referer|referrer)(_|$)", name)]


def test_public_pages_answer_safe_methods_only(library, client):
    for address in public_addresses():
        assert client.head(address).status_code == client.get(address).status_code
        assert client.post(address).status_code == 405


def test_the_error_page_needs_nothing_that_could_be_broken(db):
    from faq.site.views import server_error

    with connection.execute_wrapper(lambda *arguments: pytest.fail("the error page asked the database")):
        response = server_error(RequestFactory().get("/"))
    assert response.status_code == 500 and "<h1" in response.content.decode()
