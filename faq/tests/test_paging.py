"""Lists: their pages, their totals, and the choices that long ones offer."""

import pytest
from lxml import html

from faq.answers import manifest
from faq.models import Edition, Question, Topic
from faq.site import filters, paging
from faq.tests.conftest import import_text
from faq.tests.test_views import numbers, words
from faq.workflow import fixtures, publishing

pytestmark = pytest.mark.django_db
LISTS = ["/questions/", "/answers/town/", "/topics/cards/", "/changes/", "/answers/town/1/history/"]


def town(count, slug="town"):
    """A collection of that many questions; every second one is of the topic “cards”, every third has a keyword."""
    text = "".join(f"{n}. May I borrow book {n}?\nYes, for {n} days.\n" for n in range(1, count + 1))
    about = manifest.Manifest(
        title=f"Library of {slug}",
        topics=(manifest.Topic("cards", "Cards", tuple(range(2, count + 1, 2))),),
        tags=(manifest.Tag("days", tuple(range(3, count + 1, 3))),),
    )
    return import_text(text, about, slug, publish=True).collection


def walk(client, path, query=""):
    """The numbers on all pages, from link to link."""
    seen, address = [], path + query
    while address:
        response = client.get(address)
        seen.append(numbers(response))
        found = html.fromstring(response.content).xpath("//a[@rel='next']/@href")
        address = path + found[0] if found else None
    return seen


@pytest.mark.parametrize(
    ("query", "step"), [("", 1), ("?topic=cards", 2), ("?tag=days", 3), ("?topic=cards&tag=days&checked=no", 6)]
)
@pytest.mark.parametrize("counted", [filters.MAX_COUNTED, 5])
def test_walking_from_page_to_page_meets_every_answer_once_in_order(client, monkeypatch, query, step, counted):
    monkeypatch.setattr(filters, "MAX_COUNTED", counted)
    town(70)
    pages = walk(client, "/questions/", query)
    assert [number for page in pages for number in page] == list(range(step, 71, step))
    assert all(len(page) == 20 for page in pages[:-1])


def test_collections_follow_each_other(client):
    for slug in ("b", "a"):
        town(15, slug)
    assert walk(client, "/questions/") == [[*range(1, 16), *range(1, 6)], list(range(6, 16))]


def test_a_page_has_a_number_and_says_where_in_the_list_it_is(client):
    town(45)
    response = client.get("/questions/?page=2")
    assert numbers(response) == list(range(21, 41))
    assert "21 to 40 of 45" in words(response) and "45 answers" in words(response)
    assert "41 a 45 de 45" in words(client.get("/es/questions/?page=3"))
    assert len(numbers(client.get("/changes/?page=3"))) == 5


@pytest.mark.parametrize("page", ["", "1.5", "nonsense", "%00", "1e3", "x" * 5000, "9" * 5000])
def test_a_page_that_is_none_shows_the_first(client, page):
    town(30)
    assert numbers(client.get(f"/questions/?page={page}")) == list(range(1, 21))


def test_a_page_that_there_is_not_shows_the_last(client):
    town(30)
    for page in ("3", "0", "-1", "9" * 40):
        assert numbers(client.get(f"/questions/?page={page}")) == list(range(21, 31))


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("old", ["after=town.20", "before=nonsense", "after=&page=3", "after=%00"])
def test_an_address_that_named_a_row_leads_to_the_first_page(client, path, old):
    town(30)
    response = client.get(f"{path}?{old}")
    assert (response.status_code, response.headers["Location"]) == (301, path)
    assert client.get(f"{path}?topic=cards&{old}").headers["Location"] == f"{path}?topic=cards"


def test_pages_end_somewhere_and_say_so(client, monkeypatch):
    monkeypatch.setattr(paging, "MAX_ROWS", 40)
    town(45)
    assert "More than 40 answers" in words(client.get("/questions/"))
    for page in (2, 3):
        response = client.get(f"/questions/?page={page}")
        assert numbers(response) == list(range(21, 41)) and "its pages end here" in words(response)
    assert "its pages end here" not in words(client.get("/questions/"))


