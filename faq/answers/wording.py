"""Review the wording of a content (see `faq.answers.content`): report text that is hard to read or to rely on.

Findings are hints for editors. They do not change the text."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

from . import content as contents

GENERATOR, UNDATED, LONG, GRADE, ABBREVIATION, HEDGES, DUPLICATE, EMPTY = (
    "generator", "undated", "long", "grade", "abbreviation", "hedges", "duplicate", "empty"
)  # fmt: skip

Texts = list[tuple[int | None, str]]
"""(key of the point, or None for question and short answer; text) pairs."""

KINDS = {
    GENERATOR: "A phrase of a text generator",
    UNDATED: "“Now” without a date",
    LONG: "A long sentence",
    GRADE: "Hard to read",
    ABBREVIATION: "An abbreviation that is not explained",
    HEDGES: "Many hedges",
    DUPLICATE: "The same point twice",
    EMPTY: "A point without text",
}

LONG_SENTENCE = 30
"""Report sentences with more words."""
HARD_GRADE = 12
"""Report answers above this Flesch-Kincaid grade, in years of school. (Aim at 8.)"""
MANY_HEDGES = 3
"""Report answers with more hedges per hundred words."""

_GENERATOR = re.compile(
    r"\bas of my (?:last|latest|most recent)\b[^,.;]*"
    r"|\bmy (?:last update|latest knowledge|knowledge cutoff|training data)\b"
    r"|\bas of the (?:most recent|latest) information available\b|\b(?:the time of )?this response\b"
    r"|\bas an? (?:AI|language model)\b|\bit is important to note that\b|\bup-to-date information\b",
    re.IGNORECASE,
)
_UNDATED = re.compile(
    r"\b(?:currently|recent(?:ly)?|nowadays|at present|to date|ongoing|presently|these days)\b", re.IGNORECASE
)
_DATE = re.compile(r"\b(?:19|20)\d\d\b")
_HEDGE = re.compile(
    r"\b(?:may|might|could|possibly|potentially|perhaps|generally|typically|usually|likely|seems?|appears?|often|sometimes)\b",
    re.IGNORECASE,
)
_ABBREVIATION = re.compile(r"\b[A-Z][A-Z0-9]{1,7}s?\b")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
# A full stop, question or exclamation mark ends a sentence if white space and no small letter follow. “U.S.” does not.
# The lookbehinds stand after the mark, so that the search stops at marks only.
_SENTENCE_END = re.compile(r"[.!?](?<![A-Z]\.[A-Z].)(?<!\b[A-Z].)[\"”’)]*\s+(?=[^a-z\s])")


@dataclass(frozen=True)
class Finding:
    """One finding: `kind` is a key of `KINDS`, `key` the key of the point (None for question, short answer or the whole
    answer), `quote` the text in question, and `why` a sentence with the reason."""

    kind: str
    key: int | None
    quote: str
    why: str


def review(content: contents.Content) -> list[Finding]:
    """Return the findings of an answer, in reading order."""
    texts: Texts = [(None, content.question), (None, content.short_answer)]
    texts += [(block.key, contents.said(block)) for block in content.blocks]
    texts = [(key, text) for key, text in texts if text]
    whole = "\n".join(text for _, text in texts)
    findings: list[Finding] = []
    parts: list[list[tuple[str, list[str]]]] = []
    for key, text in texts:
        findings += _phrases(key, text)
        parts.append([(sentence, _WORD.findall(sentence)) for sentence in sentences(text)])
        findings += [
            Finding(LONG, key, shorten(sentence), f"{len(words)} words; up to {LONG_SENTENCE} are easy to follow.")
            for sentence, words in parts[-1]
            if len(words) > LONG_SENTENCE
        ]
    findings += _abbreviations(texts, whole)
    findings += _points(content.blocks)
    answer = "\n".join(text for _, text in texts[1:])
    sentence_words = [words for part in parts[1:] for _, words in part]
    words = [word for sentence in sentence_words for word in sentence]
    if len(words) >= 50:
        if (grade := _grade(words, len(sentence_words))) > HARD_GRADE:
            why = (
                f"It takes about {grade:.0f} years of school to read this; aim at 8. Shorter sentences and words help."
            )
            findings.append(Finding(GRADE, None, "", why))
        if (rate := 100 * len(_HEDGE.findall(answer)) / len(words)) > MANY_HEDGES:
            most_common = ", ".join(
                f"“{hedge}”" for hedge, _ in Counter(map(str.lower, _HEDGE.findall(answer))).most_common(3)
            )
            why = f"{rate:.1f} hedges in a hundred words ({most_common}). Say what is known, and what is not."
            findings.append(Finding(HEDGES, None, "", why))
    return findings


def reading_grade(text: str) -> float:
    """Return the Flesch-Kincaid grade of English text in years of school, or 0 for no words."""
    return _grade(_WORD.findall(text), sum(len(sentences(line)) for line in text.splitlines()))


def _grade(words: list[str], sentence_count: int) -> float:
    if not words:
        return 0.0
    syllables = sum(_syllables(word[:40].lower()) for word in words)
    return max(0.0, 0.39 * len(words) / max(sentence_count, 1) + 11.8 * syllables / len(words) - 15.59)


def sentences(text: str) -> list[str]:
    """Split one line of text into sentences."""
    parts, start = [], 0
    for end in _SENTENCE_END.finditer(text):
        parts.append(text[start : end.end()].strip())
        start = end.end()
    return [part for part in [*parts, text[start:].strip()] if part]


def shorten(text: str, length: int = 80) -> str:
    """Cut text at a word boundary, and append an ellipsis."""
    return text if len(text) <= length else text[:length].rsplit(None, 1)[0] + " …"


def _phrases(key: int | None, text: str) -> Iterator[Finding]:
    for match in _GENERATOR.finditer(text):
        yield Finding(GENERATOR, key, match[0], "Machines write like this. Say it plainly, or leave it out.")
    for match in _UNDATED.finditer(text):
        sentence = next((s for s in sentences(text) if match[0] in s), text)
        if not _DATE.search(sentence):
            yield Finding(UNDATED, key, match[0], "Since when, and as of which day? Readers may come years later.")


def _abbreviations(texts: Texts, whole: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for key, text in texts:
        for name in _ABBREVIATION.findall(text):
            singular = name.removesuffix("s")
            if singular not in seen and f"({singular})" not in whole and f"{singular} (" not in whole:
                yield Finding(ABBREVIATION, key, singular, f"Write it out once: “… ({singular})”.")
            seen.add(singular)


def _points(blocks: Sequence[contents.Block]) -> Iterator[Finding]:
    keys_by_text: dict[str, int] = {}
    for block, following in zip_longest(blocks, blocks[1:]):
        folded = " ".join(_WORD.findall(f"{block.label} {block.text}".lower()))
        if folded and folded in keys_by_text:
            yield Finding(DUPLICATE, block.key, shorten(block.text), f"Point {keys_by_text[folded]} says the same.")
        keys_by_text.setdefault(folded, block.key)
        if not block.text and not (following and following.depth):
            yield Finding(EMPTY, block.key, block.label, "Write something, or nest bullets under it.")


@lru_cache(maxsize=20_000)
def _syllables(word: str) -> int:
    """Estimate the syllables of an English word: groups of vowels, without a silent e at the end."""
    groups = len(re.findall(r"[aeiouyáéíóúü]+", word))
    silent = re.search(r"[^aeiouyl]e(?:d|s)?$", word) and not re.search(r"[td]ed$|[sxz]es$|[cs]hes$", word)
    return max(1, groups - bool(silent))
