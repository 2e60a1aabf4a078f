"""The content of an edition: dataclasses, their JSON form and digest, and views that are derived from them.

The stored JSON omits fields that have their default value. You can therefore add a field with a default without
changing the stored form or the digest of older editions, but you must not change a default. If older editions need
other rules, increase `FORMAT` and keep the old rules for the old number.
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

_WEB_ADDRESS = re.compile(r"https?://[^\s\\]", re.IGNORECASE)

# Other addresses of the site have these words after the number of a question.
_RESERVED_SLUGS = {"history", "editions", "report"}

_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Source:
    """The description of a document when the edition was sealed. `kind` is a value of `models.Source.Kind`."""

    key: str
    title: str
    publisher: str = ""
    kind: str = "official"
    address: str = ""
    archived: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """The place in a source that supports a block. `consulted` is a date as YYYY-MM-DD."""

    source: Source
    consulted: str
    place: str = ""
    quotation: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """One point of an answer. `kind` is a kind of `seedfile.Block`. If `markup` is set, the text contains
    `faq.answers.markup`."""

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
    """The content of an edition. `jurisdiction` is free text; `language` is a language code."""

    question: str
    short_answer: str = ""
    jurisdiction: str = ""
    language: str = "en"
    blocks: tuple[Block, ...] = ()
    format: int = field(default=FORMAT, compare=False)


def as_dict(content: Content) -> dict[str, Any]:
    """Return the content as a dictionary of JSON values."""
    return {**_values(content), "format": content.format}


def from_dict(data: dict[str, Any]) -> Content:
    """Return the `Content` of a dictionary from `as_dict`. Raises `ValueError` for other values."""
    try:
        if data["format"] != FORMAT:
            raise ValueError(f"This content has format {data['format']!r}; this version reads format {FORMAT}.")
        return Content(**{**data, "blocks": tuple(map(_block, data.get("blocks", ())))})
    except (TypeError, KeyError) as error:
        raise ValueError(f"This is not the content of an edition: {error}.") from error


def digest(content: Content) -> str:
    """Return the SHA-256 (hex) of the canonical form: the stored JSON without `format`, in UTF-8, with sorted keys and
    without spaces."""
    return digest_of(_values(content))


def digest_of(value: Any) -> str:
    """Return the SHA-256 (hex) of a JSON value in canonical form."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()


def _values(value: Any) -> Any:
    """Convert a dataclass of this module to JSON values. Omits `format` and fields with their default value."""
    if isinstance(value, tuple):
        return [_values(item) for item in value]
    if not isinstance(value, Content | Block | Citation | Source):
        return value
    pairs = ((f, getattr(value, f.name)) for f in fields(value) if f.name != "format")
    return {f.name: _values(item) for f, item in pairs if f.default is MISSING or item != f.default}


def _block(data: dict[str, Any]) -> Block:
    return Block(**{**data, "citations": tuple(map(_citation, data.get("citations", ())))})


def _citation(data: dict[str, Any]) -> Citation:
    return Citation(**{**data, "source": Source(**data["source"])})


def ordinals(blocks: Iterable[tuple[str, int, str]]) -> list[int | None]:
    """Return the number of each block, or None, given (kind, depth, numbering) of the blocks in order.

    A numbered point continues the list before it if only nested bullets stand between them; otherwise it starts at 1.
    The numbering `RESTART` or `CONTINUE` overrides this rule."""
    last, in_list = 0, False
    result: list[int | None] = []
    for kind, depth, numbering in blocks:
        if kind != seedfile.NUMBERED:
            in_list = in_list and depth > 0
            result.append(None)
            continue
        continues = numbering == CONTINUE or (in_list and numbering != RESTART)
        last, in_list = (last + 1 if continues else 1), True
        result.append(last)
    return result


