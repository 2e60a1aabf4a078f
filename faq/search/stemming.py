"""Reduce English words to their stem (share, shares, sharing; court, courts) with Porter's algorithm.

SQLite and PostgreSQL have different stemmers. This one makes index, queries and highlighting agree on both.
(M. F. Porter, “An algorithm for suffix stripping”, Program 14, 1980.)
"""

import re
from functools import lru_cache

_STEP_2 = [
    ("ational", "ate"), ("tional", "tion"), ("enci", "ence"), ("anci", "ance"), ("izer", "ize"), ("bli", "ble"),
    ("alli", "al"), ("entli", "ent"), ("eli", "e"), ("ousli", "ous"), ("ization", "ize"), ("ation", "ate"),
    ("ator", "ate"), ("alism", "al"), ("iveness", "ive"), ("fulness", "ful"), ("ousness", "ous"), ("aliti", "al"),
    ("iviti", "ive"), ("biliti", "ble"), ("logi", "log"),
]  # fmt: skip
_STEP_3 = [
    ("icate", "ic"), ("ative", ""), ("alize", "al"), ("iciti", "ic"), ("ical", "ic"), ("ful", ""), ("ness", "")
]  # fmt: skip
_STEP_4 = re.compile("(?:al|ance|ence|er|ic|able|ible|ant|ement|ment|ent|(?<=[st])ion|ou|ism|ate|iti|ous|ive|ize)$")


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """Return the stem of a normalized word. Words with other letters than a to z are returned unchanged."""
    if len(word) <= 2 or not (word.isascii() and word.isalpha()):
        return word
    word = _plurals(word)
    word = _past_and_ing(word)
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replace(word, _STEP_2)
    word = _replace(word, _STEP_3)
    match = _STEP_4.search(word)
    if match and _measure(word[: match.start()]) > 1:
        word = word[: match.start()]
    if word.endswith("e"):
        measure = _measure(word[:-1])
        if measure > 1 or (measure == 1 and not _short(word[:-1])):
            word = word[:-1]
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


def _plurals(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past_and_ing(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        root = word.removesuffix(ending)
        if root != word and _has_vowel(root):
            if root.endswith(("at", "bl", "iz")) or (_measure(root) == 1 and _short(root)):
                return root + "e"
            doubled = len(root) > 1 and root[-1] == root[-2] and root[-1] not in "aeioulsz"
            return root[:-1] if doubled else root
    return word


def _replace(word: str, endings: list[tuple[str, str]]) -> str:
    """Replace the longest matching ending, if the rest has a syllable."""
    matching = [pair for pair in endings if word.endswith(pair[0])]
    if not matching:
        return word
    old, new = max(matching, key=lambda pair: len(pair[0]))
    root = word[: -len(old)]
    return root + new if _measure(root) > 0 else word


def _shape(word: str) -> str:
    shape = ""
    for index, letter in enumerate(word):
        vowel = letter in "aeiou" or (letter == "y" and index > 0 and shape[-1] == "c")
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    """Count the sequences of vowels that are followed by consonants."""
    return len(re.findall("v+c+", _shape(word)))


def _has_vowel(word: str) -> bool:
    return "v" in _shape(word)


def _short(word: str) -> bool:
    """Whether the word ends with consonant, vowel, consonant, and the last one is not w, x or y."""
    return _shape(word)[-3:] == "cvc" and word[-1] not in "wxy"
