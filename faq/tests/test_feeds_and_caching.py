"""HTTP caching, compression, feed, sitemap and structured data."""

import gzip
import json
import re
from pathlib import Path

import brotli
import pytest
from django.contrib.staticfiles import finders
from lxml import etree

from faq.models import Question
from faq.tests.conftest import import_text
from faq.tests.surfaces import html_addresses, public_addresses
from faq.workflow import publishing

pytestmark = pytest.mark.django_db

ADDRESS = "/answers/library/2/how-long-may-i-keep-a-book/"
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def test_a_page_that_did_not_change_answers_304_and_one_that_did_answers_200(library, publisher, client):
    first = client.get(ADDRESS)
    tag = first.headers["ETag"]
    again = client.get(ADDRESS, headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    publishing.publish(row, by=publisher, note="Longer.")
    assert client.get(ADDRESS, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(("seconds", "header"), [
    (0, "public, max-age=0, must-revalidate"),
    (60, "public, max-age=0, s-maxage=30, stale-while-revalidate=30"),
    (5, "public, max-age=0, s-maxage=3, stale-while-revalidate=2"),
])  # fmt: skip
def test_a_cache_in_front_revalidates_unless_cdn_seconds_allows_longer(library, client, settings, seconds, header):
    settings.CDN_SECONDS = seconds
    for address in public_addresses():
        if address in ("/robots.txt", "/healthz"):
            continue
        headers = client.get(address).headers
        assert headers["Cache-Control"] == header
        assert headers["Vary"] == "Accept-Encoding", address


def test_a_search_without_results_is_not_cached(library, client):
    assert "public" not in client.get("/questions/?q=hovercraft").headers["Cache-Control"]


@pytest.mark.parametrize(("accepted", "encoding"), [
    ("br", "br"), ("gzip, deflate, br", "br"), ("gzip", "gzip"), ("", None), ("br;q=0, gzip", "gzip"), ("zstd", None)
])  # fmt: skip
def test_pages_are_compressed_as_the_reader_can_read_them(library, client, accepted, encoding):
    response = client.get(ADDRESS, headers={"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == encoding
    opened = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[encoding](response.content)
    assert opened == client.get(ADDRESS).content
    assert int(response.headers.get("Content-Length", len(response.content))) == len(response.content)


def test_the_etag_depends_on_the_page_and_not_on_its_compression(library, client):
    """So a reader with the quickly compressed page need not load it again when it was compressed better."""
    tags = {client.get(ADDRESS, headers={"Accept-Encoding": e}).headers["ETag"] for e in ("br", "gzip", "", "br")}
    assert len(tags) == 1 and tags.pop().startswith("W/")
    assert client.get("/answers/library/1/").headers["ETag"] != client.get(ADDRESS).headers["ETag"]


def test_the_admin_is_neither_cached_nor_compressed(library, client):
    response = client.get("/admin/login/", headers={"Accept-Encoding": "br"})
    assert "public" not in response.headers["Cache-Control"] and "Content-Encoding" not in response.headers


def test_first_views_are_light(db, client):
    """Page and style sheet, compressed: two requests and 8 kB, but for the whole collection, which is all text."""
    seed = Path(__file__).resolve().parents[2] / "seeds" / "wyoming-courts-ice.txt"
    import_text(seed.read_text(), slug="ice", publish=True)
    style = len(brotli.compress(Path(finders.find("css/site.css")).read_bytes()))
    assert style <= 2500
    for address in html_addresses():
        response = client.get(address, headers={"Accept-Encoding": "br"})
        html = brotli.decompress(response.content).decode()
        assert len(re.findall(r'rel="stylesheet"', html)) == 1 and "<img" not in html
        most = 12_000 if address == "/answers/ice/" else 8_000
        assert len(response.content) + style <= most, address
    for words in ("court", "Will they tell immigration if I go pay my ticket?", "zzz"):
        response = client.get("/questions/", {"q": words}, headers={"Accept-Encoding": "br"})
        assert len(response.content) + style <= 8_000, words


def test_the_feed_is_valid_atom_with_what_changed_in_meaning_newest_first(library, publisher, client):
    row = Question.objects.get(number=2)
    row.points.update(text="Four weeks.")
    publishing.publish(row, by=publisher, note="Four weeks & <more>.")
    row.points.update(text="Four weeks!")
    publishing.publish(row, by=publisher, note="Spelling.", meaning_changed=False)
    publishing.withdraw(Question.objects.get(number=3), because="Gone.")
    response = client.get("/changes.atom")
    assert response.headers["Content-Type"].startswith("application/atom+xml")
    feed = etree.fromstring(response.content)
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    assert feed.xpath("a:entry/a:summary/text()", namespaces=ATOM) == [
        "Four weeks & <more>.", publishing.IMPORTED, publishing.IMPORTED
    ]  # fmt: skip
    assert len(set(feed.xpath("//a:id/text()", namespaces=ATOM))) == 4
    links = feed.xpath("a:entry/a:link/@href", namespaces=ATOM)
    assert links[0] == "http://testserver/answers/library/2/editions/2/"
    assert feed.xpath("a:updated/text()", namespaces=ATOM)
    assert "Spelling" not in client.get("/changes/").content.decode()


def test_the_sitemap_lists_what_is_public_with_its_last_change(library, client):
    publishing.withdraw(Question.objects.get(number=3), because="Gone.")
    tree = etree.fromstring(client.get("/sitemap.xml").content)
    space = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}
    locations = tree.xpath("//s:loc/text()", namespaces=space)
    assert f"http://testserver{ADDRESS}" in locations and "http://testserver/topics/cards/" in locations
    assert not [location for location in locations if "/library/3/" in location]
    [changed] = tree.xpath(f"//s:url[s:loc='http://testserver{ADDRESS}']/s:lastmod/text()", namespaces=space)
    assert changed == Question.objects.get(number=2).live.published_at.date().isoformat()
    for location in locations:
        assert client.get(location.removeprefix("http://testserver")).status_code == 200


def test_robots_are_told_where_the_sitemap_is(client, db):
    text = client.get("/robots.txt").content.decode()
    assert "Sitemap: http://testserver/sitemap.xml" in text and "Disallow: /admin/" in text


def test_structured_data_repeats_the_edition_with_any_characters_escaped(db, client):
    nasty = '</script><!-- \\ " & é 借'
    import_text(f"1. {nasty}?\n1. Card: {nasty}\n– bullet\n", slug="nasty", publish=True)
    html = client.get("/answers/nasty/1/", follow=True).content.decode()
    [data] = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html, re.DOTALL)
    page = json.loads(data)
    assert page["@type"] == "FAQPage" and page["url"].startswith("http://testserver/answers/nasty/1/")
    [entry] = page["mainEntity"]
    assert entry["name"] == f"{nasty}?"
    assert entry["acceptedAnswer"]["text"] == f"1. Card: {nasty}\n– bullet"


def test_pages_name_their_lasting_and_their_spanish_address(library, client):
    html = client.get(f"{ADDRESS}?utm=x").content.decode()
    assert re.findall(r'<link rel="canonical"\s+href="([^"]+)">', html) == [f"http://testserver{ADDRESS}"]
    assert re.findall(r'hreflang="es"\s+href="(http[^"]+)"', html) == [f"http://testserver/es{ADDRESS}"]
    spanish = client.get(f"/es{ADDRESS}").content.decode()
    assert re.findall(r'hreflang="en"\s+href="(http[^"]+)"', spanish) == [f"http://testserver{ADDRESS}"]
    assert '<meta property="og:title" content="How long may I keep a book?">' in html