def test_a_long_history_has_pages_and_no_difference_is_lost_between_them(client, publisher):
    town(1)
    for days in range(2, 26):
        row = Question.objects.get()
        row.points.update(text=f"Yes, for {days} days.")
        publishing.publish(row, by=publisher, note=f"{days} days.")
    newest = client.get("/answers/town/1/history/")
    assert numbers(newest) == list(range(25, 5, -1)) and all(edition.changes for edition in newest.context["page"])
    oldest = client.get("/answers/town/1/history/?page=2")
    assert numbers(oldest) == [5, 4, 3, 2, 1] and "21 to 25 of 25" in words(oldest)


def choices(client, query):
    facets = client.get(f"/questions/{query}").context["facets"]
    return {facet["name"]: {choice["value"]: choice["count"] for choice in facet["choices"]} for facet in facets}


@pytest.fixture
def few_are_many(monkeypatch):
    monkeypatch.setattr(filters, "MAX_COUNTED", 30)


def test_a_long_list_offers_choices_without_counting_them(client, few_are_many):
    town(90)
    Topic.objects.create(slug="drafts", name="Drafts", position=10)
    assert choices(client, "") == {
        "topic": {"cards": None}, "tag": {"days": None}, "checked": dict.fromkeys(filters.CHECKED),
        "collection": {"town": None},
    }  # fmt: skip
    assert choices(client, "?topic=cards&tag=days&collection=town") == {
        "topic": {"cards": None}, "tag": {"days": None}, "checked": {"no": 15}, "collection": {"town": None},
    }  # fmt: skip
    assert choices(client, "?topic=drafts")["topic"] == {"cards": None}


def test_a_long_list_offers_the_keywords_that_most_of_its_answers_have(client, few_are_many, monkeypatch):
    monkeypatch.setattr(filters, "MAX_CHOICES", 2)
    town(90)
    for name, some in (("rare", [1, 2]), ("often", range(1, 60))):
        for question in Question.objects.filter(number__in=some):
            question.tags.add(name)
    assert choices(client, "")["tag"] == {"days": None, "often": None}
    assert choices(client, "?tag=rare")["tag"] == {"days": None, "often": None, "rare": None}


@pytest.mark.parametrize("query", ["", "?topic=cards", "?tag=days&checked=no", "?collection=town&page=2"])
def test_a_long_list_asks_few_queries_too(client, few_are_many, django_assert_max_num_queries, query):
    town(90)
    with django_assert_max_num_queries(12):
        client.get(f"/questions/{query}")


def test_a_sitemap_that_gets_long_is_a_list_of_sitemaps(client, monkeypatch):
    town(30)
    whole = client.get("/sitemap.xml").content.decode()
    monkeypatch.setattr("faq.site.sitemaps.Answers.limit", 20)
    index = client.get("/sitemap.xml")
    parts = [node.text for node in html.fromstring(index.content).iter("loc")]
    assert len(parts) == 5 and all(part.startswith("http://testserver/sitemap-") for part in parts)
    found = "".join(client.get(part.removeprefix("http://testserver")).content.decode() for part in parts)
    assert sorted(html.fromstring(f"<a>{found}</a>").xpath("//loc/text()")) == sorted(
        html.fromstring(whole.encode()).xpath("//loc/text()")
    )
    assert client.get("/sitemap-nonsense.xml").status_code == 404


def test_a_fixture_loads_the_newest_edition_last(library, publisher):
    row = Question.objects.get(number=1)
    row.points.filter(key=1).update(text="Nobody.")
    publishing.publish(row, by=publisher, note="Closed.")
    editions = [row for row in fixtures.rows(library) if isinstance(row, Edition)]
    assert [(edition.question.number, edition.number) for edition in editions][-1] == (1, 2)
