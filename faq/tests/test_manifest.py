from pathlib import Path

import pytest

from faq.answers import manifest, seedfile
from faq.tests.conftest import LIBRARY

pytestmark = pytest.mark.pure

SEEDS = Path(__file__).resolve().parents[2] / "seeds"

GOOD = b"""
[collection]
title = "Springfield library"

[[topics]]
slug = "cards"
name = "Library cards"
questions = [1, 2, 3]

[[tags]]
name = "visitor"
questions = [1]

[[notes]]
kind = "contradiction"
questions = [1, 2]
text = "Question 1 says \xe2\x80\x9cone book only\xe2\x80\x9d, question 2 \xe2\x80\x9cThree weeks\xe2\x80\x9d."
"""


def problems(source):
    with pytest.raises(manifest.ManifestError) as caught:
        manifest.parse(source)
    return caught.value.problems


def test_reads_a_manifest_that_fits():
    about = manifest.parse(GOOD)
    assert about.title == "Springfield library"
    assert about.topics == (manifest.Topic("cards", "Library cards", (1, 2, 3)),)
    assert about.tags == (manifest.Tag("visitor", (1,)),)
    assert manifest.mismatches(about, seedfile.parse(LIBRARY)) == ([], [])


def test_names_questions_that_the_text_does_not_have():
    about = manifest.parse(GOOD.replace(b"[1, 2, 3]", b"[1, 2, 9]").replace(b"questions = [1]", b"questions = [7]"))
    errors, warnings = manifest.mismatches(about, seedfile.parse(LIBRARY))
    assert errors == [
        "Topic “cards” names question 9, which the text does not have.",
        "Tag “visitor” names question 7, which the text does not have.",
    ]
    assert warnings == ["Question 3 is in no topic."]


def test_names_quotations_that_the_questions_do_not_say():
    about = manifest.parse(GOOD.replace(b"Three weeks", b"Four weeks"))
    _, warnings = manifest.mismatches(about, seedfile.parse(LIBRARY))
    assert warnings == ["A note quotes “Four weeks”, which its questions do not contain."]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"[collection]\n", ["[collection] needs “title” as text on one line."]),
        (b"\xff", ["The file is not UTF-8. Save it with that encoding."]),
        (b"[collection]\ntitle = 3", ["[collection] needs “title” as text on one line."]),
        (b'[collection]\ntitle = "a"\ncolour = "b"', ["[collection] has an unknown key “colour”."]),
        (b'topic = 1\n[collection]\ntitle = "a"', ["“topic” is not part of a manifest."]),
        (b'topics = 1\n[collection]\ntitle = "a"', ["“topics” must be written as [[topics]]."]),
        (
            b'[collection]\ntitle = "a"\n[[tags]]\nname = "x"\nquestions = ["1"]',
            ["[[tags]] 1 needs “questions” as a list of numbers, such as [1, 2]."],
        ),
        (
            b'[collection]\ntitle = "a"\nlanguage = "English"\nslug = "A b"',
            [
                "“A b” cannot be part of an address: use at most 50 small letters, digits and hyphens.",
                "“English” is not a language code such as en or es.",
            ],
        ),
        (
            b'[collection]\ntitle = "a"\n[[tags]]\nname = "x"\n[[tags]]\nname = "X"',
            ["The tag “x” occurs twice."],
        ),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_with_the_reason(source, expected):
    assert problems(source) == expected


def test_says_where_the_file_is_not_toml():
    [problem] = problems(b'[collection]\ntitle = "open')
    assert problem.startswith("The file is not TOML: ")


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.toml")), ids=lambda path: path.stem)
def test_the_manifests_in_the_repository_fit_their_texts(path):
    about = manifest.parse(path.read_bytes())
    assert manifest.mismatches(about, seedfile.parse(path.with_suffix(".txt").read_bytes())) == ([], [])
    tagged = {number for tag in about.tags for number in tag.questions}
    assert tagged == set(range(1, 21))
