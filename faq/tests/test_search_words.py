"""The parts of the search that need no database: parser, stems, typing errors, ranking and highlighting."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faq.search import highlight, query_parser, ranking, typos
from faq.search.stemming import stem

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(
    "forms",
    [
        "share shares shared sharing", "court courts", "library libraries", "borrow borrows borrowing borrowed",
        "detain detained detaining detainer", "carry carries carried", "run running runs", "relational relate",
        "consequence consequences", "hopeful hopefulness", "agrees agreed agreeing",
    ],
)  # fmt: skip
def test_forms_of_a_word_have_one_stem(forms):
    assert len({stem(form) for form in forms.split()}) == 1


def test_case_accents_and_width_of_letters_do_not_matter():
    assert query_parser.words("¿QUIÉN? quién “Quien’s” qui\u0065\u0301n ＱＵＩＥＮ") == ["quien"] * 5
    assert query_parser.words("don't don’t – close-knit e.g. 3rd ½ №5") == [
        "dont", "dont", "close", "knit", "e", "g", "3rd", "12", "5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "words", "phrases", "without"),
    [
        ("Who may borrow?", "who may borrow", [], []), ("card card CARDS", "card cards", [], []),
        ("“day pass” card", "day pass card", ["day pass"], []), ('"card" "" "', "card", [], []),
        ('"day pass', "day pass", [], []), ("card -visitor", "card", [], ["visitor"]),
        ('card -"day pass"', "card", [], ["day pass"]), ("card - visitor", "card visitor", [], []),
        ("close-knit", "close knit", [], []), ("-card", "card", [], []),
        ("card OR pass AND NOT book NEAR(x) title:y *", "card or pass and not book near x title y", [], []),
        ("%_\\'); DROP TABLE --", "drop table", [], []), ("?!… 🙂 \0 \ud800", "", [], []), ("", "", [], []),
    ],
)  # fmt: skip
def test_words_phrases_and_minus_are_read_and_everything_else_is_plain(typed, words, phrases, without):
    query = query_parser.read(typed)
    assert query.words == tuple(words.split())
    assert query.phrases == tuple(tuple(phrase.split()) for phrase in phrases)
    assert query.without == tuple(tuple(group.split()) for group in without)


def test_stop_words_are_left_out_unless_there_are_no_others():
    assert query_parser.read("What happens with my library card?").subjects == ("library", "card")
    assert query_parser.read("¿Qué hago con mi carné?").subjects == ("hago", "carne")
    assert query_parser.read("what is it").subjects == ("what", "is", "it")


def test_a_query_of_any_length_is_read_up_to_a_bound():
    query = query_parser.read(" ".join(f"word{n}" for n in range(10_000)))
    assert len(query.words) == query_parser.MAX_WORDS
    assert query_parser.read("x" * 100_000).words == ("x" * query_parser.MAX_LETTERS,)


@given(st.text())
def test_any_text_can_be_read(text):
    query = query_parser.read(text)
    for word in (*query.words, *(word for group in (*query.phrases, *query.without) for word in group)):
        assert word and word.isalnum() and len(word) <= query_parser.MAX_LETTERS
    assert len(query.words) <= query_parser.MAX_WORDS


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("libary", "library"), ("bicylce", "bicycle"), ("bycicle", "bicycle"), ("visiter", "visitor"),
        ("seperate", "separate"), ("informashun", "information"), ("rember", "remember"),
        ("biblioteka", "biblioteca"), ("remem", "remember"),
    ],
)  # fmt: skip
def test_a_mistyped_word_is_near_to_the_one_that_was_meant(typed, meant):
    words = ["library", "bicycle", "visitor", "separate", "information", "remember", "biblioteca", "book", "card"]
    known = dict.fromkeys(words, 1)
    assert typos.keys(typed) & typos.keys(meant), "it would not be looked at"
    assert typos.nearest(typed, known) == meant


@pytest.mark.parametrize("typed", ["xylophon", "zzzz", "cat", "", "b", "mars", "garden"])
def test_a_word_that_is_near_to_nothing_stays(typed):
    assert typos.nearest(typed, {"library": 3, "card": 9, "yard": 1, "book": 2}) is None


def test_of_two_near_words_the_one_in_more_questions_is_meant():
    assert typos.nearest("carts", {"cards": 2, "parts": 1, "carte": 1}) == "cards"
    assert typos.nearest("bouk", {"book": 1, "bulk": 5}) == "book"


@given(st.text(alphabet="abcd", max_size=6), st.text(alphabet="abcd", max_size=6))
def test_distance_is_the_same_both_ways_and_bounded(one, other):
    far = typos.distance(one, other, 2)
    assert far == typos.distance(other, one, 2) and 0 <= far <= 3 and (far == 0) == (one == other)


def plan(words, **counts):
    return ranking.Plan(
        terms=tuple(ranking.Term(word, ((1.0, (stem(word),)),)) for word in words.split()),
        counts={stem(word): number for word, number in counts.items()},
        total=100,
    )


def text(**fields):
    class Text:
        title = short = labels = found_by = points = ""

    for name, words in fields.items():
        setattr(Text, name, "\n".join(" ".join(query_parser.stems(line)) for line in words.split("\n")))
    return Text


def test_the_question_weighs_most_then_short_answer_then_labels_tags_and_points():
    wanted = plan("card", card=10)
    places = ["title", "short", "labels", "found_by", "points"]
    scores = [ranking.score(wanted, text(**{place: "a card at the desk"})) for place in places]
    assert scores == sorted(scores, reverse=True) and scores[0] > scores[1] > scores[2] >= scores[3] > scores[4] > 0
    assert list(ranking.WEIGHTS) == places


def test_a_rare_word_weighs_more_than_a_common_one():
    wanted = plan("card zither", card=90, zither=1)
    assert ranking.score(wanted, text(points="a zither")) > ranking.score(wanted, text(title="a card"))


def test_a_phrase_must_stand_in_one_line_and_a_minus_must_not():
    wanted = ranking.Plan(
        terms=(ranking.Term("day", ((1.0, ("dai",)),)),), phrases=(("dai", "pass"),), counts={"dai": 3}, total=100
    )
    assert ranking.score(wanted, text(points="one day pass here")) > 0
    assert ranking.score(wanted, text(points="one day\npass here")) == 0
    without = ranking.Plan(terms=wanted.terms, without=(("pass",),), counts={"dai": 3}, total=100)
    assert ranking.score(without, text(points="one day", title="passes")) == 0
    assert ranking.score(without, text(points="one day")) > 0


def test_marked_words_are_those_with_the_stem_whatever_their_accents():
    assert highlight.mark("a library card", {"librari", "card"}) == "a <mark>library card</mark>"
    assert highlight.mark("Cards & the CARD’s “carné”.", {"card", "carn"}) == (
        "<mark>Cards</mark> &amp; the <mark>CARD’s</mark> “<mark>carné</mark>”."
    )


def test_the_part_that_is_shown_has_the_words_and_is_cut_between_words():
    long = "word " * 100 + "the library card is here, at the desk " + "more " * 100
    shown = highlight.mark(long, {"librari", "card"}, 100)
    assert "<mark>library card</mark>" in shown and shown.startswith("… ") and shown.endswith(" …")
    assert len(re.sub(r"<[^>]+>", "", shown)) <= 104
    assert highlight.mark("word " * 100, {"none"}, 50).startswith("word")
    assert not highlight.mark("short", {"none"}, 50).endswith("…")


@given(st.text(), st.integers(1, 80))
def test_marking_is_safe_and_loses_no_letter(text, length):
    stems = set(query_parser.stems(text)[::2])
    whole = highlight.mark(text, stems)
    assert set(re.findall(r"<[^>]*>", whole)) <= {"<mark>", "</mark>"}
    from html import unescape

    assert unescape(whole.replace("<mark>", "").replace("</mark>", "")) == text
    part = highlight.mark(text, stems, length)
    assert part.count("<mark>") == part.count("</mark>") and set(re.findall(r"<[^>]*>", part)) <= {"<mark>", "</mark>"}
