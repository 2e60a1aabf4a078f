import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from faq.answers.seedfile import (
    Block,
    Document,
    Question,
    SeedError,
    join_label,
    parse,
    problem_with,
    render,
    split_label,
)

pytestmark = pytest.mark.pure

ROOT = Path(__file__).resolve().parents[2]
SEED = ROOT / "seeds" / "wyoming-courts-ice.txt"
SEED_TEXT = SEED.read_text("utf-8")

LIBRARY = """\
1. Who may borrow a book?
Anyone who lives here. You need one of these:
1. Library card: free at the desk.
2. Day pass, for visitors:
– valid until the café closes
2. How long may I keep it?
Three weeks.
"""


def outline(document):
    """What was read, one string a line: “Q1 …”, “1. …”, “– …” (nested: “– – …”), and paragraphs as they are."""
    for question in document.questions:
        yield f"Q{question.number} {question.text}"
        for block in question.blocks:
            marker = {"numbered": f"{block.ordinal}. ", "bullet": "– " * (block.depth + 1)}.get(block.kind, "")
            yield marker + block.text


def refusal(source):
    with pytest.raises(SeedError) as caught:
        parse(source)
    return caught.value


# The seed file


def test_the_seed_has_20_questions_44_points_6_bullets_and_29_paragraphs():
    document = parse(SEED.read_bytes())
    blocks = [(question.number, block) for question in document.questions for block in question.blocks]
    kinds = [block.kind for _, block in blocks]
    assert [question.number for question in document.questions] == list(range(1, 21))
    assert {kind: kinds.count(kind) for kind in kinds} == {"numbered": 44, "bullet": 6, "paragraph": 29}
    assert [(number, block.depth) for number, block in blocks if block.kind == "bullet"] == [(9, 1)] * 6
    assert document.warnings == ()


def test_the_questions_of_the_seed_are_its_lines_that_end_with_a_question_mark():
    lines = SEED_TEXT.splitlines()
    asking = [(at, line) for at, line in enumerate(lines, start=1) if line.endswith("?")]
    assert [(q.line, f"{q.number}. {q.text}") for q in parse(SEED_TEXT).questions] == asking


def _silent(changed):
    """The numbers of the questions whose change, made by `changed(lines, start, end)`, goes unnoticed."""
    lines = SEED_TEXT.splitlines(keepends=True)
    questions = parse(SEED_TEXT).questions
    ends = [question.line - 1 for question in questions[1:]] + [len(lines)]
    for question, end in zip(questions, ends, strict=True):
        try:
            if not parse("".join(changed(lines, question.line - 1, end))).warnings:
                yield question.number
        except SeedError:
            pass


# How a file can be damaged at one question, and where nobody can notice: no file shows that its end is missing.
DAMAGES = {
    "missing": (lambda lines, start, end: lines[:start] + lines[end:], [20]),
    "without its first line": (lambda lines, start, end: lines[:start] + lines[start + 1 :], [20]),
    "without its answer": (lambda lines, start, end: lines[: start + 1] + lines[end:], []),
    "its first line twice": (lambda lines, start, end: lines[: start + 1] + lines[start:], []),
    "twice": (lambda lines, start, end: lines[:end] + lines[start:], []),
}


