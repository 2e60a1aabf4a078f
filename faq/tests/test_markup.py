"""Emphasis and links in a point: a little for people to write, and nothing that a browser could run or call."""

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from faq.answers import content as contents
from faq.answers import markup
from faq.models import Question
from faq.tests.conftest import import_text
from faq.workflow import publishing, working_copy


@pytest.mark.pure
@pytest.mark.parametrize(
    ("line", "shown", "words"),
    [
        ("You *must* **not** wait.", "You <em>must</em> <strong>not</strong> wait.", "You must not wait."),
        (
            "See [the form](https://a.example/?a=1&b=2).",
            'See <a href="https://a.example/?a=1&amp;b=2" rel="noreferrer">the form</a>.',
            "See the form.",
        ),
        ("[Two](/answers/library/2/)", '<a href="/answers/library/2/" rel="noreferrer">Two</a>', "Two"),
        (r"[x](/\a.example/)", '<a href="/%5Ca.example/" rel="noreferrer">x</a>', "x"),
        (r"5 \* 3 \* 2 and \[this](https://a.example)", "5 * 3 * 2 and [this](https://a.example)", None),
        ("[<b>x](https://a.example)", '<a href="https://a.example" rel="noreferrer">&lt;b&gt;x</a>', "<b>x"),
    ],
)  # fmt: skip
def test_a_point_can_emphasise_and_link(line, shown, words):
    assert markup.is_marked(line)
    assert markup.render_line(line) == shown
    assert markup.words(line) == (words or shown)


@pytest.mark.pure
@pytest.mark.parametrize(
    "line",
    [
        "Anyone who lives here, “really” & 'truly' <b>so</b>.", "2 * 3 * 4", "snake_case and ____", "a [b] (c)",
        "[x](javascript:alert(1))", "[x](//evil.example/)", "[x](data:text/html,x)",
        "[x](vbscript:x)", "[x](ftp://a.example)", "# Title", "- item", "`code`", "&lt;script&gt;",
        "<https://a.example>", "https://a.example",
    ],
)  # fmt: skip
def test_other_markup_stays_plain_text(line):
    assert not markup.is_marked(line)


@pytest.mark.pure
@given(st.text(alphabet="ab*_[]()\\<>\"'&:/ .!#`~", max_size=40) | st.text(max_size=40))
def test_any_input_makes_no_other_tags(line):
    shown = html.fromstring(f"<div>{markup.render_line(line)}</div>")
    for element in shown.iterdescendants():
        assert element.tag in ("em", "strong", "a")
        assert set(element.attrib) <= {"href", "rel"}
        assert re.match(r"https?://|/(?![/\\])", element.get("href", "/"))


@pytest.mark.pure
def test_a_long_line_of_brackets_does_not_take_long():
    """Work grows with the square of a line's length, which is why lines have an end."""
    assert markup.render_line("[" * 10_000) == "[" * 10_000


def revise(row, editor, publisher, text):
    row.points.filter(key=1).update(text=text)
    working_copy.refresh(Question.objects.get(pk=row.pk), editor)
    publishing.publish(Question.objects.get(pk=row.pk), by=publisher, note="Clearer.")
    return Question.objects.get(pk=row.pk)


@pytest.fixture
def marked(library, editor, publisher):
    row = Question.objects.get(number=2)
    return revise(row, editor, publisher, "Three *weeks*. See [the **rules**](https://a.example/rules), Zanzibar.")


def test_readers_see_the_markup_on_the_page_and_only_words_elsewhere(marked, client):
    page = html.fromstring(client.get(marked.get_absolute_url()).content)
    [point] = page.xpath("//*[@id='p1']")
    assert [element.text_content() for element in point.xpath(".//em|.//strong")] == ["weeks", "rules"]
    assert point.xpath(".//a/@href")[0] == "https://a.example/rules"
    [data] = page.xpath("//script[@type='application/ld+json']/text()")
    words = "Three weeks. See the rules, Zanzibar."
    assert json.loads(data)["mainEntity"][0]["acceptedAnswer"]["text"] == words
    assert page.xpath("//meta[@name='description']/@content") == [words]
    found = client.get("/questions/?q=zanzibar").content.decode()
    assert "a.example" not in found and "See the rules" in re.sub("<[^>]+>", "", found)
    assert "[the" not in client.get("/answers/library/2/report/?point=1").content.decode()


def test_the_address_of_a_link_is_not_searched(marked, client):
    assert not client.get("/questions/?q=https&exact=1").context["page"].object_list


def test_an_edition_without_markup_stays_plain_text(marked, client):
    """Text that was published as plain words stays plain words, whatever it looks like now."""
    plain = contents.Block(1, "paragraph", "a *b* c")
    assert contents.said(plain) == "a *b* c"
    assert contents.said(replace(plain, markup=True)) == "a b c"


def test_a_seed_file_keeps_its_marks(client, db):
    collection = import_text("1. May I?\nYes, *always*.\n", publish=True).collection
    edition = collection.questions.get().live
    assert edition.content.blocks[0].text == "Yes, *always*." and edition.content.blocks[0].markup
    assert "Yes, <em>always</em>." in client.get(collection.questions.get().get_absolute_url()).content.decode()
