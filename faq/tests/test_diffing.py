from random import Random
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.answers import diffing
from faq.answers.diffing import ADDED, REMOVED, SAME
from faq.tests.test_content import block, content

pytestmark = pytest.mark.pure

TEXT = st.text(alphabet="ab \n", max_size=30)


def changes(old, new):
    return [(line.key, line.parts) for line in diffing.compare(old, new) if line.changed]


def test_words_are_marked_one_by_one():
    assert diffing.words("The loan is three weeks.", "The loan is four weeks.") == (
        (SAME, "The loan is "), (REMOVED, "three "), (ADDED, "four "), (SAME, "weeks."),
    )  # fmt: skip


@given(TEXT, TEXT)
def test_both_texts_can_be_read_out_of_the_difference(old, new):
    parts = diffing.words(old.lstrip(), new.lstrip())
    assert "".join(text for state, text in parts if state != ADDED).split() == old.split()
    assert "".join(text for state, text in parts if state != REMOVED) == new.lstrip()


def test_a_block_is_the_same_if_its_key_is_the_same_wherever_it_stands():
    old = content(block(1, "paragraph", "First."), block(2, "paragraph", "Second."), block(3, "paragraph", "Third."))
    new = content(block(3, "paragraph", "Third."), block(1, "paragraph", "First."), block(4, "paragraph", "New."))
    assert changes(old, new) == [(2, ((REMOVED, "Second."),)), (4, ((ADDED, "New."),))]
    assert diffing.moved(old, new)


def test_a_removed_block_stands_where_it_stood():
    old = content(block(1, "paragraph", "a"), block(2, "paragraph", "b"), block(3, "paragraph", "c"))
    new = content(block(1, "paragraph", "a"), block(3, "paragraph", "c"))
    assert [line.key for line in diffing.compare(old, new)] == [None, 1, 2, 3]
    assert not diffing.moved(old, new)


def test_question_and_short_answer_are_compared_too():
    old, new = content(question="Who may?"), content(question="Who can?", short_answer="All.")
    assert changes(old, new) == [
        (None, ((SAME, "Who "), (REMOVED, "may?"), (ADDED, "can?"))),
        (None, ((ADDED, "All."),)),
    ]


def test_an_answer_compared_with_itself_has_no_change():
    same = content(block(1, "numbered", "free", 1, label="Card"))
    assert changes(same, same) == [] and not diffing.moved(same, same)


def test_long_texts_are_compared_by_sentences_and_by_words_in_those_that_changed():
    sentences = [f"This is sentence {number} of a very long point." for number in range(200)]
    changed = [s.replace("very", "rather") if number == 100 else s for number, s in enumerate(sentences)]
    parts = diffing.words(" ".join(sentences), " ".join(changed))
    assert [part for part in parts if part[0] != SAME] == [(REMOVED, "very "), (ADDED, "rather ")]
    assert "".join(text for state, text in parts if state != REMOVED) == " ".join(changed)


@pytest.mark.parametrize("vocabulary", [None, "ab", ["a.", "b."]])
def test_thirty_long_points_that_changed_throughout_are_compared_in_bounded_time(vocabulary):
    random = Random(1)

    def text(name):
        if vocabulary:
            return " ".join(random.choices(vocabulary, k=2000))
        return " ".join(f"w{number}" if number % 2 else f"{name}{number}" for number in range(2000))

    old, new = (content(*(block(key, "paragraph", text(name)) for key in range(30))) for name in ("old", "new"))
    begun = process_time()
    lines = diffing.compare(old, new)
    assert process_time() - begun < 3
    for line, before, after in zip(lines[1:], old.blocks, new.blocks, strict=True):
        assert "".join(t for state, t in line.parts if state != ADDED).split() == before.text.split()
        assert "".join(t for state, t in line.parts if state != REMOVED).split() == after.text.split()
