"""The public pages, and wrong addresses."""

import html as entities
import itertools
import re
from datetime import date, timedelta

import pytest
from django.test import RequestFactory
from django.utils import timezone
from lxml import html as lxml_html

from faq.models import Question, Topic
from faq.tests.conftest import check, import_text
from faq.tests.surfaces import html_addresses, public_addresses
from faq.workflow import publishing
from kb_site.context import site

pytestmark = pytest.mark.django_db


def shape(node):
    """The structure of an answer: tags with the words that stand directly in them."""
    return lxml_html.fromstring(node)


def words(response):
    text = re.sub(r"<[^>]+>", " ", response.content.decode())
    return " ".join(entities.unescape(text).split())


def numbers(response):
    return [question.number for question in response.context["page"].object_list]


def test_an_answer_is_real_paragraphs_and_lists_with_lasting_anchors(library, client):
    page = shape(client.get("/answers/library/1/who-may-borrow-a-book/").content)
    assert [h.text_content().strip() for h in page.xpath("//h1")] == ["Who may borrow a book?"]
    [intro] = page.xpath("//*[@id='p1']")
    assert intro.tag == "p" or intro.xpath("self::*[.//p]") or intro.xpath("ancestor::p")
    [card], [day_pass], [closing] = (page.xpath(f"//*[@id='p{key}']") for key in (2, 3, 4))
    assert card.xpath("ancestor-or-self::li[1]/parent::ol") and day_pass.xpath("ancestor-or-self::li[1]/parent::ol")
    assert closing.xpath("ancestor-or-self::li[1]/parent::ul/parent::li/parent::ol")
    assert card.xpath(".//strong|.//b")[0].text_content().strip() == "Library card:"
    assert len(page.xpath("//a[@href='#p4']")) == 1


def test_a_list_that_goes_on_after_a_paragraph_starts_with_its_number(db, client):
    import_text("1. Resume?\n1. a\n2. b\nBetween.\n3. c\nThen.\n– x\n", slug="other", publish=True)
    page = shape(client.get("/answers/other/1/resume/").content)
    assert page.xpath("//main//ol[.//*[@id='p4']]/@start") == ["3"]
    assert page.xpath("//*[@id='p6']/ancestor-or-self::li[1]/parent::ul")


def test_the_state_is_honest_and_in_words(library, publisher, client):
    address = Question.objects.get(number=2).get_absolute_url()
    assert "Imported, not checked by an editor yet" in words(client.get(address))
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    publishing.publish(row, by=publisher, note="Longer.")
    revised = words(client.get(address))
    assert "Imported" not in revised and "not checked against its sources yet" in revised
    check(row, publisher)
    today = timezone.localdate()
    assert f"Checked against its sources on {today.day} {today:%B %Y}" in words(client.get(address))
    Question.objects.filter(pk=row.pk).update(checked_on=date(2024, 5, 6), check_due=today - timedelta(days=1))
    overdue = words(client.get(address))
    assert "6 May 2024" in overdue and "was due on" in overdue


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [1, 2, 3]), ("q=", [1, 2, 3]), ("q=book", [1, 2]), ("q=BOOK+keep", [2, 1]), ("q=library", [1]),
        ("q=bicycle+springfield", [3, 1]), ("topic=visits", [2, 3]), ("topic=visits&tag=bicycle", [3]),
        ("topic=cards&tag=bicycle", []), ("topic=nonsense", []), ("tag=card", [1]), ("checked=no", [1, 3]),
        ("checked=yes", [2]), ("checked=overdue", []), ("checked=maybe", [1, 2, 3]),
        ("checked=no&topic=visits", [3]), ("collection=library", [1, 2, 3]), ("collection=other", []),
        ("q=%22%27%3B--%00%25_", []), ("q=" + "very+long+" * 500, [2]), ("page=2", [1, 2, 3]),
        ("page=nonsense", [1, 2, 3]), ("page=99999999999999999999999", [1, 2, 3]), ("unknown=1", [1, 2, 3]),
    ],
)  # fmt: skip
def test_filters_combine(library, publisher, client, query, found):
    check(Question.objects.get(number=2), publisher)
    response = client.get(f"/questions/?{query}")
    assert response.status_code == 200
    assert numbers(response) == found


