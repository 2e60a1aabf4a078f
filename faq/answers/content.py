"""The content of an edition: everything that the public is shown of one answer, and what is derived from it. Pure.

`Content` is stored as JSON without the fields that have their default value. So a field that is added with a default
changes neither the stored form nor the digest of older editions; a default itself never changes. Where older editions
must be read or digested by other rules, raise `FORMAT` and keep the old rules for the old number.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from typing import Any

from django.utils.text import slugify

from . import markup, seedfile

FORMAT = 1

AUTO, RESTART, CONTINUE = "", "restart", "continue"

_WEB = re.compile(r"https?://[^\s\\]", re.IGNORECASE)

# What stands after a question's number in other addresses of the site.
_RESERVED_SLUGS = {"history", "editions", "report"}

_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Source:
    """A document as it was described when the edition was sealed. `kind` is one of `models.Source.Kind`."""

    key: str
    title: str
    publisher: str = ""
    kind: str = "official"
    address: str = ""
    archived: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """The place in a source that a block rests on. `consulted` is a day as YYYY-MM-DD."""

    source: Source
    consulted: str
    place: str = ""
    quotation: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One point of an answer. `kind` is one of the kinds of `seedfile.Block`; `markup` says that the text is to be read
    as `faq.answers.markup`."""

    key: int
    kind: str
    text: str = ""
    label: str = ""
    ordinal: int | None = None
    depth: int = 0
    markup: bool = False
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """What one edition shows. `jurisdiction` says in words where it applies; `language` is a language code."""

    question: str
    short_answer: str = ""
    jurisdiction: str = ""
    language: str = "en"
    blocks: tuple[Block, ...] = ()
    format: int = field(default=FORMAT, compare=False)


def as_dict(content: Content) -> dict[str, Any]:
    """The content as JSON values."""
    return {**_values(content), "format": content.format}


def from_dict(data: dict[str, Any]) -> Content:
    """The inverse of `as_dict`. Raises `ValueError` for anything else."""
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"This content has format {data['format']!r}; this version reads format {FORMAT}.")
        return Content(**{**data, "blocks": tuple(map(_block, data.get("blocks", ())))})
    except (TypeError, KeyError) as error:
        raise ValueError(f"This is not the content of an edition: {error}.") from error


def digest(content: Content) -> str:
    """SHA-256 (hex) over the content's canonical form: its stored JSON without the format, with sorted keys, no spaces,
    in UTF-8."""
    return digest_of(_values(content))


def digest_of(value: Any) -> str:
    """SHA-256 (hex) over any JSON value in canonical form."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _values(value: Any) -> Any:
    """A dataclass of this module as JSON values, without the fields that have their default value."""
    if isinstance(value, tuple):
        return [_values(one) for one in value]
    if not isinstance(value, Content | Block | Citation | Source):
        return value
    pairs = ((f, getattr(value, f.name)) for f in fields(value) if f.name != "format")
    return {f.name: _values(known) for f, known in pairs if f.default is MISSING or known != f.default}


def _block(data: dict[str, Any]) -> Block:
    return Block(**{**data, "citations": tuple(map(_citation, data.get("citations", ())))})


def _citation(data: dict[str, Any]) -> Citation:
    return Citation(**{**data, "source": Source(**data["source"])})


def ordinals(blocks: Iterable[tuple[str, int, str]]) -> list[int | None]:
    """The number of each block (None where it has none), given its (kind, depth, numbering) in order.

    A list counts on as long as only its own nested bullets stand between its points, and starts at 1 otherwise;
    `numbering` says where that is not meant."""
    last, in_list = 0, False
    result: list[int | None] = []
    for kind, depth, numbering in blocks:
        if kind != seedfile.NUMBERED:
            in_list = in_list and depth > 0
            result.append(None)
            continue
        goes_on = numbering == CONTINUE or (in_list and numbering != RESTART)
        last, in_list = (last + 1 if goes_on else 1), True
        result.append(last)
    return result


def numberings(blocks: Iterable[seedfile.Block]) -> list[str]:
    """The inverse of `ordinals`: what to store as numbering for seed blocks, so that they get their ordinals again."""
    last, in_list = 0, False
    result: list[str] = []
    for block in blocks:
        if block.kind != seedfile.NUMBERED:
            in_list = in_list and block.depth > 0
            result.append(AUTO)
            continue
        automatic = last + 1 if in_list else 1
        result.append(AUTO if block.ordinal == automatic else RESTART if block.ordinal == 1 else CONTINUE)
        last, in_list = block.ordinal or 0, True
    return result


def seed_question(number: int, content: Content) -> seedfile.Question:
    """The answer as a `seedfile.Question`: what a seed file can hold of it."""
    return seedfile.Question(
        number,
        content.question,
        tuple(
            seedfile.Block(block.kind, seedfile.join_label(block.label, block.text), block.ordinal, block.depth)
            for block in content.blocks
        ),
    )


def said(block: Block) -> str:
    """A block's words in one line, with its label and without markup."""
    return seedfile.join_label(block.label, _unmarked(block))


