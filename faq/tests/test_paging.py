"""Lists: pages that hang on a row instead of a number, and that cost the same however long the list is."""

from datetime import timedelta

import pytest
from django.db import connection
from django.urls import reverse
from django.utils import timezone
from lxml import html

from faq import filters, fixtures, manifest, paging, publishing
from faq.models import Edition, Question, Topic
from faq.tests.conftest import import_text

pytestmark = pytest.mark.django_db


def town(count, slug="town"):
    """A collection of that many questions; every second one is of the topic “cards”, every third has a keyword."""
    text = "".join(f"{n}. May I borrow book {n}?\nYes, for {n} days.\n" for n in range(1, count + 1))
    about = manifest.Manifest(
        title=f"Library of {slug}",
        topics=(manifest.Topic("cards", "Cards", tuple(range(2, count + 1, 2))),),
        tags=(manifest.Tag("days", tuple(range(3, count + 1, 3))),),
    )
    return import_text(text, about, slug, publish=True).collection


def numbers(response):
    return [row.number for row in response.context["page"].object_list]


def link(response, rel):
    found = html.fromstring(response.content).xpath(f"//a[@rel='{rel}']/@href")
    return found[0] if found else None


def walk(client, address, rel):
    """The numbers on all pages that `rel` leads to from one page on."""
    seen, path = [], address.partition("?")[0]
    while address:
        response = client.get(address)
        assert response.status_code == 200
        seen.append(numbers(response))
        further = link(response, rel)
        address = further and path + further
    return seen


@pytest.mark.parametrize(
    ("query", "step"), [("", 1), ("?topic=cards", 2), ("?tag=days", 3), ("?topic=cards&tag=days&checked=no", 6)]
)
def test_walking_forward_and_back_meets_every_answer_once_in_order(client, query, step):
    town(130)
    forward = walk(client, f"/questions/{query}", "next")
    assert [number for page in forward for number in page] == list(range(step, 131, step))
    assert all(len(page) == 20 for page in forward[:-1])
    last = forward[-1]
    if len(forward) > 1:
        address = reverse("question_list") + f"?{query[1:]}&after=town.{forward[-2][-1]}"
        back = walk(client, address, "prev")
        assert back[0] == last and list(reversed(back)) == forward


def test_the_page_says_where_in_the_list_it_is(client):
    town(45)
    text = " ".join(html.fromstring(client.get("/questions/?after=town.20").content).text_content().split())
    assert "21 to 40 of 45" in text and "45 answers" in text
    assert "41 a 45 de 45" in " ".join(client.get("/es/questions/?after=town.40").content.decode().split())


def test_a_link_to_a_page_still_shows_it_after_something_before_it_changed(client, publisher):
    town(60)
    assert numbers(client.get("/questions/?after=town.20")) == list(range(21, 41))
    for number in (3, 20):
        publishing.withdraw(Question.objects.get(number=number), by=publisher, because="Wrong.")
    assert numbers(client.get("/questions/?after=town.20")) == list(range(21, 41))
    assert client.get("/questions/?page=2").headers["Location"] == "/questions/?after=town.22"


@pytest.mark.parametrize("path", ["/questions/", "/answers/town/", "/topics/cards/", "/changes/"])
def test_addresses_with_a_number_of_a_page_lead_to_that_page(client, path):
    town(450)
    response = client.get(f"{path}?page=2")
    assert response.status_code == 301
    first = client.get(path)
    assert response.headers["Location"] == path + link(first, "next")
    assert client.get(f"{path}?page=1").status_code == client.get(f"{path}?page=500").status_code == 200


@pytest.mark.parametrize(
    "place", ["", "nonsense", "town", "town.", "town.0", "town.999", "other.1", "town.1.1", "town.-1", "town.1e3",
              "town.99999999999999999999", "%00.1", "town.%D9%A3", "town%00.1", "x" * 5000]
)  # fmt: skip
def test_a_place_that_is_none_shows_the_first_page(client, place):
    town(30)
    for name in ("after", "before"):
        response = client.get(f"/questions/?{name}={place}")
        assert response.status_code == 200 and numbers(response) == list(range(1, 21))
        assert client.get(f"/changes/?{name}={place}").status_code == 200