def test_counts_beside_the_choices_say_what_each_would_find(library, publisher, client):
    check(Question.objects.get(number=2), publisher)

    def counts(query):
        facets = client.get(f"/questions/?{query}").context["facets"]
        return {facet["name"]: {choice["value"]: choice["count"] for choice in facet["choices"]} for facet in facets}

    assert counts("") == {
        "topic": {"cards": 1, "visits": 2}, "tag": {"bicycle": 1, "card": 1}, "checked": {"yes": 1, "no": 2},
        "collection": {"library": 3},
    }  # fmt: skip
    assert counts("topic=visits") == {
        "topic": {"cards": 1, "visits": 2}, "tag": {"bicycle": 1}, "checked": {"yes": 1, "no": 1},
        "collection": {"library": 2},
    }  # fmt: skip
    for query in ("", "topic=visits", "q=book", "tag=card&checked=no"):
        for name, choices in counts(query).items():
            for value, count in choices.items():
                others = "&".join(part for part in query.split("&") if part and not part.startswith(f"{name}="))
                assert len(numbers(client.get(f"/questions/?{others}&{name}={value}"))) == count


def test_the_chosen_one_stays_removable_when_it_finds_nothing(library, client):
    page = shape(client.get("/questions/?topic=cards&tag=bicycle").content)
    links = page.xpath("//a/@href")
    assert "?tag=bicycle" in links and "?topic=cards" in links


def test_search_on_the_list_keeps_the_other_filters(library, client):
    page = shape(client.get("/questions/?topic=visits&q=book").content)
    form = page.xpath("//main//form[.//input[@name='q']]")[0]
    assert form.xpath(".//input[@name='topic']/@value") == ["visits"]
    assert form.xpath(".//input[@name='q']/@value") == ["book"]


@pytest.mark.parametrize(
    "address",
    [
        "/answers/nothing/", "/answers/library/99/", "/answers/library/0/", "/answers/library/2/editions/9/",
        "/answers/library/99999999999999999999999999/", "/topics/nothing/", "/nowhere/", "/answers/library/-1/",
        "/answers/library/2/editions/99999999999999999999999/", "/answers/LIBRARY/2/", "/topics/%00/",
    ],
)  # fmt: skip
def test_unknown_addresses_are_not_found(library, client, address):
    response = client.get(address)
    assert response.status_code == 404
    assert "<h1" in response.content.decode()


def test_history_lists_all_editions_with_date_and_note(library, publisher, client):
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    publishing.publish(row, by=publisher, note="The library extended the loan.")
    text = words(client.get("/answers/library/2/history/"))
    assert text.index("The library extended the loan.") < text.index(publishing.IMPORTED)
    assert "Pat" in text


def test_an_old_edition_is_frozen_and_says_that_it_is_old(library, publisher, client):
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    publishing.publish(row, by=publisher, note="Longer.")
    old, new = (client.get(f"/answers/library/2/editions/{n}/").content.decode() for n in (1, 2))
    assert "Three weeks" in old and "Four weeks" not in old
    assert "Four weeks" in new and "noindex" in old
    assert row.get_absolute_url() in old


def test_text_is_never_markup(db, client):
    nasty = "<script>alert(1)</script> & {{ 7|add:7 }} <img src=x onerror=y>"
    import_text(f"1. {nasty}?\n1. {nasty}: {nasty}\n– {nasty}\n", slug="nasty", publish=True)
    for address in public_addresses():
        html = client.get(address).content.decode()
        assert "<script>" not in html and "<img src=x" not in html and "alert(1)</" not in html, address
        assert "&lt;script&gt;" in html or "alert(1)" not in html or "u003cscript" in html, address


def test_every_page_has_one_h1_a_language_a_title_and_a_way_to_skip(library, publisher, client):
    publishing.withdraw(Question.objects.get(number=3), because="Gone.")
    titles = set()
    for address in [*html_addresses(), "/nowhere/"]:
        page = shape(client.get(address).content)
        assert len(page.xpath("//h1")) == 1, address
        assert len(page.xpath("//main")) == 1 and page.xpath("//a[@href='#main']"), address
        assert page.get("lang") == "en"
        titles.add(page.findtext(".//title").strip())
        identifiers = page.xpath("//@id")
        assert len(identifiers) == len(set(identifiers)), address
        levels = [int(heading.tag[1]) for heading in page.xpath("//h1|//h2|//h3|//h4")]
        assert levels[0] == 1 or address, address
        assert all(after - before <= 1 for before, after in itertools.pairwise(levels)), (address, levels)
    assert len(titles) == len({a for a in html_addresses() if not a.startswith("/answers/library/3/")}) + 2


