import hashlib
import json
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.answers import content as contents
from faq.answers.seedfile import Block

pytestmark = pytest.mark.pure


def block(key, kind, text, ordinal=None, depth=0, label=""):
    return contents.Block(key, kind, text, label, ordinal, depth)


def content(*blocks, question="Who may borrow a book?", short_answer=""):
    return contents.Content(question, short_answer, blocks=blocks)


SOURCED = replace(
    block(2, "numbered", "Free.", 1, label="Card"),
    citations=(contents.Citation(contents.Source("rules", "Rules"), "2026-05-03", "rule 4", "free of charge"),),
)
STORED = {
    "format": 1,
    "question": "Who may borrow a book?",
    "blocks": [
        {"key": 1, "kind": "paragraph", "text": "Anyone."},
        {
            "key": 2,
            "kind": "numbered",
            "text": "Free.",
            "label": "Card",
            "ordinal": 1,
            "citations": [
                {
                    "source": {"key": "rules", "title": "Rules"},
                    "consulted": "2026-05-03",
                    "place": "rule 4",
                    "quotation": "free of charge",
                }
            ],
        },
    ],
}


def test_content_is_stored_without_defaults_and_read_again():
    one = content(block(1, "paragraph", "Anyone."), SOURCED)
    assert contents.as_dict(one) == STORED
    assert contents.from_dict(STORED) == one


@pytest.mark.parametrize(
    "change", [{"format": 2}, {"format": None}, {"colour": "red"}, {"blocks": [{"key": 1}]}, {"blocks": 3}]
)
def test_content_of_another_form_is_refused(change):
    with pytest.raises(ValueError, match="content"):
        contents.from_dict(STORED | change)
    with pytest.raises(ValueError, match="content"):
        contents.from_dict({})


def test_digest_is_that_of_the_canonical_json_and_differs_with_each_fact():
    one = content(block(1, "paragraph", "Anyone."), SOURCED)
    text = json.dumps(STORED | {"format": None}, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    canonical = text.replace('"format":null,', "")
    assert contents.digest(one) == hashlib.sha256(canonical.encode()).hexdigest()
    assert contents.digest(one) != contents.digest(content(block(1, "paragraph", "Anyone."), replace(SOURCED, depth=1)))


def test_a_field_that_is_added_with_a_default_changes_no_digest_and_no_stored_form(monkeypatch):
    before = contents.digest(content(block(1, "paragraph", "Anyone."), SOURCED))

    @dataclass(frozen=True)
    class Longer(contents.Block):
        note: str = ""

    monkeypatch.setattr(contents, "Block", Longer)
    longer = contents.from_dict(STORED)
    assert longer.blocks[0].note == "" and contents.as_dict(longer) == STORED
    assert contents.digest(longer) == before
    noted = replace(longer, blocks=(replace(longer.blocks[0], note="New."), *longer.blocks[1:]))
    assert contents.as_dict(noted)["blocks"][0]["note"] == "New." and contents.digest(noted) != before


def test_a_list_counts_on_over_its_nested_bullets_and_starts_again_after_a_paragraph():
    blocks = [("numbered", 0, ""), ("bullet", 1, ""), ("numbered", 0, ""), ("paragraph", 0, ""), ("numbered", 0, "")]
    assert contents.ordinals(blocks) == [1, None, 2, None, 1]


def test_numbering_can_be_restarted_and_continued():
    blocks = [("numbered", 0, ""), ("numbered", 0, "restart"), ("paragraph", 0, ""), ("numbered", 0, "continue")]
    assert contents.ordinals(blocks) == [1, 1, None, 2]


@given(st.lists(st.sampled_from(["next", "one", "bullet", "paragraph"])))
def test_numberings_are_the_inverse_of_ordinals(kinds):
    blocks, last, in_list = [], 0, False
    for kind in kinds:
        if kind in ("next", "one"):
            last, in_list = (last + 1 if kind == "next" else 1), True
            blocks.append(Block("numbered", "x", last))
        else:
            in_list = in_list and kind == "bullet"
            blocks.append(Block(kind, "x", None, 1 if in_list and kind == "bullet" else 0))
    stored = [(b.kind, b.depth, numbering) for b, numbering in zip(blocks, contents.numberings(blocks), strict=True)]
    assert contents.ordinals(stored) == [b.ordinal for b in blocks]


def test_outline_groups_lists_and_nests_bullets():
    groups = contents.outline(
        [
            block(1, "paragraph", "Intro"),
            block(2, "numbered", "a", 1),
            block(3, "bullet", "a1", depth=1),
            block(4, "numbered", "b", 2),
            block(5, "paragraph", "Then"),
            block(6, "numbered", "c", 3),
            block(7, "numbered", "again", 1),
            block(8, "paragraph", "Also"),
            block(9, "bullet", "x"),
            block(10, "bullet", "y"),
        ]
    )
    shape = [(g.kind, g.start, [(i.block.key, [n.block.key for n in i.nested]) for i in g.items]) for g in groups]
    assert shape == [
        ("paragraph", None, [(1, [])]),
        ("numbered", 1, [(2, [3]), (4, [])]),
        ("paragraph", None, [(5, [])]),
        ("numbered", 3, [(6, [])]),
        ("numbered", 1, [(7, [])]),
        ("paragraph", None, [(8, [])]),
        ("bullet", None, [(9, []), (10, [])]),
    ]


@pytest.mark.parametrize(
    ("question", "slug"),
    [
        ("Who may borrow a book?", "who-may-borrow-a-book"), ("¿Quién puede?", "quien-puede"),
        ("History?", "history-question"), ("借りられますか？", ""), ("word " * 40, "word-" * 13 + "word"),
        ("x" * 200, "x" * 70),
    ],
)  # fmt: skip
def test_slug(question, slug):
    assert contents.slug(content(question=question)) == slug


def test_excerpt_prefers_the_short_answer_and_cuts_at_a_word():
    assert contents.excerpt(content(block(1, "paragraph", "Long"), short_answer="Yes.")) == "Yes."
    assert contents.excerpt(content(block(1, "numbered", "", 1, label="Fees"), block(2, "bullet", "Ten, each"))) == (
        "Ten, each"
    )
    assert contents.excerpt(content(block(1, "paragraph", "one two three")), length=8) == "one two …"


def test_pasted_text_becomes_one_line_but_paragraphs_stay_apart():
    assert contents.one_line("  wrapped\r\nby a   \n mail program ") == "wrapped by a mail program"
    assert "\n" in contents.one_line("one\n\ntwo")
    assert "\n" in contents.one_line("one\n \n\ntwo")
