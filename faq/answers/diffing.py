"""Word-level differences of two answers. Pure: contents (see `faq.answers.content`) in, plain values out."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from . import content as contents
from . import seedfile

SAME, ADDED, REMOVED = "same", "added", "removed"

Part = tuple[str, str]
"""A state, one of the three above, and the text that has it."""

PAIRS_OF_LINE, PAIRS_OF_ANSWER = 160_000, 1_000_000
"""Pairs of an old and a new word that are compared in one line and in one answer. difflib needs time in proportion to
them, so longer texts are compared by sentences, and by words only within the sentences that changed."""

_WORD = re.compile(r"\S+\s*")  # a word with the space after it: spaces as words of their own would cost quadratic time
_SENTENCE = re.compile(r".+?(?:[.!?:;…][\"”’)\]]*\s+|$)", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One line of a comparison: what it is ("question", "short_answer", "sources" or a block's kind), its key and
    number if it is a block, and its words as [(SAME | ADDED | REMOVED, text)]."""

    kind: str
    key: int | None
    ordinal: int | None
    parts: tuple[Part, ...]

    @property
    def changed(self) -> bool:
        return any(state != SAME for state, _ in self.parts)


class _Budget:
    """The pairs of words that may still be compared in one answer."""

    def __init__(self) -> None:
        self.left = PAIRS_OF_ANSWER

    def allows(self, before: list[str], after: list[str]) -> bool:
        """Whether two lists may be compared; counts them if so."""
        pairs = len(before) * len(after)
        if pairs > min(PAIRS_OF_LINE, self.left):
            return False
        self.left -= pairs
        return True


def words(old: str, new: str, budget: _Budget | None = None) -> tuple[Part, ...]:
    """The two texts as one run of [(SAME | ADDED | REMOVED, text)], removed words before those that replace them."""
    budget = budget or _Budget()
    before, after = _WORD.findall(old), _WORD.findall(new)
    if before == after or budget.allows(before, after):
        return tuple(_parts(before, after))
    return tuple(_joined(_by_sentence(old, new, budget)))


def _parts(
    before: list[str], after: list[str], replaced: Callable[[str, str], Iterable[Part]] | None = None
) -> Iterator[Part]:
    """The differences of two lists of tokens. `replaced` says how a run that was replaced by another one is shown."""
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
        return _parts(before, after) if budget.allows(before, after) else _replaced(old, new)

    before, after = _SENTENCE.findall(old), _SENTENCE.findall(new)
    return _parts(before, after, within) if budget.allows(before, after) else _replaced(old, new)


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """The same parts, neighbours of one state as one."""
    for state, run in groupby(parts, key=lambda part: part[0]):
        yield state, "".join(text for _, text in run)


def compare(old: contents.Content, new: contents.Content) -> list[Line]:
    """Two contents as a list of `Line`: question, short answer, and all blocks of both in reading order.

    Blocks are the same if they have the same key, wherever they stand; one that only moved has no changed words."""
    budget = _Budget()
    lines = [Line("question", None, None, words(old.question, new.question, budget))]
    if old.short_answer or new.short_answer:
        lines.append(Line("short_answer", None, None, words(old.short_answer, new.short_answer, budget)))
    before = {block.key: block for block in old.blocks}
    kept = {block.key for block in new.blocks}
    waiting = [block for block in old.blocks if block.key not in kept]
    place = {block.key: index for index, block in enumerate(old.blocks)}
    for block in new.blocks:
        # A removed block stands where it stood: before the first kept block that came after it.
        while waiting and block.key in place and place[waiting[0].key] < place[block.key]:
            lines += _lines(waiting.pop(0), None, budget)
        lines += _lines(before.get(block.key), block, budget)
    for block in waiting:
        lines += _lines(block, None, budget)
    return lines


def moved(old: contents.Content, new: contents.Content) -> bool:
    """Whether the blocks that both have stand in another order, or are of another kind or depth."""
    common = {block.key for block in old.blocks} & {block.key for block in new.blocks}

    def shape(content: contents.Content) -> list[tuple[int, str, int]]:
        return [(b.key, b.kind, b.depth) for b in content.blocks if b.key in common]

    return shape(old) != shape(new)


def _lines(old: contents.Block | None, new: contents.Block | None, budget: _Budget) -> Iterator[Line]:
    """A block's words, and its sources if it names any."""
    block = new or old
    assert block is not None  # noqa: S101
    before, after = (seedfile.join_label(b.label, b.text) if b else "" for b in (old, new))
    yield Line(block.kind, block.key, block.ordinal, words(before, after, budget))
    before, after = (contents.citations_line(b) if b else "" for b in (old, new))
    if before or after:
        yield Line("sources", block.key, None, words(before, after, budget))