def numberings(blocks: Iterable[seedfile.Block]) -> list[str]:
    """Return the numbering of seed blocks with which `ordinals` returns their ordinals: its inverse."""
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
    """Return the content as a `seedfile.Question`. A seed file has no short answer, citations or keys."""
    return seedfile.Question(
        number,
        content.question,
        tuple(
            seedfile.Block(block.kind, seedfile.join_label(block.label, block.text), block.ordinal, block.depth)
            for block in content.blocks
        ),
    )


def said(block: Block) -> str:
    """Return the block's plain text on one line, with its label and without markup."""
    return seedfile.join_label(block.label, _unmarked(block))


def _unmarked(block: Block) -> str:
    return markup.words(block.text) if block.markup else block.text


def plain(content: Content) -> str:
    """Return question, short answer and points as plain text, each on a line."""
    lines = [content.question, content.short_answer, *map(said, content.blocks)]
    return "\n".join(line for line in lines if line)


def excerpt(content: Content, length: int = 200) -> str:
    """Return a summary for lists: the short answer, or else the first text, cut at a word boundary."""
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
    """One point of a list: its block, the numbers of its `Reference` objects, and its nested bullets."""

    block: Block
    references: list[int] = field(default_factory=list)
    nested: list["Item"] = field(default_factory=list)


@dataclass
class Group:
    """One paragraph, numbered list or bulleted list of a page. `start` is the first number of a numbered list."""

    kind: str
    start: int | None = None
    items: list[Item] = field(default_factory=list)


def outline(blocks: Sequence[Block]) -> list[Group]:
    """Group the blocks for `<p>`, `<ol start>` and `<ul>`."""
    numbers = {(reference.source.key, reference.place): reference.number for reference in sources(blocks)}
    groups: list[Group] = []
    for block in blocks:
        item = Item(block, sorted({numbers[citation.source.key, citation.place] for citation in block.citations}))
        group = groups[-1] if groups else None
        if block.depth and group and group.kind == seedfile.NUMBERED:
            group.items[-1].nested.append(item)
            continue
        continues = group and group.kind == block.kind != seedfile.PARAGRAPH
        if group and continues and block.kind == seedfile.NUMBERED:
            continues = block.ordinal == (group.start or 0) + len(group.items)
        if not group or not continues:
            group = Group(block.kind, block.ordinal)
            groups.append(group)
        group.items.append(item)
    return groups


@dataclass
class Reference:
    """One place in one source, with its number on the page.

    `consulted` is the earliest date among the citations of this place."""

    number: int
    source: Source
    place: str
    consulted: date
    quotations: list[str] = field(default_factory=list)


def citations(blocks: Iterable[Block]) -> Iterator[Citation]:
    """Yield the citations of the blocks, in order."""
    for block in blocks:
        yield from block.citations


def sources(blocks: Iterable[Block]) -> list[Reference]:
    """Return the cited places as `Reference` objects in order of appearance."""
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
    """Return a block's citations on one line of text, for a comparison."""
    parts = []
    for citation in block.citations:
        source = citation.source
        words = [source.title, source.publisher, citation.place, citation.quotation and f"“{citation.quotation}”"]
        words += [source.address, source.archived, citation.consulted]
        parts.append(", ".join(word for word in words if word))
    return "; ".join(parts)


def _linked(source: Source) -> Source:
    """Remove addresses that are not http or https, such as `javascript:`. (Forms refuse them, too.)"""
    unsafe = {name: "" for name in ("address", "archived") if not _WEB_ADDRESS.match(getattr(source, name))}
    return replace(source, **unsafe)


def one_line(text: str) -> str:
    """Put typed or pasted text on one line, and remove invisible characters that change the text direction.

    A single line break is a wrapped line, so it becomes a space. An empty line is a new paragraph; it stays, so that
    `seedfile.problem_with` refuses it. Direction characters can make a reviewer read another text than is stored."""
    text = seedfile.strip_direction_controls(re.sub(r"\r\n|\r", "\n", text)).strip()
    return re.sub(r"[^\S\n]*(?<!\n)\n(?!\s*\n)[^\S\n]*", " ", text) if "\n" in text else text