@pytest.mark.parametrize(("changed", "unnoticed"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_question_in_the_seed_is_refused_or_warned_about(changed, unnoticed):
    assert list(_silent(changed)) == unnoticed


@pytest.mark.parametrize("wrong", range(23))
def test_a_wrong_question_number_in_the_seed_is_refused_or_warned_about(wrong):
    def renumbered(lines, start, end):
        return [*lines[:start], re.sub("^[0-9]+", str(wrong), lines[start]), *lines[start + 1 :]]

    assert list(_silent(renumbered)) == ([wrong] if 1 <= wrong <= 20 else [])


# What is accepted


def test_the_grammars_example_is_read_as_it_says():
    document = parse(LIBRARY)
    assert list(outline(document)) == [
        "Q1 Who may borrow a book?", "Anyone who lives here. You need one of these:",
        "1. Library card: free at the desk.", "2. Day pass, for visitors:", "– – valid until the café closes",
        "Q2 How long may I keep it?", "Three weeks.",
    ]  # fmt: skip
    assert [(q.line, [block.line for block in q.blocks]) for q in document.questions] == [(1, [2, 3, 4, 5]), (6, [7])]
    assert render(document) == LIBRARY


FORMS = {
    "UTF-8": LIBRARY.encode(),
    "byte order mark": LIBRARY.encode("utf-8-sig"),
    "decoded byte order mark": "\ufeff" + LIBRARY,
    "CRLF": LIBRARY.replace("\n", "\r\n"),
    "CR": LIBRARY.replace("\n", "\r"),
    "blank lines": LIBRARY.replace("\n", "\n \n\u00a0\n\n"),
    "white space at both ends": LIBRARY.replace("\n", " \t\u00a0\n\u00a0 "),
    "wide gap after a marker": LIBRARY.replace(". L", ".\u00a0\tL").replace("– ", "–\u00a0"),
    "no newline at the end": LIBRARY.removesuffix("\n"),
    **{f"bullet {mark}": LIBRARY.replace("–", mark) for mark in "-•*"},
}


@pytest.mark.parametrize("source", FORMS.values(), ids=FORMS)
def test_the_form_of_a_file_does_not_matter(source):
    assert parse(source) == parse(LIBRARY)


READ = [
    # Points that have the next question's number.
    ("1. Who?|1. Card.|2. Pass.|2. How long?|1. Weeks.|2. Days.|3. Hours.|3. Where?|Here.",
     "Q1 Who?|1. Card.|2. Pass.|Q2 How long?|1. Weeks.|2. Days.|3. Hours.|Q3 Where?|Here."),
    # Lists that restart and resume.
    ("1. Who?|1. Card.|1. Pass.|Then:|2. Desk.|– a|3. Door.|Also:|1. Bell.",
     "Q1 Who?|1. Card.|1. Pass.|Then:|2. Desk.|– – a|3. Door.|Also:|1. Bell."),
    # Bullets alone and under a point.
    ("1. Who?|– a|1. Card.|• b|* c|Text|- d|2. Where?|- e",
     "Q1 Who?|– a|1. Card.|– – b|– – c|Text|– d|Q2 Where?|– e"),
    # Paragraphs that look like something else.
    ("1. Why?|First, it is safe.|Second, who pays?|Cost: nothing|2.5 m wide|-5 degrees|1) odd|***",
     "Q1 Why?|First, it is safe.|Second, who pays?|Cost: nothing|2.5 m wide|-5 degrees|1) odd|***"),
    # Questions that do not ask.
    ("1. Bicycle lanes|Open.|002. Library cards|1. Free.|2. Blue.|3. Hours?|All day.",
     "Q1 Bicycle lanes|Open.|Q2 Library cards|1. Free.|2. Blue.|Q3 Hours?|All day."),
    # Points that ask, because question 2 comes later.
    ("1. Who?|1. Is it you?|2. Is it me?|Then come in.|2. Where?|Here.",
     "Q1 Who?|1. Is it you?|2. Is it me?|Then come in.|Q2 Where?|Here."),
    # Something after the question mark.
    ("1. Who?|1. All.|2. “Where?”|a|3. Really?!|b|4. **When?**|c|5. How? (For adults)|d|6. Cost؟|e",
     "Q1 Who?|1. All.|Q2 “Where?”|a|Q3 Really?!|b|Q4 **When?**|c|Q5 How? (For adults)|d|Q6 Cost؟|e"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "read"), READ)
def test_question_or_point_is_decided_over_the_whole_file(text, read):
    document = parse(text.replace("|", "\n"))
    assert list(outline(document)) == read.split("|")
    assert document.warnings == ()


def test_on_equal_cost_the_reading_with_more_questions_wins():
    silent = "".join(f"{number}. Lane\nWide.\n" for number in range(2, 7))  # as questions, they cost 5 × 4
    asking = "".join(f"{number}. Why?\nSo.\n" for number in range(7, 11))  # as points, they cost 4 × 5
    assert len(parse(f"1. Who?\n1. All.\n{silent}{asking}1. End").questions) == 10


WARNING = "line {}: “{}” was read as {}. If that is wrong, {}."
GAP_AT_4 = WARNING.format(4, "3. Where?", "point 3 of question 1, although it asks", "question 2 is missing")
ASKING_POINT = "point 2 of question 1, although it asks"
SILENT = "question 2, although it does not ask and could be a point of question 1"
LIKE_POINT = "question 2, although it could be a point of question 1"
DOUBTFUL = {
    "1. Who?|1. All.|2. Most.|3. Where?|Here.": [GAP_AT_4],
    "1. Who?|1. You?|2. Me?|3. Where?|Here.": [GAP_AT_4],
    "1. Who?|1. All.|2. When?|3. Where?|Here.":
        [WARNING.format(3, "2. When?", ASKING_POINT, "question 2 has no answer"), GAP_AT_4],
    "1. Who?|1. All.|2. Where?|Here.|2. When?|Now.":
        [WARNING.format(3, "2. Where?", ASKING_POINT, "question 2 occurs twice")],
    "1. Who?|1. All.|2. Where?|Here.|3. Most.|– a|4. Some.|– b":
        [WARNING.format(3, "2. Where?", ASKING_POINT, "the questions after number 2 are out of order")],
    "1. Who?|1. All.|2. Hours|Nine.|3. Where?|Here.":
        [WARNING.format(3, "2. Hours", SILENT, "question 2 is missing")],
    "1. Who?|1. You?|2. Me?|Come in.":
        [WARNING.format(3, "2. Me?", LIKE_POINT, "question 2 is missing")],
    "1. Cards|1. Free.|2. Lanes|Wide.":
        [WARNING.format(3, "2. Lanes", "point 2 of question 1, although it could be a question", "end it with “?”")],
    "1. Who?|All.|1. Where?|Here.":
        [WARNING.format(3, "1. Where?", "point 1 of question 1, although it asks", "question 1 occurs twice")],
}  # fmt: skip


@pytest.mark.parametrize(("text", "warnings"), DOUBTFUL.items())
def test_a_possible_gap_causes_a_warning(text, warnings):
    assert list(parse(text.replace("|", "\n")).warnings) == warnings


# What is refused

FIRST = "The first line must be question 1: “1. ” and its text."
NOTHING = ("nothing but white space", "A seed file starts with “1. ” and the first question.")
BETWEEN = "Its answer belongs between the two lines."
DELETE = "A seed file holds text only: delete the character."
ENCODING = ("the byte 0xff, which is not UTF-8", "Save the file with the encoding UTF-8 and try again.")
ALONE = "The text belongs on the same line as its marker."
TOO_LONG = "At most 10,000 fit: divide the line."
FITS = "What would fit here: question {} or point 1 of a list. If this is a question, "
GAP = FITS + "question {} is missing or has another number."
TAKEN = FITS + "its number is taken: the last one was {}."
SUSPECT = "It reads like a question, but {}. Taken as a point, it leads to line {}, where nothing fits: w"
REFUSED = [
    ("", 1, *NOTHING),
    (b"\xef\xbb\xbf", 1, *NOTHING),
    (" \n\u00a0\n\t\r\n", 1, *NOTHING),
    ("1. A?\nb\n\n2. C\0?\nd", 4, "a NUL character at character 5", DELETE),
    ("1. A?\r\n\x0cb", 2, "the control character U+000C at character 1", DELETE),
    (b"1. A?\r\nb\r\n\r\nc \xff\n", 4, *ENCODING),
    (b"\xef\xbb\xbf1. A?\r\nb\r\n\r\nc \xff\n", 4, *ENCODING),
    (LIBRARY.encode("utf-16"), 1, *ENCODING),
    ("\nQuestions\n1. A?\nb", 2, "“Questions”", FIRST),
    ("\n\n2. A?\nb", 3, "“2. A?”", FIRST),
    ("– A?\nb", 1, "“– A?”", FIRST),
    ("1. A?\nb\n3. C?\nd", 3, "“3. C?”", GAP.format(2, 2)),
    ("1. A?\n1. b\n2. c\n4. d\n", 4, "“4. d”", GAP.format("2, point 3", 2)),
    ("1. A?\nb\n2. C?\nd\n2. E?\nf", 5, "“2. E?”", TAKEN.format(3, 2)),
    ("1. A?\nb\n0. C?\nd", 3, "“0. C?”", TAKEN.format(2, 1)),
    ("1. A?\nb\n1. A?\nc", 3, "“1. A?” again", "It is in line 1 already: remove one of them."),
    ("1. A?\n1. b\n2. C?\nd\n2. C?\ne", 5, "“2. C?” again", "It is in line 3 already: remove one of them."),
    ("1. A?\n2. C?\nd", 2, "“2. C?”, but question 1 (line 1) has no answer yet", BETWEEN),
    ("1. A?\nb\n\n2. C?\n\n", 4, "“2. C?”, the last line", "Question 2 still needs an answer."),
    # The gap is where a question was taken for a point, not where that led to; but only if the two belong together.
    ("1. A?\n1. b\n2. c\n3. D?\ne\n5. F?\ng", 4, "“3. D?”",
     SUSPECT.format("question 2 is missing", "6, “5. F?”") + GAP.format("2, point 4", 2)[1:]),
    ("1. A?\n1. b\n2. D?\n3. F?\ne\n1. c\n4. G?\nh", 3, "“2. D?”",
     SUSPECT.format("question 2 has no answer", "7, “4. G?”") + GAP.format("2, point 2", 2)[1:]),
    ("1. A?\n1. b\n2. c\n3. D?\ne\n2. F?\ng\n4. H?\ni", 4, "“3. D?”",
     SUSPECT.format("question 2 is missing", "8, “4. H?”") + GAP.format(3, 3)[1:]),
    ("1. A?\n1. B?\n2. C?\n3. D?\ne\n9. F?\ng", 6, "“9. F?”", GAP.format("2, point 4", 2)),
    ("1. A?\n1. b\n2. Why?\n3. c\n2. D?\ne\n4. F?\ng", 7, "“4. F?”", GAP.format(3, 3)),
    ("1. A?\n1. b\n2. Hours\nc\n3. D?\ne\n5. F?\ng", 7, "“5. F?”", GAP.format(4, 4)),
    ("1. A?\n1.\n", 2, "“1.” with nothing after it", ALONE),
    ("1. A?\n – \n", 2, "“–” with nothing after it", ALONE),
    (f"1. A?\nb\n7. {'c' * 60}", 3, f"“7. {'c' * 50}…”", GAP.format(2, 2)),
    (f"1. A?\n1. {'b' * 10_001}", 2, "a line of 10,001 characters", TOO_LONG),
    (f"1. A?\n{'b ' * 2_000_000}", 2, "a line of 3,999,999 characters", TOO_LONG),
    (f"1. {'A' * 1_000}?\nb", 1, "a question of 1,001 characters",
     "At most 1,000 fit: shorten it, or move text into the answer."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "line", "found", "fit"), REFUSED, ids=[repr(case[0][:32]) for case in REFUSED])
def test_a_broken_file_is_refused_with_the_line_what_was_found_and_what_would_fit(source, line, found, fit):
    error = refusal(source)
    assert (error.line, error.found, error.fit) == (line, found, fit)
    assert str(error) == f"line {line}: found {found}. {fit}"


# The command line


def _run(*arguments, encoding="utf-8"):
    command = [sys.executable, "-m", "faq.answers.seedfile", *map(str, arguments)]
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def test_the_command_prints_a_file_as_json_whatever_the_terminal_speaks(tmp_path):
    file = tmp_path / "library.txt"
    file.write_text(LIBRARY, "utf-8")
    code, out, err = _run(file, encoding="ascii")
    assert (code, err) == (0, "")
    blocks = [
        {"kind": "paragraph", "ordinal": None, "depth": 0, "text": "Anyone who lives here. You need one of these:"},
        {"kind": "numbered", "ordinal": 1, "depth": 0, "text": "Library card: free at the desk."},
        {"kind": "numbered", "ordinal": 2, "depth": 0, "text": "Day pass, for visitors:"},
        {"kind": "bullet", "ordinal": None, "depth": 1, "text": "valid until the café closes"},
        {"kind": "paragraph", "ordinal": None, "depth": 0, "text": "Three weeks."},
    ]
    first = {"number": 1, "text": "Who may borrow a book?", "blocks": blocks[:4]}
    assert json.loads(out) == {
        "questions": [first, {"number": 2, "text": "How long may I keep it?", "blocks": blocks[4:]}]
    }


def test_the_command_says_on_stderr_what_is_wrong_and_what_is_doubtful(tmp_path):
    file = tmp_path / "library.txt"
    file.write_text("1. Who?\nAll.\n3. Where?\nHere.", "utf-8")
    code, out, err = _run(file)
    assert (code, out) == (1, "")
    assert err == f"{file}, line 3: found “3. Where?”. {GAP.format(2, 2)}\n"
    file.write_text("1. Who?\n1. All.\n2. Most.\n3. Where?\nHere.", "utf-8")
    code, out, err = _run(file)
    assert (code, len(json.loads(out)["questions"])) == (0, 1)
    assert err == f"{file}, warning, {GAP_AT_4}\n"


def test_the_command_explains_itself_without_a_readable_file(tmp_path):
    assert _run() == _run("--help") == (2, "", "usage: python -m faq.answers.seedfile FILE\n")
    missing = tmp_path / "missing.txt"
    assert _run(missing) == (1, "", f"{missing}: cannot be read (No such file or directory).\n")


# Properties

FRAGMENTS = ["1. ", "2. ", "3. ", "– ", "- ", "card", "lane?", "Fee: ", " ", "\n", "\n", "\r\n", "\u00a0", "\ufeff"]
jumble = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map("".join)


@settings(deadline=None, max_examples=120)
@given(st.one_of(st.text(), st.binary(), jumble, jumble.map("1. Who?\n".__add__), jumble.map(str.encode)))
def test_anything_is_read_and_survives_rendering_or_is_refused_for_one_of_its_lines(source):
    try:
        document = parse(source)
    except SeedError as error:
        text = source if isinstance(source, str) else source.decode("utf-8", "replace")
        assert 1 <= error.line <= len(re.split("\r\n|\r|\n", text))
        assert error.found
        assert error.fit
    else:
        text = render(document)
        assert parse(text) == document
        assert render(parse(text)) == text


def readings(lines, at=0, question=0, point=0, answered=True, cost=0, taken=()):
    """All readings of `lines` (number or 0, whether it asks) in which no numbering breaks: cost, where questions are.

    A question that does not ask costs 4, a point that asks costs 5."""
    if at == len(lines):
        if answered:
            yield cost, taken
        return
    number, asks = lines[at]
    if number == 0:
        yield from readings(lines, at + 1, question, point, True, cost, taken)
        return
    if number == question + 1 and answered:
        yield from readings(lines, at + 1, number, 0, False, cost + (0 if asks else 4), (*taken, at))
    if question and number in (1, point + 1):
        yield from readings(lines, at + 1, question, number, True, cost + (5 if asks else 0), taken)


@st.composite
def puzzles(draw):
    """Lines for `readings`: most can be read in at least one way, and many in several."""
    lines, question, point = [(1, draw(st.booleans()))], 1, 0
    for step in draw(st.lists(st.sampled_from("t11pppqqq?"), min_size=1, max_size=8)):
        asks = draw(st.booleans())
        if step == "q":
            lines += [(0, False), (question + 1, asks), (draw(st.integers(0, 1)), False)]
            question, point = question + 1, lines[-1][0]
        else:
            number = {"t": 0, "1": 1, "p": point + 1, "?": draw(st.integers(0, 5))}[step]
            lines.append((number, asks))
            point = number or point
    return lines


@settings(deadline=None, max_examples=300)
@given(puzzles())
def test_of_all_readings_the_cheapest_is_taken_and_on_equal_cost_the_one_with_most_questions(lines):
    ends = {True: "?", False: "."}
    text = "".join(f"{f'{n}. ' if n else ''}Line {at}{ends[asks]}\n" for at, (n, asks) in enumerate(lines))
    possible = list(readings(lines))
    if possible:
        best = min((cost, -len(taken)) for cost, taken in possible)
        taken = tuple(question.line - 1 for question in parse(text).questions)
        assert taken in [taken for cost, taken in possible if (cost, -len(taken)) == best]
    else:
        assert refusal(text).line <= len(lines)


ASKING = ["Is lane {} open?", "May I renew card {} online?", "“Who may use lane {}?”"]
TELLING = ["Card {} is free.", "Lane {}: open all day", "First, who needs card {}? Nobody.", "1. Lane {}"]


@st.composite
def documents(draw, tidy=False):
    """Realistic documents that can be read in one way only.

    A line fits as a question if some reading could have come to the number before it (`low` to `high`), and as a point
    if it is 1 or goes on from the numbered line before. A line that fits as only one of the two, in every reading, may
    ask or not (unless `tidy`); one that fits as both asks if and only if it is a question. So all other readings cost
    more."""
    serial = 0
    low = high = previous = 0

    def wording(asks):
        nonlocal serial
        serial += 1
        return draw(st.sampled_from(ASKING if asks else TELLING)).format(serial)

    def numbered(number, is_question):
        nonlocal low, high, previous
        opens, continues = low <= number - 1 <= high, number == previous + 1 or number == 1
        previous = number
        asks = is_question
        if opens and continues and low:
            high = max(high, number)
        else:
            asks = is_question if tidy else draw(st.sampled_from([is_question, is_question, not is_question]))
            if opens:
                low = high = number
        return wording(asks)

    questions = []
    for number in range(1, draw(st.integers(1, 6)) + 1):
        text, blocks, point, nested = numbered(number, True), [], 0, 0
        for kind in draw(st.lists(st.sampled_from(["p", "list", "more", "b"]), min_size=1, max_size=4)):
            if kind == "p":
                blocks.append(Block("paragraph", wording(draw(st.booleans())).removeprefix("1. ")))
                nested = 0
            elif kind == "b":
                blocks.append(Block("bullet", wording(draw(st.booleans())), None, nested))
            else:
                point = point if kind == "more" else 0
                for _ in range(draw(st.integers(1, 6))):
                    point, nested = point + 1, 1
                    blocks.append(Block("numbered", numbered(point, False), point))
        questions.append(Question(number, text, tuple(blocks)))
    return Document(tuple(questions))


@st.composite
def noisy(draw, document):
    """The document's text as somebody's editor could have saved it."""
    random = draw(st.randoms(use_true_random=False))
    white = ["", "", " ", "\t", "\u00a0 "]
    lines = []
    for line in render(document).splitlines():
        marker, gap, text = re.fullmatch(r"([0-9]+\.|–)?( ?)(.*)", line).groups()
        marker = random.choice("–-•*") if marker == "–" else marker or ""
        gap += random.choice(white) if gap else ""
        lines += [""] * random.choice([0, 0, 1, 2])
        lines.append(random.choice(white) + marker + gap + text + random.choice(white))
    text = random.choice(["\n", "\r\n"]).join(lines)
    return text.encode(random.choice(["utf-8", "utf-8-sig"]))


@settings(deadline=None, max_examples=120)
@given(st.data())
def test_a_realistic_document_is_read_exactly_as_it_was_written(data):
    document = data.draw(documents())
    assert render(parse(render(document))) == render(document)
    assert parse(data.draw(noisy(document))) == document


@settings(deadline=None, max_examples=50)
@given(documents(tidy=True))
def test_a_document_whose_questions_ask_and_whose_points_do_not_gives_no_warning(document):
    assert parse(render(document)) == document
    assert parse(render(document)).warnings == ()


def test_a_file_is_read_in_time_proportional_to_its_length():
    """No clock: with quadratic work, each of these would take minutes."""
    large = "".join(f"{number}. Is lane {number} open?\nYes.\n" for number in range(1, 20_001))
    assert render(parse(large)) == large
    assert len(parse("1. Who?\n" + "1. a\n2. b\n3. c\n" * 10_000).questions[0].blocks) == 30_000
    # Each list is one longer than the one before, so that ever more readings stay possible.
    rising = "1. Who?\n" + "".join(f"{point}. a\n" for length in range(1, 250) for point in range(1, length + 1))
    assert len(parse(rising).questions) == 1
    assert refusal(rising + "9999. b\n").line == 31_127
    assert len(parse("1. Who?\n" + f"1. {'?' * 9_000}x\n" * 50).questions) == 1


# Labels, and what an editor may write

LABELS = [
    ("Library card: free at the desk.", "Library card", "free at the desk."), ("Benefits:", "Benefits", ""),
    ("Hours: Monday: closed", "Hours", "Monday: closed"), (f"{'x' * 60}: y", "x" * 60, "y"),
]  # fmt: skip
NO_LABEL = "Free.|It is free. Note: bring a card.|From 9:30 on|At 9: closed|See https://a.example|: text|https: secure"
NO_LABEL += f"|Fee:  two spaces|Fee: |Fee : free|{'x' * 61}: y"


@pytest.mark.parametrize(("text", "label", "rest"), [*LABELS, *((text, "", text) for text in NO_LABEL.split("|"))])
def test_a_label_is_a_few_words_before_a_colon(text, label, rest):
    assert split_label(text) == (label, rest)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(st.sampled_from(["Fee", ":", " ", ". ", "9", "\u00a0"])).map("".join)))
