"""Compare two contents (see `faq.answers.content`) word by word."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from . import content as contents
from . import seedfile

SAME, ADDED, REMOVED = "same", "added", "removed"

Part = tuple[str, str]
"""A state (`SAME`, `ADDED` or `REMOVED`) and its text."""

MAX_LINE_PAIRS, MAX_ANSWER_PAIRS = 160_000, 1_000_000
"""Limits for pairs of an old and a new word in one line and in one answer. The time of difflib grows with these pairs.
Longer texts are compared by sentences, and by words only within changed sentences."""

_WORD = re.compile(r"\S+\s*")  # includes the space after the word: separate tokens for spaces would double the tokens
_SENTENCE = re.compile(r".+?(?:[.!?:;…][\"”’)\]]*\s+|$)", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One line of a comparison. `kind` is "question", "short_answer", "sources" or a block's kind; `key` and `ordinal`
    are those of the block, or None."""

    kind: str
    key: int | None
    ordinal: int | None
    parts: tuple[Part, ...]

    @property
    def changed(self) -> bool:
        return any(state != SAME for state, _ in self.parts)


class _Budget:
    """Counts the word pairs that may still be compared in one answer."""

    def __init__(self) -> None:
        self.remaining = MAX_ANSWER_PAIRS

    def take(self, before: list[str], after: list[str]) -> bool:
        """Return whether two lists may be compared. If so, subtract their pairs."""
        pairs = len(before) * len(after)
        if pairs > min(MAX_LINE_PAIRS, self.remaining):
            return False
        self.remaining -= pairs
        return True


def words(old: str, new: str, budget: _Budget | None = None) -> tuple[Part, ...]:
    """Return the differences of two texts as parts. Removed words come before their replacement."""
    budget = budget or _Budget()
    before, after = _WORD.findall(old), _WORD.findall(new)
    if before == after or budget.take(before, after):
        return tuple(_parts(before, after))
    return tuple(_joined(_by_sentence(old, new, budget)))


def _parts(
    before: list[str], after: list[str], replaced: Callable[[str, str], Iterable[Part]] | None = None
) -> Iterator[Part]:
    """Yield the differences of two lists of tokens. `replaced` compares a replaced run of tokens in detail."""
    if before == after:
        if after:
            yield SAME, "".join(after)
        return
    for action, i, j, k, m in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if action == "equal":
            yield SAME, "".join(after[k:m])
        elif action == "replace" and replaced:
            yield from replaced("".join(before[i:j]), "".join(after[k:m]))
        else:
            yield from _replaced("".join(before[i:j]), "".join(after[k:m]))


def _replaced(old: str, new: str) -> Iterator[Part]:
    if old:
        yield REMOVED, old
    if new:
        yield ADDED, new


def _by_sentence(old: str, new: str, budget: _Budget) -> Iterator[Part]:
    def within(old: str, new: str) -> Iterator[Part]:
        before, after = _WORD.findall(old), _WORD.findall(new)
        return _parts(before, after) if budget.take(before, after) else _replaced(old, new)

    before, after = _SENTENCE.findall(old), _SENTENCE.findall(new)
    return _parts(before, after, within) if budget.take(before, after) else _replaced(old, new)


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Merge neighbouring parts of the same state."""
    for state, run in groupby(parts, key=lambda part: part[0]):
        yield state, "".join(text for _, text in run)


def compare(old: contents.Content, new: contents.Content) -> list[Line]:
    """Return the differences of two contents: question, short answer, and the blocks of both in reading order.

    Blocks with the same key are compared wherever they stand, so a block that only moved has no changed words."""
    budget = _Budget()
    lines = [Line("question", None, None, words(old.question, new.question, budget))]
    if old.short_answer or new.short_answer:
        lines.append(Line("short_answer", None, None, words(old.short_answer, new.short_answer, budget)))
    before = {block.key: block for block in old.blocks}
    kept = {block.key for block in new.blocks}
    removed = [block for block in old.blocks if block.key not in kept]
    positions = {block.key: index for index, block in enumerate(old.blocks)}
    for block in new.blocks:
        # Show a removed block at its old position: before the first remaining block that came after it.
        while removed and block.key in positions and positions[removed[0].key] < positions[block.key]:
            lines += _lines(removed.pop(0), None, budget)
        lines += _lines(before.get(block.key), block, budget)
    for block in removed:
        lines += _lines(block, None, budget)
    return lines


def moved(old: contents.Content, new: contents.Content) -> bool:
    """Whether the blocks that both contents have differ in order, kind or depth."""
    common = {block.key for block in old.blocks} & {block.key for block in new.blocks}

    def shape(content: contents.Content) -> list[tuple[int, str, int]]:
        return [(b.key, b.kind, b.depth) for b in content.blocks if b.key in common]

    return shape(old) != shape(new)


def _lines(old: contents.Block | None, new: contents.Block | None, budget: _Budget) -> Iterator[Line]:
    """Yield the comparison of a block's text, and of its citations if there are any."""
    block = new or old
    assert block is not None  # noqa: S101
    before, after = (seedfile.join_label(b.label, b.text) if b else "" for b in (old, new))
    yield Line(block.kind, block.key, block.ordinal, words(before, after, budget))
    before, after = (contents.citations_line(b) if b else "" for b in (old, new))
    if before or after:
        yield Line("sources", block.key, None, words(before, after, budget))
