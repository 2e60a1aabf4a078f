"""English word forms folded to one stem (share, shares, sharing; court, courts), by Porter's algorithm. Pure.

Both databases have a stemmer, but not the same one. With one of our own, what is indexed, asked for and marked is the
same everywhere. (M. F. Porter, “An algorithm for suffix stripping”, Program 14, 1980.)
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
    """The stem of a folded word. Words that are not made of the letters a to z stay as they are."""
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
            twice = len(root) > 1 and root[-1] == root[-2] and root[-1] not in "aeioulsz"
            return root[:-1] if twice else root
    return word


def _replace(word: str, endings: list[tuple[str, str]]) -> str:
    """The longest ending that fits is replaced, if something with a syllable stays."""
    fitting = [pair for pair in endings if word.endswith(pair[0])]
    if not fitting:
        return word
    old, new = max(fitting, key=lambda pair: len(pair[0]))
    root = word[: -len(old)]
    return root + new if _measure(root) > 0 else word


def _shape(word: str) -> str:
    shape = ""
    for place, letter in enumerate(word):
        vowel = letter in "aeiou" or (letter == "y" and place > 0 and shape[-1] == "c")
        shape += "v" if vowel else "c"
    return shape


def _measure(word: str) -> int:
    """How many times consonants follow vowels."""
    return len(re.findall("v+c+", _shape(word)))


def _has_vowel(word: str) -> bool:
    return "v" in _shape(word)


def _short(word: str) -> bool:
    """It ends in consonant, vowel, consonant, the last none of w, x and y."""
    return _shape(word)[-3:] == "cvc" and word[-1] not in "wxy"
