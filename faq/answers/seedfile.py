"""The seed file: numbered questions with their answers, as plain text.

    1. Who may borrow a book?
    Anyone who lives here. You need one of these:
    1. Library card: free at the desk.
    2. Day pass, for visitors:
    – valid until closing time
    2. How long may I keep it?
    Three weeks.

Grammar, line by line (blank lines, and white space at either end of a line, have no meaning):

* ``N. text``: question N, or point N of a numbered list
* ``– text`` (also ``-``, ``•``, ``*``): a bullet; nested (depth 1) after a numbered point or another nested bullet
* anything else: a paragraph

Questions count 1, 2, 3, … and each has an answer of at least one line. In an answer, a numbered point is 1 or
the last point's number + 1, so that lists may restart and resume. A question and a point can look the same, so
`parse` considers the whole file: of all interpretations without a gap in the numbers, it takes the one with the fewest
questions without a question mark and points with one.

`parse` converts text to a `Document`, and `render` converts a `Document` to canonical text: no blank lines, bullets
with ``–``, one newline after each line. ``render(parse(text)) == text`` for canonical text, and
``parse(render(parse(text))) == parse(text)`` for all valid text.

``python -m faq.answers.seedfile FILE`` prints the parsed document as JSON.
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
# A question number in another notation: “3.Who”, “3) Who”, “3．Who”.
_OTHER_NOTATION = re.compile(r"\W*([0-9]{1,9})\s?[.)．]\s?[^\W\d]")
# Characters that a database, an HTML page or a feed cannot contain. A tab is white space.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
# Invisible embeddings, overrides and isolates of text direction: they make text look different from its stored order.
# The marks U+200E, U+200F and U+061C are allowed, because they do not reorder other characters.
_DIRECTION_CONTROL = re.compile("[\u202a-\u202e\u2066-\u2069]")
_NEWLINE = re.compile(r"\r\n|\n|\r")

# Costs of an interpretation. A question without a question mark is more usual than a point with one.
_COST_SILENT_QUESTION, _COST_ASKING_POINT = 4, 5


class SeedError(ValueError):
    """The seed file is invalid: the `line` (from 1), the text `found` there, and `fit`, what to write instead."""

    def __init__(self, line: int, found: str, fit: str) -> None:
        self.line, self.found, self.fit = line, found, fit
        super().__init__(f"line {line}: found {found}. {fit}")


@dataclass(frozen=True)
class Block:
    """One line of an answer. `text` is the text after the marker; `ordinal` is the number of a numbered point, else
    None; `depth` is 1 for a bullet under a numbered point, else 0. `line` is its line number in the file."""

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
    """The questions of a file, in order, and `warnings` about ambiguous lines."""

    questions: tuple[Question, ...]
    warnings: tuple[str, ...] = field(default=(), compare=False)


def parse(source: str | bytes) -> Document:
    """Parse a seed file (bytes are UTF-8, with or without a byte order mark). Raises `SeedError`."""
    lines = list(_lines(_decode(source)))
    if not lines:
        raise SeedError(1, "nothing but white space", "A seed file starts with “1. ” and the first question.")
    first = lines[0]
    if first.number != 1:
        raise SeedError(first.lineno, _quote(first), "The first line must be question 1: “1. ” and its text.")
    is_question = _find_questions(lines)
    _refuse_repeated_questions(lines, is_question)
    return Document(tuple(_assemble(lines, is_question)), tuple(map(str, _ambiguities(lines, is_question, True))))


def render(document: Document) -> str:
    """Return the document as canonical text (see the module's docstring)."""
    return "".join(render_question(question) for question in document.questions)


def render_question(question: Question) -> str:
    """Return one question and its answer as canonical text."""
    lines = [f"{question.number}. {question.text}"]
    for block in question.blocks:
        marker = {NUMBERED: f"{block.ordinal}. ", BULLET: "– "}.get(block.kind, "")
        lines.append(marker + block.text)
    return "".join(line + "\n" for line in lines)


def split_label(text: str) -> tuple[str, str]:
    """Split “Label: text” into (label, text), or return ``("", text)``. `join_label` is the inverse.

    A label has at most 60 characters, contains no end of a sentence, and may stand alone (“Benefits:”)."""
    label, colon, rest = text.partition(":")
    is_label = colon and label and len(label) <= 60 and not re.search(r"[.?!;]\s|[/\d]$|^https?$", label)
    if is_label and label == label.strip() and rest != " " and rest in ("", " " + rest.strip()):
        return label, rest[1:]
    return "", text


def join_label(label: str, text: str) -> str:
    """Return “Label: text”, as in a seed file."""
    if not label:
        return text
    return f"{label}: {text}" if text else f"{label}:"


def strip_direction_controls(text: str) -> str:
    """Remove invisible characters that change the text direction.

    Editors paste them unknowingly, for example with telephone numbers, so forms remove them. `parse` refuses them."""
    return _DIRECTION_CONTROL.sub("", text)


def problem_with(text: str, kind: str = PARAGRAPH) -> str | None:
    """Return a sentence that says why `text` cannot be one line of the given kind, or None.

    Valid text passes ``parse(render(…))`` unchanged."""
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
    """A line that is not blank: its line number, the kind of its marker, the marker's number (or 0), and its text."""

    lineno: int
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
    for lineno, raw in enumerate(_NEWLINE.split(text), start=1):
        if character := _FORBIDDEN.search(raw):
            found = f"{_name(character.group())} at character {character.start() + 1}"
            raise SeedError(lineno, found, "A seed file holds text only: delete the character.")
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
            raise SeedError(
                lineno, f"“{line}” with nothing after it", "The text belongs on the same line as its marker."
            )
        if len(rest) > MAX_LINE:
            raise SeedError(
                lineno, f"a line of {len(rest):,} characters", f"At most {MAX_LINE:,} fit: divide the line."
            )
        yield _Line(lineno, kind, number, rest)


class _Candidate(NamedTuple):
    """One interpretation of the lines so far: its cost, and a linked list of the indexes of its questions, newest
    first."""

    cost: int
    questions: tuple[int, Any] | None

    def with_question(self, index: int, cost: int) -> _Candidate:
        return _Candidate(self.cost + cost, (index, self.questions))


def _find_questions(lines: list[_Line]) -> set[int]:
    """Return the indexes of the lines that are questions: the cheapest interpretation without a gap in its numbers.

    Interpretations with the same current question number allow the same lines next, so only the cheapest of each is
    kept. After a numbered point, all of them are at the same point; at most one interpretation has just started a
    question. Each line therefore takes constant time.
    """
    shift = 0  # added to the cost of all in `in_list`, because a point costs the same in each
    in_list: dict[int, _Candidate] = {}  # by question number: the last numbered line was point number `point`
    point = 0
    started: tuple[int, _Candidate] | None = (0, _Candidate(0, None))  # the one that has just started a question
    answered = True  # whether the started question has a line of answer
    for index, line in enumerate(lines):
        if line.kind != NUMBERED:
            answered = True
            continue
        number = line.number
        new_question: _Candidate | None = None
        previous = in_list.get(number - 1)
        if previous is not None:
            new_question = _Candidate(previous.cost + shift, previous.questions)
        if (
            started
            and answered
            and started[0] == number - 1
            and (new_question is None or started[1].cost < new_question.cost)
        ):
            new_question = started[1]
        fits_list = number in (1, point + 1)
        if new_question is None and not (in_list and fits_list) and not (number == 1 and started):
            remaining = [candidate._replace(cost=candidate.cost + shift) for candidate in in_list.values()]
            raise _numbering_error(lines, index, min([*remaining, *([started[1]] if started else [])]).questions)
        if not fits_list:
            in_list = {}
        if number == 1 and started and started[0] > 0:
            question, candidate = started
            cheapest = in_list.get(question)
            if cheapest is None or candidate.cost < cheapest.cost + shift:
                in_list[question] = _Candidate(candidate.cost - shift, candidate.questions)
        point = number if in_list else 0
        shift += _COST_ASKING_POINT if line.asks else 0
        started, answered = None, False
        if new_question is not None:
            started = number, new_question.with_question(index, 0 if line.asks else _COST_SILENT_QUESTION)
    # On equal cost, prefer the interpretation with more questions, so that no question becomes a point of a list.
    ends = [(candidate.cost + shift, -question, candidate) for question, candidate in in_list.items()]
    if started and answered:
        ends.append((started[1].cost, -started[0], started[1]))
    if not ends:
        last = lines[-1]
        raise SeedError(last.lineno, f"{_quote(last)}, the last line", f"Question {last.number} still needs an answer.")
    return set(_unlink(min(ends, key=lambda end: end[:2])[2].questions))


def _unlink(chosen: tuple[int, Any] | None) -> Iterator[int]:
    while chosen is not None:
        index, chosen = chosen
        yield index


def _numbering_error(lines: list[_Line], index: int, chosen: tuple[int, Any] | None) -> SeedError:
    """Return the error for the numbered line at `index`, which no interpretation allows.

    `chosen` is the linked list of questions of the cheapest interpretation up to this line."""
    line = lines[index]
    is_question = set(_unlink(chosen))
    last_question = max(is_question)
    question = lines[last_question]
    if last_question == index - 1:
        where = f"question {question.number} (line {question.lineno}) has no answer yet"
        return SeedError(line.lineno, f"{_quote(line)}, but {where}", "Its answer belongs between the two lines.")
    points = [other.number for other in lines[last_question + 1 : index] if other.kind == NUMBERED]
    fits = [f"question {question.number + 1}", "point 1 of a list"]
    if points:
        fits.insert(1, f"point {points[-1] + 1}")
    fit = f"What would fit here: {', '.join(fits[:-1])} or {fits[-1]}."
    if line.number <= question.number:
        fit += f" If this is a question, its number is taken: the last one was {question.number}."
    else:
        fit += f" If this is a question, question {question.number + 1} is missing or has another number."
    for suspect in _ambiguities(lines[:index], is_question):
        if suspect.line.lineno > question.lineno or suspect.line.number == question.number + 1:
            break
    else:
        return SeedError(line.lineno, _quote(line), fit)
    # The ambiguous line is in this answer or has the missing number, so the gap is most likely there.
    return SeedError(
        suspect.line.lineno,
        _quote(suspect.line),
        f"It reads like a question, but {suspect.problem}. Taken as a point, it leads to line {line.lineno}, "
        f"{_quote(line)}, where nothing fits: {fit[0].lower()}{fit[1:]}",
    )


def _refuse_repeated_questions(lines: list[_Line], is_question: set[int]) -> None:
    """Raise `SeedError` if a question occurs twice with the same number. The second one could pass for a point."""
    asked = {(lines[index].number, lines[index].text): lines[index].lineno for index in is_question}
    for line in lines:
        other = asked.get((line.number, line.text), line.lineno)
        if other != line.lineno:
            first, second = sorted((other, line.lineno))
            raise SeedError(second, f"{_quote(line)} again", f"It is in line {first} already: remove one of them.")


def _assemble(lines: list[_Line], is_question: set[int]) -> Iterator[Question]:
    starts = sorted(is_question)
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        line = lines[start]
        if len(line.text) > MAX_QUESTION:
            found = f"a question of {len(line.text):,} characters"
            raise SeedError(
                line.lineno, found, f"At most {MAX_QUESTION:,} fit: shorten it, or move text into the answer."
            )
        yield Question(line.number, line.text, tuple(_blocks(lines[start + 1 : end])), line.lineno)


def _blocks(lines: Iterable[_Line]) -> Iterator[Block]:
    in_list = False
    for line in lines:
        if line.kind != BULLET:
            in_list = line.kind == NUMBERED
        ordinal = line.number if line.kind == NUMBERED else None
        yield Block(line.kind, line.text, ordinal, 1 if line.kind == BULLET and in_list else 0, line.lineno)


class _Ambiguity(NamedTuple):
    """An ambiguous line: how it was `interpreted`, and the `problem` if it was meant in another way."""

    line: _Line
    interpreted: str
    problem: str

    def __str__(self) -> str:
        quote = _quote(self.line)
        return f"line {self.line.lineno}: {quote} was read as {self.interpreted}. If that is wrong, {self.problem}."


def _ambiguities(lines: list[_Line], is_question: set[int], complete: bool = False) -> Iterator[_Ambiguity]:
    """Yield lines where a question may have been read as a point, or a point as a question, which hides a gap.

    A point with a question mark is not ambiguous in a list whose first point has one. In the last answer of a
    `complete` file no later question can reveal a gap, so a point with an answer of its own is ambiguous if it looks
    like the question of that answer.
    """
    last = max(is_question)
    question = point = 0
    list_asks = False
    for index, line in enumerate(lines):
        if line.kind != NUMBERED:
            other_notation = _OTHER_NOTATION.match(line.text)
            if other_notation and int(other_notation[1]) == question + 1 and line.kind == PARAGRAPH:
                yield _Ambiguity(line, "a paragraph", f"it should start with “{question + 1}. ”, with a space")
            continue
        number = line.number
        if index in is_question:
            if point and number == point + 1 and (list_asks or not line.asks):
                although = "could be" if line.asks else "does not ask and could be"
                interpreted = f"question {number}, although it {although} a point of question {question}"
                yield _Ambiguity(line, interpreted, f"question {number} is missing")
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
                problem = f"question {question + 1} is missing"
            elif point <= question or (answered and index < last):
                problem = f"question {point} occurs twice"
            elif not answered:
                problem = f"question {point} has no answer"
            else:
                problem = f"the questions after number {point} are out of order" if line.asks else "end it with “?”"
            although = "it asks" if line.asks else "it could be a question"
            yield _Ambiguity(line, f"point {point} of question {question}, although {although}", problem)


def _quote(line: _Line) -> str:
    marker = {NUMBERED: f"{line.number}. ", BULLET: "– "}.get(line.kind, "")
    return f"“{marker}{line.text[:50]}{'…' if len(line.text) > 50 else ''}”"


def _name(character: str) -> str:
    if _DIRECTION_CONTROL.match(character):
        return f"the character U+{ord(character):04X}, which is invisible and changes the direction of text,"
    return "a NUL character" if character == "\0" else f"the control character U+{ord(character):04X}"


def as_json(document: Document) -> dict[str, Any]:
    """Return the document as JSON values with the names of the dataclasses, without lines and warnings."""
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
    """Print the parsed file as JSON, and warnings and errors to stderr. Return the exit code."""
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