def test_every_link_on_every_page_leads_somewhere(library, client):
    seen, waiting = set(), {"/"}
    while waiting:
        address = waiting.pop()
        seen.add(address)
        response = client.get(address)
        assert response.status_code == 200, address
        if not response["Content-Type"].startswith("text/html"):
            continue
        page = shape(response.content)
        for link in page.xpath("//a/@href"):
            target, _, anchor = link.partition("#")
            if not target:
                assert page.xpath(f"//*[@id='{anchor}']"), (address, link)
            elif not target.startswith(("http", "mailto", "/static")):
                base = address.partition("?")[0]
                absolute = base + target if target.startswith("?") else target
                if absolute not in seen and not (
                    "?" in address and "?" in absolute
                ):  # each choice once, not all of them
                    waiting.add(absolute)
    assert {*html_addresses(), "/changes.atom"} <= seen


@pytest.mark.parametrize(
    ("name", "queries"), [("home", 2), ("question_list", 8), ("question", 6), ("collection", 5), ("topic", 6),
                          ("history", 6), ("edition", 5)]
)  # fmt: skip
def test_pages_need_few_queries_however_much_they_show(
    library, publisher, client, django_assert_max_num_queries, name, queries
):
    addresses = {
        "home": "/", "question_list": "/questions/", "question": "/answers/library/2/how-long-may-i-keep-a-book/",
        "collection": "/answers/library/", "topic": "/topics/visits/", "history": "/answers/library/2/history/",
        "edition": "/answers/library/2/editions/1/",
    }  # fmt: skip
    with django_assert_max_num_queries(queries) as few:
        client.get(addresses[name])
    more = "".join(f"{n}. More {n}?\nText {n}.\n" for n in range(1, 12))
    import_text(more, slug="library-2", publish=True)
    with django_assert_max_num_queries(len(few)):
        client.get(addresses[name])


def test_topics_stand_in_the_editors_order(library, client):
    Topic.objects.filter(slug="visits").update(position=0)
    assert [topic.slug for topic in client.get("/").context["topics"]] == ["visits", "cards"]


NASTY = [
    "%00", "%ff", "%ed%a0%80", "9" * 40, "-1", "1e9", "%2e%2e%2f", "%27%20OR%201=1--", "%7B%7B7*7%7D%7D",
    "%0d%0aSet-Cookie:a=b", "x" * 5000, "%e2%80%ae", "%D9%A3", "%C2%B2",
]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "/questions/?q={0}&topic={0}&tag={0}", "/questions/?checked={0}&collection={0}&page={0}", "/topics/{0}/",
        "/answers/{0}/", "/answers/library/{0}/", "/answers/library/2/{0}/", "/answers/library/2/editions/{0}/",
        "/answers/library/2/report/?edition={0}&point={0}", "/reports/{0}/", "/changes/?page={0}", "/es/{0}/",
        "/topics/visits/?page={0}", "/questions/?q={0}", "/questions/?{0}={0}",
    ],
)  # fmt: skip
def test_no_address_breaks_the_site(library, client, address):
    for nasty in NASTY:
        response = client.get(address.replace("{0}", nasty))
        assert response.status_code in (200, 301, 302, 404), (address, nasty[:30])
        assert not response.cookies


@pytest.mark.parametrize("charset", ["base64", "rot13", "undefined", "unicode_escape", "latin-1", "utf-8", '"UTF-8"'])
def test_a_strange_charset_in_a_header_breaks_nothing(charset):
    from kb_site.wsgi import application

    request = RequestFactory().get("/healthz?q=%5Cud800")
    answers = []
    environ = {**request.environ, "CONTENT_TYPE": f"text/plain; charset={charset}; x=1", "HTTP_HOST": "localhost"}
    body = application(environ, lambda status, headers: answers.append(status))
    assert answers == ["200 OK"] and b"".join(body) == b"alive\n"


@pytest.mark.parametrize("path", ["//[", "//[x]/answers/", "//example.org/"])
def test_a_path_that_looks_like_a_host_is_not_linked(db, path):
    request = RequestFactory().get("/")
    request.path = path
    assert site(request)["translations"] == []