def test_a_label_that_was_split_off_joins_to_the_same_text(text):
    assert join_label(*split_label(text)) == text


PROBLEMS = [
    ("Free at the desk.", "paragraph", None),
    ("2. Free", "numbered", None),
    ("x" * 10_000, "bullet", None),
    ("2. A", "paragraph", "A paragraph cannot start with “2.”: make it a numbered point or a bullet, without “2.”."),
    ("- A", "paragraph", "A paragraph cannot start with “-”: make it a numbered point or a bullet, without “-”."),
    ("x" * 10_001, "bullet", "This has 10,001 characters, and 10,000 is the most. Divide it into several points."),
    (" \n", "paragraph", "This is empty: write something, or remove it."),
    ("a\r\nb", "numbered", "This has a line break: put each paragraph in a point of its own."),
    ("a\0b", "numbered", "a NUL character cannot be shown or stored: delete it."),
    (" 2. A", "paragraph", "This starts or ends with white space: delete it."),
]


@pytest.mark.parametrize(("text", "kind", "problem"), PROBLEMS, ids=[repr(case[0][:20]) for case in PROBLEMS])
def test_text_that_a_seed_file_cannot_hold_is_explained(text, kind, problem):
    assert problem_with(text, kind) == problem


@settings(deadline=None, max_examples=120)
@given(st.one_of(st.text(), jumble), st.sampled_from(["paragraph", "numbered", "bullet"]))
@example("x" * 10_000, "numbered")
@example("x" * 10_000, "paragraph")
@example("x" * 10_001, "bullet")
def test_text_without_a_problem_is_the_text_that_survives_rendering(text, kind):
    block = Block(kind, text, 1 if kind == "numbered" else None)
    document = Document((Question(1, "Who may borrow a book?", (block,)),))
    try:
        survives = parse(render(document)) == document
    except SeedError:
        survives = False
    assert (problem_with(text, kind) is None) == survives


@pytest.mark.parametrize("line", ["2.How long?", "2) How long?", "2．How long?", "\u200b2. How long?"])
def test_a_last_question_with_a_mistyped_number_is_warned_about(line):
    [warning] = parse(f"1. Who?\nAnyone.\n{line}\nThree weeks.\n").warnings
    assert warning.startswith("line 3: ") and "was read as a paragraph" in warning
    assert "it should start with “2. ”, with a space" in warning


def test_a_paragraph_that_starts_with_another_number_is_no_reason_to_warn():
    assert parse("1. Who?\n2.5 persons.\n3) No.\nIn 2. place\n").warnings == ()
