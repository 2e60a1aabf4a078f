"""Findings in the wording of an answer."""

import json

import pytest
from django.core.management import call_command
from hypothesis import given
from hypothesis import strategies as st

from faq.answers import wording
from faq.models import Question
from faq.tests.conftest import import_text, logged_in
from faq.tests.test_content import block, content
from faq.workflow import publishing, working_copy


def found(*texts, **options):
    blocks = [block(key, "paragraph", text) for key, text in enumerate(texts, start=1)]
    return [(f.kind, f.key, f.quote) for f in wording.review(content(*blocks, **options))]


@pytest.mark.pure
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("As of my last update, it is free.", [("generator", 1, "As of my last update")]),
        ("As of my latest knowledge, yes.", [("generator", 1, "As of my latest knowledge")]),
        ("This was so at the time of this response.", [("generator", 1, "the time of this response")]),
        ("The desk is currently closed.", [("undated", 1, "currently")]),
        ("Since May 2026 the desk is currently closed.", []),
        ("There are recent changes.", [("undated", 1, "recent")]),
        ("Ask the TLC about it.", [("abbreviation", 1, "TLC")]),
        ("Ask the Town Library Council (TLC). The TLC knows.", []),
        ("A card is free. Bring a photo.", []),
        ("", [("empty", 1, "")]),
    ],
)
def test_phrases_are_pointed_out_with_their_place(text, expected):
    assert found(text) == expected


@pytest.mark.pure
def test_a_sentence_of_more_than_thirty_words_is_long_and_one_of_thirty_is_not():
    assert found(" ".join(["word"] * 30) + ".") == []
    [(kind, key, quote)] = found("Short one. W" + " ".join(["word"] * 31)[1:] + ".")
    assert (kind, key) == ("long", 1) and quote.startswith("Word word") and quote.endswith("…")


@pytest.mark.pure
def test_sentences_end_at_punctuation_but_not_in_abbreviations_and_numbers():
    assert wording.sentences("He came at 3.5 km. She left! “Why?” Nobody knew.") == [
        "He came at 3.5 km.", "She left!", "“Why?”", "Nobody knew."
    ]  # fmt: skip
    assert wording.sentences("The U.S. Library is open.") == ["The U.S. Library is open."]


@pytest.mark.pure
def test_the_same_point_twice_and_a_label_alone_are_pointed_out():
    points = [
        block(1, "numbered", "free at the desk", 1, label="Card"),
        block(2, "numbered", "Free at the desk!", 2, label="card"),
        block(3, "numbered", "", 3, label="Fees"),
        block(4, "numbered", "", 4, label="Rules"),
        block(5, "bullet", "be quiet", depth=1),
    ]
    assert [(f.kind, f.key) for f in wording.review(content(*points))] == [("duplicate", 2), ("empty", 3)]


@pytest.mark.pure
def test_hard_reading_and_many_hedges_are_judged_over_the_whole_answer():
    easy = "You can get a card at the desk. It is free. Bring a photo. " * 5
    hard = "Institutional considerations regarding documentation may potentially necessitate authorization. "
    assert found(easy) == []
    assert [kind for kind, _, _ in found(hard * 7)] == ["grade", "hedges"]
    assert wording.reading_grade(easy) < 5 < 15 < wording.reading_grade(hard)
    assert wording.reading_grade("") == 0


@pytest.mark.pure
@given(st.text(max_size=400))
def test_any_text_can_be_looked_at(text):
    for finding in wording.review(content(block(1, "paragraph", text), question=text or "?", short_answer=text)):
        assert finding.kind in wording.KINDS and finding.why


@pytest.mark.pure
def test_a_very_long_point_takes_no_time_to_speak_of():
    for text in ("a" * 10_000, "may " * 2_500, "A." * 5_000, ". " * 5_000, "as of my last " * 700, "((((" * 2_500):
        wording.review(content(block(1, "paragraph", text)))


MACHINE = "1. Open?\nAs of my last update, the desk is open.\n2. Free?\nYes.\n"


@pytest.mark.django_db
def test_findings_show_in_the_list_and_beside_their_point_and_follow_what_is_saved(editor):
    import_text(MACHINE, slug="machine")
    client = logged_in(editor)
    page = client.get("/admin/faq/question/?wording=findings")
    assert [(q.number, q.findings) for q in page.context["cl"].result_list] == [(1, 1)]
    row = Question.objects.get(number=1)
    html = client.get(f"/admin/faq/question/{row.pk}/change/").content.decode()
    assert "<strong>A phrase of a text generator.</strong> “As of my last update”" in html
    row.points.update(text="The desk is open.")
    working_copy.refresh(row)
    assert not client.get("/admin/faq/question/?wording=findings").context["cl"].result_list


@pytest.mark.django_db
def test_findings_never_block_saving_and_block_publishing_only_where_the_site_says_so(settings, publisher):
    import_text(MACHINE, slug="machine")
    row = Question.objects.get(number=1)
    settings.WORDING_BLOCKS = ["generator"]
    with pytest.raises(publishing.CannotPublish, match="A phrase of a text generator: “As of my last update”"):
        publishing.publish(row, by=publisher, note="First.")
    settings.WORDING_BLOCKS = ["undated"]
    assert publishing.publish(row, by=publisher, note="First.").number == 1


@pytest.mark.django_db
def test_the_command_lists_findings_for_people_and_for_programs(capsys):
    import_text(MACHINE, slug="machine")
    call_command("review_wording", "machine")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "1. Open?" and lines[-1] == "1 finding in 2 questions."
    assert lines[1].startswith("  point 1: A phrase of a text generator. “As of my last update” Machines write")
    call_command("review_wording", json=True)
    assert json.loads(capsys.readouterr().out) == {
        "collection": "machine", "question": 1, "kind": "generator", "key": 1, "quote": "As of my last update",
        "why": "Machines write like this. Say it plainly, or leave it out.",
    }  # fmt: skip