@pytest.mark.parametrize("name", ["after", "before"])
def test_a_draft_is_no_place_so_that_nobody_finds_out_that_it_is_there(client, name):
    Question.objects.create(collection=town(50), number=60, text="May I?")
    import_text("1. May I?\nYes.\n", manifest.Manifest(title="Plan"), "plan")
    unknown = client.get(f"/questions/?{name}=nobody.1").content
    for draft in ("plan.1", "town.60"):
        assert client.get(f"/questions/?{name}={draft}").content == unknown.replace(b"nobody.1", draft.encode())


@pytest.mark.parametrize(("path", "size"), [("/questions/", 20), ("/topics/cards/", 100), ("/answers/town/", 100)])
def test_a_link_to_what_is_not_there_any_more_shows_the_page_next_to_it(client, publisher, path, size):
    town(250)
    everything = [number for page in walk(client, path, "next") for number in page]
    for number in (249, 250, 1, 2):
        publishing.withdraw(Question.objects.get(number=number), by=publisher, because="Wrong.")
    left = [number for number in everything if number not in (249, 250, 1, 2)]
    last = client.get(f"{path}?after=town.248")
    assert numbers(last) == left[-size:] and link(last, "next") is None
    assert [number for page in reversed(walk(client, f"{path}?after=town.248", "prev")) for number in page] == left
    assert f"{len(left)} of {len(left)}" in " ".join(last.content.decode().split())
    first = client.get(f"{path}?before=town.3")
    assert numbers(first) == left[:size] and link(first, "prev") is None
    assert "None of these answers is public now" not in (last.content + first.content).decode()


def test_the_news_are_walked_from_the_newest_back(client, publisher):
    town(45)
    row = Question.objects.get(number=7)
    row.points.update(text="No.")
    publishing.publish(row, by=publisher, note="It is gone.")
    pages = walk(client, "/changes/", "next")
    assert [len(page) for page in pages] == [20, 20, 6] and pages[0][0] == 2
    response = client.get("/changes/?after=town.7.1")
    assert numbers(response) == [1] * 6 and link(response, "prev") == "?before=town.6.1"


def test_a_long_history_has_pages_and_no_difference_is_lost_between_them(client, publisher):
    town(1)
    row = Question.objects.get()
    for days in range(2, 26):
        row.points.update(text=f"Yes, for {days} days.")
        publishing.publish(Question.objects.get(), by=publisher, note=f"{days} days.")
    address = "/answers/town/1/history/"
    newest = client.get(address)
    assert numbers(newest) == list(range(25, 5, -1)) and link(newest, "next") == "?after=town.1.6"
    assert all(edition.changes for edition in newest.context["page"])
    oldest = client.get(address + link(newest, "next"))
    assert numbers(oldest) == [5, 4, 3, 2, 1]
    assert "21 to 25 of 25" in " ".join(oldest.content.decode().split())


def test_many_collections_follow_each_other(client):
    for slug in ("b", "a"):
        town(15, slug)
    forward = walk(client, "/questions/", "next")
    assert forward == [[*range(1, 16), *range(1, 6)], list(range(6, 16))]
    assert numbers(client.get("/questions/?after=b.15")) == list(range(1, 16))


@pytest.fixture
def few_are_many(monkeypatch):
    for module in (paging, filters):
        monkeypatch.setattr(module, "MOST", 30)


def test_a_long_list_offers_choices_without_counting_them(client, few_are_many):
    town(90)
    response = client.get("/questions/")
    assert "More than 30 answers" in " ".join(response.content.decode().split())
    facets = {facet["name"]: facet["choices"] for facet in response.context["facets"]}
    assert [(choice["value"], choice["count"]) for choice in facets["topic"]] == [("cards", None)]
    assert [(choice["value"], choice["count"]) for choice in facets["tag"]] == [("days", None)]
    assert [choice["value"] for choice in facets["checked"]] == ["no"]
    facets = client.get("/questions/?topic=cards&tag=days").context["facets"]
    assert [choice["count"] for choice in facets[0]["choices"]] == [15]


def choices(client, query):
    facets = client.get(f"/questions/{query}").context["facets"]
    return {facet["name"]: {choice["value"]: choice["count"] for choice in facet["choices"]} for facet in facets}


