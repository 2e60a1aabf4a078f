"""The manifest of a seed file: a TOML file with the collection's metadata, topics, tags and notes.

    [collection]
    title = "Borrowing books"
    jurisdiction = "Springfield"
    language = "en"
    origin = "Leaflet of the town library, not checked"
    description = "Who may borrow what, and for how long."

    [[topics]]
    slug = "cards"
    name = "Library cards"
    description = "How to get one."
    questions = [1, 2]

    [[tags]]
    name = "visitor"
    questions = [2]

    [[notes]]               # for editors, never public
    kind = "contradiction"
    questions = [1, 2]
    text = "Question 1 says “three weeks”, question 2 “four weeks”."

Only `title` is required.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import seedfile


class ManifestError(ValueError):
    """The manifest is invalid. `problems` is a list of sentences."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(" ".join(problems))


@dataclass(frozen=True)
class Topic:
    slug: str
    name: str
    questions: tuple[int, ...]
    description: str = ""


@dataclass(frozen=True)
class Tag:
    name: str
    questions: tuple[int, ...]


@dataclass(frozen=True)
class Note:
    kind: str
    text: str
    questions: tuple[int, ...]


@dataclass(frozen=True)
class Manifest:
    """`questions` of topics, tags and notes are question numbers of the seed file."""

    title: str
    slug: str = ""
    jurisdiction: str = ""
    language: str = "en"
    origin: str = ""
    description: str = ""
    topics: tuple[Topic, ...] = field(default=())
    tags: tuple[Tag, ...] = field(default=())
    notes: tuple[Note, ...] = field(default=())


_COLLECTION = {"title": True, "slug": False, "jurisdiction": False, "language": False, "origin": False,
               "description": False}  # fmt: skip
_LISTS: dict[str, tuple[type[Any], dict[str, bool]]] = {
    "topics": (Topic, {"slug": True, "name": True, "description": False}),
    "tags": (Tag, {"name": True}),
    "notes": (Note, {"kind": True, "text": True}),
}
SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


def parse(source: bytes) -> Manifest:
    """Parse a manifest. Raises `ManifestError` with all problems."""
    try:
        data = tomllib.loads(source.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError:
        raise ManifestError(["The file is not UTF-8. Save it with that encoding."]) from None
    except tomllib.TOMLDecodeError as error:
        raise ManifestError([f"The file is not TOML: {error}."]) from None
    problems = [f"“{name}” is not part of a manifest." for name in data if name not in {"collection", *_LISTS}]
    values: dict[str, Any] = _fields(data.get("collection", {}), _COLLECTION, "[collection]", problems)
    for name, (kind, fields) in _LISTS.items():
        rows = data.get(name, [])
        if not isinstance(rows, list):
            problems.append(f"“{name}” must be written as [[{name}]].")
            continue
        values[name] = tuple(
            kind(
                **_fields(row, fields, f"[[{name}]] {number}", problems),
                questions=_numbers(row, name, number, problems),
            )
            for number, row in enumerate(rows, start=1)
        )
    if not problems:
        manifest = Manifest(**values)
        problems = list(_invalid_values(manifest))
        if not problems:
            return manifest
    raise ManifestError(problems)


def mismatches(manifest: Manifest, document: seedfile.Document) -> tuple[list[str], list[str]]:
    """Compare a manifest with its seed file. Returns (errors, warnings), two lists of sentences."""
    numbers = {question.number for question in document.questions}
    errors: list[str] = []
    topics: Counter[int] = Counter()
    for entry, name in _entries(manifest):
        absent = [str(number) for number in entry.questions if number not in numbers]
        if absent:
            errors.append(f"{name} names question {', '.join(absent)}, which the text does not have.")
        if isinstance(entry, Topic):
            topics.update(entry.questions)
    warnings = []
    if manifest.topics:
        without_topic = [str(number) for number in sorted(numbers) if topics[number] == 0]
        with_many = [str(number) for number in sorted(numbers) if topics[number] > 2]
        if without_topic:
            warnings.append(f"Question {', '.join(without_topic)} is in no topic.")
        if with_many:
            warnings.append(f"Question {', '.join(with_many)} is in more than two topics.")
    text = {question.number: seedfile.render_question(question) for question in document.questions}
    for note in manifest.notes:
        noted_text = "".join(text.get(number, "") for number in note.questions)
        for quotation in re.findall(r"“([^”]+)”", note.text):
            if quotation not in noted_text:
                warnings.append(f"A note quotes “{quotation}”, which its questions do not contain.")
    return errors, warnings


def _entries(manifest: Manifest) -> Iterator[tuple[Topic | Tag | Note, str]]:
    yield from ((topic, f"Topic “{topic.slug}”") for topic in manifest.topics)
    yield from ((tag, f"Tag “{tag.name}”") for tag in manifest.tags)
    yield from ((note, f"The note “{note.text[:40]}…”") for note in manifest.notes)


def _fields(row: Any, fields: dict[str, bool], table: str, problems: list[str]) -> dict[str, str]:
    """Return the text values of a table. `fields` maps each name to whether it is required."""
    if not isinstance(row, dict):
        problems.append(f"{table} is not a table.")
        return dict.fromkeys(fields, "")
    problems.extend(f"{table} has an unknown key “{key}”." for key in row if key not in {*fields, "questions"})
    values = {}
    for name, required in fields.items():
        value = row.get(name)
        if isinstance(value, str) and seedfile.problem_with(value.strip(), seedfile.NUMBERED) is None:
            values[name] = value.strip()
        elif required or value not in (None, ""):
            problems.append(f"{table} needs “{name}” as text on one line.")
            values[name] = ""
    return values


def _numbers(row: Any, name: str, position: int, problems: list[str]) -> tuple[int, ...]:
    numbers = row.get("questions", []) if isinstance(row, dict) else []
    if not isinstance(numbers, list) or not all(type(number) is int for number in numbers):
        problems.append(f"[[{name}]] {position} needs “questions” as a list of numbers, such as [1, 2].")
        return ()
    return tuple(dict.fromkeys(numbers))


def _invalid_values(manifest: Manifest) -> Iterator[str]:
    for description, values in (
        ("slug of a topic", [topic.slug for topic in manifest.topics]),
        ("tag", [tag.name.casefold() for tag in manifest.tags]),
        ("note", [note.text for note in manifest.notes]),
    ):
        yield from (
            f"The {description} “{value}” occurs twice." for value, count in Counter(values).items() if count > 1
        )
    for slug in [manifest.slug, *(topic.slug for topic in manifest.topics)]:
        if slug and (not SLUG.fullmatch(slug) or len(slug) > 50):
            yield f"“{slug}” cannot be part of an address: use at most 50 small letters, digits and hyphens."
    if not LANGUAGE.fullmatch(manifest.language):
        yield f"“{manifest.language}” is not a language code such as en or es."
