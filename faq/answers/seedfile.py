"""The seed file: numbered questions with their answers, as plain text.

    1. Who may borrow a book?
    Anyone who lives here. You need one of these:
    1. Library card: free at the desk.
    2. Day pass, for visitors:
    – valid until closing time
    2. How long may I keep it?
    Three weeks.

Grammar, line by line (blank lines mean nothing, white space at either end of a line neither):

* ``N. text``: question N, or point N of a numbered list
* ``– text`` (also ``-``, ``•``, ``*``): a bullet; nested (depth 1) after a numbered point or another nested bullet
* anything else: a paragraph

Questions count 1, 2, 3, … and each has an answer of at least one line. In an answer, a numbered point is 1 or
the last point's number + 1, so that lists may restart and resume. A question and a point can look the same, so the
whole file decides: of all readings in which no numbering breaks, `parse` takes the one with the fewest questions
that do not ask ("?" at the end) and points that do.

`parse` turns text into a `Document`, `render` a `Document` into canonical text: no blank lines, bullets with ``–``,
one newline after each line. ``render(parse(text)) == text`` for canonical text, and
``parse(render(parse(text))) == parse(text)`` for all text that is accepted.

``python -m faq.answers.seedfile FILE`` prints what was read as JSON.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

MAX_LINE = 10_000
"""Longest line, in characters without its marker. The longest paragraphs in real files have about 1,500."""

MAX_QUESTION = 1_000
"""Longest question, in characters."""

MAX_NUMBER = 999_999_999
"""Highest number of a question."""

PARAGRAPH, NUMBERED, BULLET = "paragraph", "numbered", "bullet"

_NUMBER = re.compile(r"([0-9]{1,9})\.(?:\s+(.*))?", re.DOTALL)
_BULLET = re.compile(r"[–\-•*](?:\s+(.*))?", re.DOTALL)
_ASKS = re.compile(r"[?？؟][\s\"'”’»)\]!…*_]*(?:\([^()?？؟]*\)[\s*_]*)?$")  # also “Who?!”, “**Who?**”, “Who? (Adults)”
# A question's number that was written in another way: “3.Who”, “3) Who”, “3．Who”.
_MISTYPED = re.compile(r"\W*([0-9]{1,9})\s?[.)．]\s?[^\W\d]")
# What neither a database, nor an HTML page, nor a feed may contain. A tab is white space.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
# Make text read otherwise than it is stored, and cannot be seen: embeddings, overrides and isolates of direction. (The
# marks U+200E, U+200F and U+061C stay: they only say to which side what stands beside them belongs.)
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NEWLINE = re.compile(r"\r\n|\n|\r")

# What it costs a reading to go against the question mark. A question that does not ask is more usual than a point
# that does.
_SILENT_QUESTION, _ASKING_POINT = 4, 5


class SeedError(ValueError):
    """A seed file that cannot be read: `line` (from 1), what was `found` there and what would have `fit`."""

    def __init__(self, line: int, found: str, fit: str) -> None:
        self.line, self.found, self.fit = line, found, fit
        super().__init__(f"line {line}: found {found}. {fit}")


@dataclass(frozen=True)
class Block:
    """One line of an answer. `text` is all of it after the marker; `ordinal` is a numbered point's number, else None;
    `depth` is 1 for a bullet under a numbered point, else 0. `line` is where it stood in the file."""

    kind: str
    text: str
    ordinal: int | None = None
    depth: int = 0
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Question:
    """A question and its answer."""

    number: int
    text: str
    blocks: tuple[Block, ...]
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Document:
    """All questions of a file, in order, and `warnings` about places that could be read in another way."""

    questions: tuple[Question, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)


def parse(source: str | bytes) -> Document:
    """Read a seed file (bytes are UTF-8, with or without a byte order mark). Raises `SeedError`."""
    lines = list(_lines(_decode(source)))
    if not lines:
        raise SeedError(1, "nothing but white space", "A seed file starts with “1. ” and the first question.")
    first = lines[0]
    if first.number != 1:
        raise SeedError(first.at, _quote(first), "The first line must be question 1: “1. ” and its text.")
    is_question = _decide(lines)
    _refuse_repeated_questions(lines, is_question)
    return Document(tuple(_assemble(lines, is_question)), tuple(map(str, _doubts(lines, is_question, True))))


def render(document: Document) -> str:
    """The document as canonical text (see the module's docstring)."""
    return "".join(render_question(question) for question in document.questions)


def render_question(question: Question) -> str:
    """One question and its answer as canonical text."""
    lines = [f"{question.number}. {question.text}"]
    for block in question.blocks:
        marker = {NUMBERED: f"{block.ordinal}. ", BULLET: "– "}.get(block.kind, "")
        lines.append(marker + block.text)
    return "".join(line + "\n" for line in lines)


def split_label(text: str) -> tuple[str, str]:
    """Split “Label: text” into the two, so that `join_label` gives the same back; without a label: ``("", text)``.

    A label is short, has no sentence in it, and opens a text or stands alone (“Benefits:”)."""
    label, colon, rest = text.partition(":")
    is_label = colon and label and len(label) <= 60 and not re.search(r"[.?!;]\s|[/\d]$|^https?$", label)
    if is_label and label == label.strip() and rest != " " and rest in ("", " " + rest.strip()):
        return label, rest[1:]
    return "", text


def join_label(label: str, text: str) -> str:
    """The text with its label in front, as it stands in a seed file."""
    if not label:
        return text
    return f"{label}: {text}" if text else f"{label}:"


def without_turning(text: str) -> str:
    """The text without the characters that turn its direction and cannot be seen.

    They come along with telephone numbers and names that are copied from elsewhere, so whoever types is not bothered
    with them; a file, which is taken as it is or not at all, is refused."""
    return _TURNING.sub("", text)


def problem_with(text: str, kind: str = PARAGRAPH) -> str | None:
    """Why `text` cannot be one line of the given kind (a sentence), or None if it can.

    What passes here survives ``parse(render(…))`` unchanged."""
    if character := _FORBIDDEN.search(text):
        return f"{_name(character.group())} cannot be shown or stored: delete it."
    if len(text) > MAX_LINE:
        return f"This has {len(text):,} characters, and {MAX_LINE:,} is the most. Divide it into several points."
    if not text.strip():
        return "This is empty: write something, or remove it."
    if _NEWLINE.search(text):
        return "This has a line break: put each paragraph in a point of its own."
    if text != text.strip():
        return "This starts or ends with white space: delete it."
    if kind == PARAGRAPH and (_NUMBER.fullmatch(text) or _BULLET.fullmatch(text)):
        marker = text.split()[0]
        return f"A paragraph cannot start with “{marker}”: make it a numbered point or a bullet, without “{marker}”."
    return None


class _Line(NamedTuple):
    """A line that is not blank: where it is, the kind that its marker shows, its number (or 0), its text."""

    at: int
    kind: str
    number: int
    text: str

    @property
    def asks(self) -> bool:
        return _ASKS.search(self.text) is not None


def _decode(source: str | bytes) -> str:
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    source = source.removeprefix(b"\xef\xbb\xbf")
    try:
        return source.decode()
    except UnicodeDecodeError as error:
        line = len(_NEWLINE.split(source[: error.start].decode("utf-8", "replace")))
        byte = f"the byte 0x{source[error.start]:02x}, which is not UTF-8"
        raise SeedError(line, byte, "Save the file with the encoding UTF-8 and try again.") from None


def _lines(text: str) -> Iterator[_Line]:
    for at, raw in enumerate(_NEWLINE.split(text), start=1):
        if character := _FORBIDDEN.search(raw):
            found = f"{_name(character.group())} at character {character.start() + 1}"
            raise SeedError(at, found, "A seed file holds text only: delete the character.")
        line = raw.strip()
        if not line:
            continue
        if numbered := _NUMBER.fullmatch(line):
            kind, number, rest = NUMBERED, int(numbered[1]), numbered[2]
        elif bullet := _BULLET.fullmatch(line):
            kind, number, rest = BULLET, 0, bullet[1]
        else:
            kind, number, rest = PARAGRAPH, 0, line
        if not rest:
            raise SeedError(at, f"“{line}” with nothing after it", "The text belongs on the same line as its marker.")
        if len(rest) > MAX_LINE:
            raise SeedError(at, f"a line of {len(rest):,} characters", f"At most {MAX_LINE:,} fit: divide the line.")
        yield _Line(at, kind, number, rest)


class _Reading(NamedTuple):
    """One way to read the lines so far: its cost, and the lines taken as questions, newest first, as a linked list."""

    cost: int
    questions: tuple[int, Any] | None

    def with_question(self, index: int, cost: int) -> _Reading:
        return _Reading(self.cost + cost, (index, self.questions))


def _decide(lines: list[_Line]) -> set[int]:
    """Which lines (by index) are questions: the cheapest reading in which no numbering breaks.

    Readings that agree on the current question's number agree on all that can follow, so only the cheapest of each
    is kept. After a numbered point all of them stand at the same point; besides, at most one reading has just opened
    a question. So a line costs a constant amount of work, and a file time in proportion to its length.
    """
    shift = 0  # added to the cost of every reading in `listed`: points cost the same to all of them
    listed: dict[int, _Reading] = {}  # by question number: readings whose last numbered line was point `point`
    point = 0
    fresh: tuple[int, _Reading] | None = (0, _Reading(0, None))  # the reading that has just opened a question
    answered = True  # whether the fresh question has a line of answer
    for index, line in enumerate(lines):
        if line.kind != NUMBERED:
            answered = True
            continue
        number = line.number
        opened: _Reading | None = None
        opener = listed.get(number - 1)
        if opener is not None:
            opened = _Reading(opener.cost + shift, opener.questions)
        if fresh and answered and fresh[0] == number - 1 and (opened is None or fresh[1].cost < opened.cost):
            opened = fresh[1]
        fits_list = number in (1, point + 1)
        if opened is None and not (listed and fits_list) and not (number == 1 and fresh):
            alive = [reading._replace(cost=reading.cost + shift) for reading in listed.values()]
            raise _broken(lines, index, min([*alive, *([fresh[1]] if fresh else [])]).questions)
        if not fits_list:
            listed = {}
        if number == 1 and fresh and fresh[0] > 0:
            question, reading = fresh
            known = listed.get(question)
            if known is None or reading.cost < known.cost + shift:
                listed[question] = _Reading(reading.cost - shift, reading.questions)
        point = number if listed else 0
        shift += _ASKING_POINT if line.asks else 0
        fresh, answered = None, False
        if opened is not None:
            fresh = number, opened.with_question(index, 0 if line.asks else _SILENT_QUESTION)
    # On equal cost the reading with more questions wins: the one that loses no question to a list.
    ends = [(reading.cost + shift, -question, reading) for question, reading in listed.items()]
    if fresh and answered:
        ends.append((fresh[1].cost, -fresh[0], fresh[1]))
    if not ends:
        last = lines[-1]
        raise SeedError(last.at, f"{_quote(last)}, the last line", f"Question {last.number} still needs an answer.")
    return set(_unlink(min(ends, key=lambda end: end[:2])[2].questions))


def _unlink(chosen: tuple[int, Any] | None) -> Iterator[int]:
    while chosen is not None:
        index, chosen = chosen
        yield index


def _broken(lines: list[_Line], index: int, chosen: tuple[int, Any] | None) -> SeedError:
    """The error for the numbered line at `index`, which fits no reading; `chosen` is the best one up to there."""
    line = lines[index]
    is_question = set(_unlink(chosen))
    opener = max(is_question)
    question = lines[opener]
    if opener == index - 1:
        where = f"question {question.number} (line {question.at}) has no answer yet"
        return SeedError(line.at, f"{_quote(line)}, but {where}", "Its answer belongs between the two lines.")
    points = [other.number for other in lines[opener + 1 : index] if other.kind == NUMBERED]
    fits = [f"question {question.number + 1}", "point 1 of a list"]
    if points:
        fits.insert(1, f"point {points[-1] + 1}")
    fit = f"What would fit here: {', '.join(fits[:-1])} or {fits[-1]}."
    if line.number <= question.number:
        fit += f" If this is a question, its number is taken: the last one was {question.number}."
    else:
        fit += f" If this is a question, question {question.number + 1} is missing or has another number."
    for suspect in _doubts(lines[:index], is_question):
        if suspect.line.at > question.at or suspect.line.number == question.number + 1:
            break
    else:
        return SeedError(line.at, _quote(line), fit)
    # A line that asks, could only pass for a point, and is in this answer or has the number that is missing here: most
    # likely the gap is there.
    return SeedError(
        suspect.line.at,
        _quote(suspect.line),
        f"It reads like a question, but {suspect.mend}. Taken as a point, it leads to line {line.at}, {_quote(line)}, "
        f"where nothing fits: {fit[0].lower()}{fit[1:]}",
    )


def _refuse_repeated_questions(lines: list[_Line], is_question: set[int]) -> None:
    """The same question again, number and all, may pass for a point of a list; it is a mistake all the same."""
    asked = {(lines[index].number, lines[index].text): lines[index].at for index in is_question}
    for line in lines:
        at = asked.get((line.number, line.text), line.at)
        if at != line.at:
            first, again = sorted((at, line.at))
            raise SeedError(again, f"{_quote(line)} again", f"It stands in line {first} already: remove one of them.")


def _assemble(lines: list[_Line], is_question: set[int]) -> Iterator[Question]:
    starts = sorted(is_question)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        line = lines[start]
        if len(line.text) > MAX_QUESTION:
            found = f"a question of {len(line.text):,} characters"
            raise SeedError(line.at, found, f"At most {MAX_QUESTION:,} fit: shorten it, or move text into the answer.")
        yield Question(line.number, line.text, tuple(_blocks(lines[start + 1 : end])), line.at)


def _blocks(lines: Iterable[_Line]) -> Iterator[Block]:
    in_list = False
    for line in lines:
        if line.kind != BULLET:
            in_list = line.kind == NUMBERED
        ordinal = line.number if line.kind == NUMBERED else None
        yield Block(line.kind, line.text, ordinal, 1 if line.kind == BULLET and in_list else 0, line.at)


class _Doubt(NamedTuple):
    """A line that was `taken` for one thing and looks like another; `mend` is what would be wrong then."""

    line: _Line
    taken: str
    mend: str

    def __str__(self) -> str:
        return f"line {self.line.at}: {_quote(self.line)} was read as {self.taken}. If that is wrong, {self.mend}."


def _doubts(lines: list[_Line], is_question: set[int], complete: bool = False) -> Iterator[_Doubt]:
    """Where a question may have been taken for a point or a point for a question, so that a gap could hide.

    A point that asks is no reason for doubt in a list whose first point asks. But in the last answer of a `complete`
    file no later question could show the gap: there, a point with an answer of its own must not look like its question.
    """
    last = max(is_question)
    question = point = 0
    list_asks = False
    for index, line in enumerate(lines):
        if line.kind != NUMBERED:
            mistyped = _MISTYPED.match(line.text)
            if mistyped and int(mistyped[1]) == question + 1 and line.kind == PARAGRAPH:
                yield _Doubt(line, "a paragraph", f"it should start with “{question + 1}. ”, with a space")
            continue
        number = line.number
        if index in is_question:
            if point and number == point + 1 and (list_asks or not line.asks):
                although = "could be" if line.asks else "does not ask and could be"
                taken = f"question {number}, although it {although} a point of question {question}"
                yield _Doubt(line, taken, f"question {number} is missing")
            question, point = number, 0
            continue
        point = number
        if point == 1:
            list_asks = line.asks
        follower = lines[index + 1] if index + 1 < len(lines) else None
        answered = follower is not None and (follower.kind != NUMBERED or follower.number == 1)
        alike = complete and index > last and answered and line.asks == lines[last].asks
        if (alike and (point > question or (point == 1 and line.asks))) or (line.asks and not list_asks):
            if point > question + 1:
                mend = f"question {question + 1} is missing"
            elif point <= question or (answered and index < last):
                mend = f"question {point} stands twice"
            elif not answered:
                mend = f"question {point} has no answer"
            else:
                mend = f"the questions after number {point} are out of order" if line.asks else "end it with “?”"
            although = "it asks" if line.asks else "it could be a question"
            yield _Doubt(line, f"point {point} of question {question}, although {although}", mend)


def _quote(line: _Line) -> str:
    marker = {NUMBERED: f"{line.number}. ", BULLET: "– "}.get(line.kind, "")
    return f"“{marker}{line.text[:50]}{'…' if len(line.text) > 50 else ''}”"


def _name(character: str) -> str:
    if _TURNING.match(character):
        return f"the character U+{ord(character):04X}, which nobody sees and which turns the direction of text,"
    return "a NUL character" if character == "\0" else f"the control character U+{ord(character):04X}"


def as_json(document: Document) -> dict[str, Any]:
    """The document as plain values, named as in the dataclasses, without lines and warnings."""
    return {
        "questions": [
            {
                "number": question.number,
                "text": question.text,
                "blocks": [
                    {"kind": block.kind, "ordinal": block.ordinal, "depth": block.depth, "text": block.text}
                    for block in question.blocks
                ],
            }
            for question in document.questions
        ]
    }


def main(arguments: list[str]) -> int:
    """Print the parse of the file named in `arguments` as JSON, warnings and errors to stderr; return the exit code."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m faq.answers.seedfile FILE\n")
        return 2
    try:
        document = parse(Path(arguments[0]).read_bytes())
    except OSError as error:
        sys.stderr.write(f"{arguments[0]}: cannot be read ({error.strerror}).\n")
        return 1
    except SeedError as error:
        sys.stderr.write(f"{arguments[0]}, {error}\n")
        return 1
    for warning in document.warnings:
        sys.stderr.write(f"{arguments[0]}, warning, {warning}\n")
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    json.dump(as_json(document), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