def test_of_a_long_list_a_choice_is_left_out_where_it_finds_nothing_with_the_others(client, few_are_many, publisher):
    town(90)
    cards = Question.objects.filter(topics__slug="cards")
    cards.update(checked_on=timezone.localdate(), check_due=timezone.localdate())
    visits = Topic.objects.create(slug="visits", name="Visits", position=9)
    visits.questions.set(Question.objects.exclude(topics__slug="cards"))
    Topic.objects.create(slug="drafts", name="Drafts", position=10)
    assert choices(client, "?checked=yes") == {
        "topic": {"cards": None}, "tag": {"days": None}, "checked": {"yes": None, "no": None},
        "collection": {"town": None},
    }  # fmt: skip
    assert choices(client, "?topic=visits&checked=yes") == {
        "topic": {"cards": None, "visits": 0}, "tag": {}, "checked": {"yes": 0, "no": None}, "collection": {},
    }  # fmt: skip
    assert choices(client, "?topic=cards&checked=no&tag=days") == {
        "topic": {"cards": 0, "visits": 15}, "tag": {"days": 0}, "checked": {"yes": 15, "no": 0}, "collection": {},
    }  # fmt: skip


def test_a_long_list_offers_the_keywords_that_most_of_its_answers_have(client, few_are_many, monkeypatch):
    monkeypatch.setattr(filters, "LONGEST", 2)
    town(90)
    for name, some in (("rare", [1, 2]), ("often", range(1, 60)), ("absent", [])):
        for question in Question.objects.filter(number__in=some):
            question.tags.add(name)
    assert choices(client, "")["tag"] == {"days": None, "often": None}
    assert choices(client, "?tag=rare")["tag"] == {"days": None, "often": None, "rare": 0}


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "address",
    [
        "/", "/questions/", "/questions/?after=town.70", "/questions/?checked=no", "/questions/?checked=yes",
        "/questions/?collection=town&checked=no", "/answers/town/", "/answers/town/50/", "/changes/",
        "/changes/?after=town.70.1", "/about/", "/changes.atom", "/answers/town/50/history/", "/topics/cards/",
        "/questions/?topic=cards", "/questions/?topic=cards&after=town.70", "/questions/?tag=days",
        "/questions/?topic=cards&checked=no", "/questions/?tag=days&checked=no", "/questions/?topic=cards&tag=days",
        "/questions/?collection=town&topic=cards", "/questions/?topic=cards&tag=days&checked=no",
    ],
)  # fmt: skip
def test_a_page_costs_the_database_the_same_however_much_there_is(client, few_are_many, address):
    """In steps of SQLite's own machine, which are the same each time, unlike seconds."""
    town(120)
    check_some()
    few = steps(client, address)
    town(1200, "village")
    check_some()
    assert steps(client, address) < 1.6 * few + 1000


def check_some():
    """Every fifth one is checked; a part of those is due again."""
    day = timezone.localdate()
    checked = Question.objects.filter(number__in=range(0, 2000, 5))
    checked.update(checked_on=day - timedelta(20), check_due=day + timedelta(20))
    checked.filter(number__in=range(0, 2000, 50)).update(check_due=day - timedelta(2))


def steps(client, address):
    counted = []
    client.get(address, follow=True)
    connection.connection.set_progress_handler(lambda: counted.append(1), 10)
    try:
        assert client.get(address, follow=True).status_code == 200
    finally:
        connection.connection.set_progress_handler(None, 0)
    return 10 * len(counted)


def test_a_sitemap_that_gets_long_is_a_list_of_sitemaps(client, monkeypatch):
    town(30)
    whole = client.get("/sitemap.xml").content.decode()
    monkeypatch.setattr("faq.sitemaps.Answers.limit", 20)
    index = client.get("/sitemap.xml")
    parts = [node.text for node in html.fromstring(index.content).iter("loc")]
    assert len(parts) == 5 and all(part.startswith("http://testserver/sitemap-") for part in parts)
    found = "".join(client.get(part.removeprefix("http://testserver")).content.decode() for part in parts)
    assert sorted(html.fromstring(f"<a>{found}</a>").xpath("//loc/text()")) == sorted(
        html.fromstring(whole.encode()).xpath("//loc/text()")
    )
    assert client.get("/sitemap-nonsense.xml").status_code == 404


def test_a_fixture_is_loaded_with_what_is_newest_last(library, publisher):
    row = Question.objects.get(number=1)
    row.points.filter(key=1).update(text="Nobody.")
    publishing.publish(row, by=publisher, note="Closed.")
    editions = [row for row in fixtures.rows(library) if isinstance(row, Edition)]
    assert [(edition.question.number, edition.number) for edition in editions][-1] == (1, 2)
