"""Score indexed texts for a query, with the same weights on both databases.

The database finds candidates, and `score` sorts them. The score of a word depends on its rarity and its fields. Words
that are adjacent in both query and text, and a point that contains many of the words, increase the score.
"""

from dataclasses import dataclass, field
from functools import cached_property
from math import log

TITLE, SHORT, LABELS, FOUND_BY, POINTS = "title", "short", "labels", "found_by", "points"
WEIGHTS = {TITLE: 12.0, SHORT: 5.0, LABELS: 3.0, FOUND_BY: 2.0, POINTS: 1.0}
SATURATION = 3.0
"""The field weight at which a word has half of its maximum score: ten occurrences are not ten times as good as one."""
EVENNESS = 0.7
"""Exponent of the rarity. Values below 1 limit the influence of very rare words."""
SYNONYM = 0.7
"""Weight of a synonym, relative to the typed word."""
OTHERS = 0.2
"""Factor for further synonyms of the same word in the text."""
TOGETHER = 0.5
"""Bonus for two adjacent words, as a factor of the rarity of the more frequent one."""
ONE_POINT = 0.1
"""Bonus for the best point, as a factor of its score."""
SHORT_ENOUGH = {TITLE: 8, POINTS: 80}
DAMPING = {TITLE: 0.6, POINTS: 0.5}
"""The weight of a field decreases with this exponent if the field has more than `SHORT_ENOUGH` words."""
FLOOR = 0.2
"""Results with a lower score, relative to the best one, are dropped."""


@dataclass(frozen=True)
class Term:
    """One word or group of words of the query. `choices` are alternatives as (weight, stems)."""

    word: str
    choices: tuple


@dataclass(frozen=True)
class Plan:
    """A query that is prepared for the index.

    A text must contain all `phrases` and none of `without` (tuples of stems). `counts` maps each stem to its number of
    texts, of `total` texts."""

    terms: tuple
    phrases: tuple = ()
    without: tuple = ()
    counts: dict = field(default_factory=dict)
    total: int = 0
    pairs: tuple = ()

    @cached_property
    def stems(self):
        """The stems that the index contains, rarest first."""
        indexed = {root for term in self.terms for _, roots in term.choices for root in roots if root in self.counts}
        return sorted(indexed, key=lambda root: (self.counts[root], root))

    @cached_property
    def rarities(self):
        return {root: self.rarity(root) for root in self.stems}

    def rarity(self, root):
        """Return the weight of a stem: high if few texts contain it, and 0 if no text does."""
        count = self.counts.get(root)
        return log(1 + (self.total - count + 0.5) / (count + 0.5)) ** EVENNESS if count else 0.0


def score(plan, text):
    """Return the score of `text`, an object with the fields of `WEIGHTS`, or 0 if phrases or exclusions fail."""
    lines = {name: [line.split() for line in getattr(text, name).split("\n")] for name in WEIGHTS}
    if not all(
        any(_has(line, phrase) for field_lines in lines.values() for line in field_lines) for phrase in plan.phrases
    ):
        return 0.0
    if any(_has(line, words) for words in plan.without for field_lines in lines.values() for line in field_lines):
        return 0.0
    rarities = plan.rarities
    weight = dict.fromkeys(rarities, 0.0)
    for name, field_lines in lines.items():
        field_weight = WEIGHTS[name]
        if name in SHORT_ENOUGH:
            field_weight *= min(1.0, (SHORT_ENOUGH[name] / (sum(map(len, field_lines)) or 1)) ** DAMPING[name])
        for line in field_lines:
            for word in line:
                if word in rarities:
                    weight[word] += field_weight
    scores = {root: rarities[root] * value / (value + SATURATION) for root, value in weight.items()}
    total = sum(_best(term, scores) for term in plan.terms)
    for pair in plan.pairs:
        if pair[0] in rarities and pair[1] in rarities:
            together = max(
                (WEIGHTS[name] for name, field_lines in lines.items() for line in field_lines if _has(line, pair)),
                default=0,
            )
            total += TOGETHER * min(rarities[root] for root in pair) * together / (together + SATURATION)
    return total + ONE_POINT * max((passage(plan, line) for line in lines[POINTS]), default=0)


def passage(plan, line):
    """Return the score of one point, given its stems."""
    scores = {root: plan.rarities[root] for root in plan.rarities.keys() & line}
    return sum(_best(term, scores) for term in plan.terms) if scores else 0.0


def limit_synonyms(plan, term):
    """Return the term with weights such that no synonym counts more than the typed word, if the index contains it.

    Otherwise a search for a frequent word would become a search for its rarest synonym."""
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


def _best(term, scores):
    """Return the score of the best choice of a term, plus a part of the scores of the others."""
    values = [
        weight * sum(scores.get(root, 0.0) for root in roots) / len(roots) ** 0.5 for weight, roots in term.choices
    ]
    best = max(values)
    return best + OTHERS * (sum(values) - best)


def _has(line, words):
    """Whether the line contains the words next to each other."""
    if words[0] not in line:
        return False
    count = len(words)
    return any(tuple(line[start : start + count]) == words for start in range(len(line) - count + 1))
