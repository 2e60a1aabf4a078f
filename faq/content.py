"""What the public is shown of one answer, as one plain value, and everything that is derived from it. Pure.

{"question": str, "short_answer": str, "jurisdiction": str, "language": str,
 "blocks": [{"key": int, "kind": "paragraph|numbered|bullet", "ordinal": int|None, "depth": 0|1,
             "label": str, "text": str, "markup": True (only where the text is to be read as `markup`),
             "citations": [{"source": {"key": str, "title": str, "publisher": str, "kind": str, "address": str,
                                       "archived": str},
                            "place": str, "quotation": str, "consulted": "YYYY-MM-DD"}]}]}
"""

import hashlib
import json
import re
from dataclasses import dataclass, field
from datetime import date

from django.utils.text import slugify

from . import markup, seedfile

AUTO, RESTART, CONTINUE = "", "restart", "continue"

_WEB = re.compile(r"https?://[^\s\\]", re.IGNORECASE)

# What stands after a question's number in other addresses of the site.
_RESERVED_SLUGS = {"history", "editions", "report"}


_canonical = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode


def digest(content):
    """SHA-256 (hex) over the content's canonical form: JSON with sorted keys, no spaces, UTF-8."""
    return hashlib.sha256(_canonical(content).encode()).hexdigest()


def ordinals(blocks):
    """The number of each block (None where it has none), given its (kind, depth, numbering) in order.

    A list counts on as long as only its own nested bullets stand between its points, and starts at 1 otherwise;
    `numbering` says where that is not meant."""
    last, in_list, result = 0, False, []
    for kind, depth, numbering in blocks:
        if kind != seedfile.NUMBERED:
            in_list = in_list and depth > 0
            result.append(None)
            continue
        goes_on = numbering == CONTINUE or (in_list and numbering != RESTART)
        last, in_list = (last + 1 if goes_on else 1), True
        result.append(last)
    return result


def numberings(blocks):
    """The inverse of `ordinals`: what to store as numbering for seed blocks, so that they get their ordinals again."""
    last, in_list, result = 0, False, []
    for block in blocks:
        if block.kind != seedfile.NUMBERED:
            in_list = in_list and block.depth > 0
            result.append(AUTO)
            continue
        automatic = last + 1 if in_list else 1
        result.append(AUTO if block.ordinal == automatic else RESTART if block.ordinal == 1 else CONTINUE)
        last, in_list = block.ordinal, True
    return result


def seed_question(number, content):
    """The answer as a `seedfile.Question`: what a seed file can hold of it."""
    return seedfile.Question(
        number,
        content["question"],
        tuple(
            seedfile.Block(
                block["kind"], seedfile.join_label(block["label"], block["text"]), block["ordinal"], block["depth"]
            )
            for block in content["blocks"]
        ),
    )


def said(block):
    """A block's words in one line, with its label and without markup."""
    return seedfile.join_label(block["label"], _unmarked(block))


def _unmarked(block):
    return markup.words(block["text"]) if block.get("markup") else block["text"]


def plain(content):
    """All its words, one line each: question, short answer, points with their labels."""
    lines = [content["question"], content["short_answer"]]
    lines += [said(block) for block in content["blocks"]]
    return "\n".join(line for line in lines if line)


def excerpt(content, length=200):
    """What a list shows of the answer: the short answer, else its first text, cut at a word."""
    text = content["short_answer"] or next((_unmarked(block) for block in content["blocks"] if block["text"]), "")
    if len(text) <= length:
        return text
    return text[: length + 1].rsplit(None, 1)[0].rstrip(",;:–- ") + " …"


def slug(content):
    """The question's words as the last part of its address; empty for a script that ASCII cannot hold."""
    words = slugify(content["question"])
    if len(words) > 70:
        words = words[:71].rpartition("-")[0] or words[:70]
    return f"{words}-question" if words in _RESERVED_SLUGS else words


@dataclass
class Item:
    """One point of a list, with the bullets nested under it."""

    block: dict
    nested: list = field(default_factory=list)


@dataclass
class Group:
    """Blocks that belong together on a page: one paragraph, one numbered list or one bulleted list.

    `start` is the number that a numbered list begins with."""

    kind: str
    start: int | None = None
    items: list = field(default_factory=list)


def outline(blocks):
    """The blocks as a list of `Group`, ready for `<p>`, `<ol start>` and `<ul>`."""
    groups = []
    for block in blocks:
        group = groups[-1] if groups else None
        if block["depth"] and group and group.kind == seedfile.NUMBERED:
            group.items[-1].nested.append(block)
            continue
        goes_on = group and group.kind == block["kind"] != seedfile.PARAGRAPH
        if goes_on and block["kind"] == seedfile.NUMBERED:
            goes_on = block["ordinal"] == group.start + len(group.items)
        if not goes_on:
            group = Group(block["kind"], block["ordinal"])
            groups.append(group)
        group.items.append(Item(block))
    return groups


@dataclass
class Reference:
    """One place in one source, with the number that stands at the points which rest on it.

    `consulted` is the day on which somebody last looked, at the point where that is longest ago."""

    number: int
    source: dict
    place: str
    consulted: date
    quotations: list = field(default_factory=list)


def sources(blocks):
    """All places in sources that the blocks name, as `Reference` in order of appearance."""
    found = {}
    for block in blocks:
        for citation in block["citations"]:
            consulted = date.fromisoformat(citation["consulted"])
            reference = found.setdefault(
                _place(citation), Reference(len(found) + 1, _linked(citation["source"]), citation["place"], consulted)
            )
            reference.consulted = min(reference.consulted, consulted)
            if citation["quotation"] and citation["quotation"] not in reference.quotations:
                reference.quotations.append(citation["quotation"])
    return list(found.values())


def with_references(blocks):
    """The blocks, each with the numbers of its `sources` as "references"."""
    numbers = {(reference.source["key"], reference.place): reference.number for reference in sources(blocks)}
    return [
        {**block, "references": sorted({numbers[_place(citation)] for citation in block["citations"]})}
        for block in blocks
    ]


def citations_line(block):
    """A block's citations as one line of text, for comparing."""
    parts = []
    for citation in block["citations"]:
        source, quotation = citation["source"], citation["quotation"]
        words = [source["title"], source["publisher"], citation["place"], quotation and f"“{quotation}”"]
        words += [source["address"], source["archived"], citation["consulted"]]
        parts.append(", ".join(word for word in words if word))
    return "; ".join(parts)


def _linked(source):
    """The source without an address that a browser would run instead of following it. (No form takes one, either.)"""
    return source | {name: "" for name in ("address", "archived") if not _WEB.match(source[name])}


def _place(citation):
    return citation["source"]["key"], citation["place"]


def one_line(text):
    """Text as an editor typed or pasted it, on one line: single line breaks are the pasted text's wrapping. Without
    what turns its direction and cannot be seen: else a second person approves other words than are stored.

    An empty line is left in, for `seedfile.problem_with` to refuse: it means a new paragraph, and a point is one."""
    text = seedfile.without_turning(re.sub(r"\r\n|\r", "\n", text)).strip()
    return re.sub(r"[^\S\n]*(?<!\n)\n(?!\s*\n)[^\S\n]*", " ", text) if "\n" in text else text
