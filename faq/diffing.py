"""Word-level differences of two answers. Pure: contents (see `faq.content`) in, plain values out."""

import difflib
import re
from dataclasses import dataclass

from . import content as contents
from . import seedfile

SAME, ADDED, REMOVED = "same", "added", "removed"

_WORD = re.compile(r"\S+\s*")  # a word with the space after it: spaces as words of their own would cost quadratic time


@dataclass(frozen=True)
class Line:
    """One line of a comparison: what it is ("question", "short_answer", "sources" or a block's kind), its key and
    number if it is a block, and its words as [(SAME | ADDED | REMOVED, text)]."""

    kind: str
    key: int | None
    ordinal: int | None
    parts: tuple

    @property
    def changed(self):
        return any(state != SAME for state, _ in self.parts)


def words(old, new):
    """The two texts as one run of [(SAME | ADDED | REMOVED, text)], removed words before those that replace them."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    parts = []
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for action, i, j, k, m in matcher.get_opcodes():
        if action == "equal":
            parts.append((SAME, "".join(after[k:m])))
            continue
        if i < j:
            parts.append((REMOVED, "".join(before[i:j])))
        if k < m:
            parts.append((ADDED, "".join(after[k:m])))
    return tuple(parts)


def compare(old, new):
    """Two contents as a list of `Line`: question, short answer, and all blocks of both in reading order.

    Blocks are the same if they have the same key, wherever they stand; one that only moved has no changed words."""
    lines = [Line("question", None, None, words(old["question"], new["question"]))]
    if old["short_answer"] or new["short_answer"]:
        lines.append(Line("short_answer", None, None, words(old["short_answer"], new["short_answer"])))
    before = {block["key"]: block for block in old["blocks"]}
    kept = {block["key"] for block in new["blocks"]}
    waiting = [block for block in old["blocks"] if block["key"] not in kept]
    place = {block["key"]: index for index, block in enumerate(old["blocks"])}
    for block in new["blocks"]:
        # A removed block stands where it stood: before the first kept block that came after it.
        while waiting and block["key"] in place and place[waiting[0]["key"]] < place[block["key"]]:
            lines += _lines(waiting.pop(0), None)
        lines += _lines(before.get(block["key"]), block)
    for block in waiting:
        lines += _lines(block, None)
    return lines


def moved(old, new):
    """Whether the blocks that both have stand in another order, or are of another kind or depth."""
    common = {block["key"] for block in old["blocks"]} & {block["key"] for block in new["blocks"]}

    def shape(content):
        return [(b["key"], b["kind"], b["depth"]) for b in content["blocks"] if b["key"] in common]

    return shape(old) != shape(new)


def _lines(old, new):
    """A block's words, and its sources if it names any."""
    block = new or old
    texts = (seedfile.join_label(b["label"], b["text"]) if b else "" for b in (old, new))
    yield Line(block["kind"], block["key"], block["ordinal"], words(*texts))
    cited = [contents.citations_line(b) if b else "" for b in (old, new)]
    if any(cited):
        yield Line("sources", block["key"], None, words(*cited))
