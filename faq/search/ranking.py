"""How well an indexed text answers a query: the weights of both databases, in one place. Pure.

The database finds the candidates; what is counted here decides their order. A word weighs by how rare it is, and by
where it stands; words that stand together as they were asked weigh more, and so does a single point that has them all.
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import log

TITLE, SHORT, LABELS, FOUND_BY, POINTS = "title", "short", "labels", "found_by", "points"
WEIGHTS = {TITLE: 12.0, SHORT: 5.0, LABELS: 3.0, FOUND_BY: 2.0, POINTS: 1.0}
SATURATION = 3.0
"""What a word may weigh at most grows slowly above this: ten times is not ten times as good as once."""
EVENNESS = 0.7
"""Below 1, a word that only one text has by chance drowns the others less."""
SYNONYM = 0.7
OTHERS = 0.2
"""For the other synonyms of a word that stand in the text as well, as a part of what they weigh."""
TOGETHER = 0.5
"""For two words side by side, as a part of what the rarer of them weighs."""
ONE_POINT = 0.1
"""For the point that has most, as a part of the weight of its words."""
SHORT_ENOUGH = {TITLE: 8, POINTS: 80}
DAMPING = {TITLE: 0.6, POINTS: 0.5}
"""Words of a text that count in full. Of two longer ones with the same words, the shorter one is more about them."""
FLOOR = 0.2
"""Less than this part of the best is no result."""


@dataclass(frozen=True)
class Term:
    """One word or group of words of the query: `choices` as (weight, stems), any of which will do."""

    word: str
    choices: tuple


@dataclass(frozen=True)
class Plan:
    """A query as it is compared with the index.

    `phrases` must stand in the text, `without` must not (tuples of stems); `counts` says in how many of `total` texts
    each stem stands."""

    terms: tuple
    phrases: tuple = ()
    without: tuple = ()
    counts: dict = field(default_factory=dict)
    total: int = 0
    pairs: tuple = ()

    @cached_property
    def stems(self):
        """All stems that the index knows, rarest first."""
        known = {root for term in self.terms for _, roots in term.choices for root in roots if root in self.counts}
        return sorted(known, key=lambda root: (self.counts[root], root))

    @cached_property
    def rarities(self):
        return {root: self.rarity(root) for root in self.stems}

    def rarity(self, root):
        """How much a stem weighs: much if few texts have it. 0 if none has."""
        count = self.counts.get(root)
        return log(1 + (self.total - count + 0.5) / (count + 0.5)) ** EVENNESS if count else 0.0


def score(plan, text):
    """How well `text` (with `WEIGHTS`' fields as attributes) fits; 0 if it lacks a phrase or has what it must not."""
    lines = {name: [line.split() for line in getattr(text, name).split("\n")] for name in WEIGHTS}
    if not all(any(_has(line, phrase) for some in lines.values() for line in some) for phrase in plan.phrases):
        return 0.0
    if any(_has(line, words) for words in plan.without for some in lines.values() for line in some):
        return 0.0
    wanted = plan.rarities
    weight = dict.fromkeys(wanted, 0.0)
    for name, some in lines.items():
        each = WEIGHTS[name]
        if name in SHORT_ENOUGH:
            each *= min(1.0, (SHORT_ENOUGH[name] / (sum(map(len, some)) or 1)) ** DAMPING[name])
        for line in some:
            for word in line:
                if word in wanted:
                    weight[word] += each
    worth = {root: wanted[root] * found / (found + SATURATION) for root, found in weight.items()}
    total = sum(_best(term, worth) for term in plan.terms)
    for pair in plan.pairs:
        if pair[0] in wanted and pair[1] in wanted:
            together = max(
                (WEIGHTS[name] for name, some in lines.items() for line in some if _has(line, pair)), default=0
            )
            total += TOGETHER * min(wanted[root] for root in pair) * together / (together + SATURATION)
    return total + ONE_POINT * max((passage(plan, line) for line in lines[POINTS]), default=0)


def passage(plan, line):
    """How much of the query stands in one point, given its stems."""
    worth = {root: plan.rarities[root] for root in plan.rarities.keys() & line}
    return sum(_best(term, worth) for term in plan.terms) if worth else 0.0


def fair(plan, term):
    """The same term with no choice rarer than the typed word, where texts have that: else “share” would turn into a
    search for its rarest synonym."""
    typed = max(
        (plan.rarity(root) for weight, (root, *others) in term.choices if weight == 1 and not others), default=0
    )
    if not typed:
        return term
    return Term(
        term.word,
        tuple(
            (weight * min(1.0, typed * len(roots) / (sum(map(plan.rarity, roots)) or 1)), roots)
            for weight, roots in term.choices
        ),
    )


def _best(term, worth):
    """What the best choice of a term weighs, and a part of what the others do."""
    values = [
        weight * sum(worth.get(root, 0.0) for root in roots) / len(roots) ** 0.5 for weight, roots in term.choices
    ]
    best = max(values)
    return best + OTHERS * (sum(values) - best)


def _has(line, words):
    """Whether the words stand in the line side by side."""
    if words[0] not in line:
        return False
    count = len(words)
    return any(tuple(line[at : at + count]) == words for at in range(len(line) - count + 1))