def _unmarked(block: Block) -> str:
    return markup.words(block.text) if block.markup else block.text


def plain(content: Content) -> str:
    """All its words, one line each: question, short answer, points with their labels."""
    lines = [content.question, content.short_answer, *map(said, content.blocks)]
    return "\n".join(line for line in lines if line)


def excerpt(content: Content, length: int = 200) -> str:
    """What a list shows of the answer: the short answer, else its first text, cut at a word."""
    text = content.short_answer or next((_unmarked(block) for block in content.blocks if block.text), "")
    if len(text) <= length:
        return text
    return text[: length + 1].rsplit(None, 1)[0].rstrip(",;:–- ") + " …"


def slug(content: Content) -> str:
    """The question's words as the last part of its address; empty for a script that ASCII cannot hold."""
    words = slugify(content.question)
    if len(words) > 70:
        words = words[:71].rpartition("-")[0] or words[:70]
    return f"{words}-question" if words in _RESERVED_SLUGS else words


@dataclass
class Item:
    """One point of a list: its block, the numbers of its `sources`, and the bullets nested under it."""

    block: Block
    references: list[int] = field(default_factory=list)
    nested: list["Item"] = field(default_factory=list)


@dataclass
class Group:
    """Blocks that belong together on a page: one paragraph, one numbered list or one bulleted list.

    `start` is the number that a numbered list begins with."""

    kind: str
    start: int | None = None
    items: list[Item] = field(default_factory=list)


def outline(blocks: Sequence[Block]) -> list[Group]:
    """The blocks as a list of `Group`, ready for `<p>`, `<ol start>` and `<ul>`."""
    numbers = {(reference.source.key, reference.place): reference.number for reference in sources(blocks)}
    groups: list[Group] = []
    for block in blocks:
        item = Item(block, sorted({numbers[citation.source.key, citation.place] for citation in block.citations}))
        group = groups[-1] if groups else None
        if block.depth and group and group.kind == seedfile.NUMBERED:
            group.items[-1].nested.append(item)
            continue
        goes_on = group and group.kind == block.kind != seedfile.PARAGRAPH
        if group and goes_on and block.kind == seedfile.NUMBERED:
            goes_on = block.ordinal == (group.start or 0) + len(group.items)
        if not group or not goes_on:
            group = Group(block.kind, block.ordinal)
            groups.append(group)
        group.items.append(item)
    return groups


@dataclass
class Reference:
    """One place in one source, with the number that stands at the points which rest on it.

    `consulted` is the day on which somebody last looked, at the point where that is longest ago."""

    number: int
    source: Source
    place: str
    consulted: date
    quotations: list[str] = field(default_factory=list)


def citations(blocks: Iterable[Block]) -> Iterator[Citation]:
    """All citations of the blocks, in order."""
    for block in blocks:
        yield from block.citations


def sources(blocks: Iterable[Block]) -> list[Reference]:
    """All places in sources that the blocks name, as `Reference` in order of appearance."""
    found: dict[tuple[str, str], Reference] = {}
    for citation in citations(blocks):
        consulted, key = date.fromisoformat(citation.consulted), (citation.source.key, citation.place)
        if key not in found:
            found[key] = Reference(len(found) + 1, _linked(citation.source), citation.place, consulted)
        reference = found[key]
        reference.consulted = min(reference.consulted, consulted)
        if citation.quotation and citation.quotation not in reference.quotations:
            reference.quotations.append(citation.quotation)
    return list(found.values())


def citations_line(block: Block) -> str:
    """A block's citations as one line of text, for comparing."""
    parts = []
    for citation in block.citations:
        source = citation.source
        words = [source.title, source.publisher, citation.place, citation.quotation and f"“{citation.quotation}”"]
        words += [source.address, source.archived, citation.consulted]
        parts.append(", ".join(word for word in words if word))
    return "; ".join(parts)


def _linked(source: Source) -> Source:
    """The source without an address that a browser would run instead of following it. (No form takes one, either.)"""
    unsafe = {name: "" for name in ("address", "archived") if not _WEB.match(getattr(source, name))}
    return replace(source, **unsafe)


def one_line(text: str) -> str:
    """Text as an editor typed or pasted it, on one line: single line breaks are the pasted text's wrapping. Without
    what turns its direction and cannot be seen: else a second person approves other words than are stored.

    An empty line is left in, for `seedfile.problem_with` to refuse: it means a new paragraph, and a point is one."""
    text = seedfile.without_turning(re.sub(r"\r\n|\r", "\n", text)).strip()
    return re.sub(r"[^\S\n]*(?<!\n)\n(?!\s*\n)[^\S\n]*", " ", text) if "\n" in text else text
