"""Find the known word that is most similar to a misspelled one.

`keys` returns the keys of a word: its first letters with each of them removed in turn, its sound, and its prefix. Words
that differ by one missing, additional, wrong or swapped letter share a key, so that a database index finds the similar
words. `nearest` then compares them.
"""

import re

MIN_LETTERS = 4
"""Shorter words are similar to too many others."""
_KEY_LETTERS = 8

_FIRST = [("ph", "f"), ("wr", "r"), ("kn", "n")]
_SOUNDS = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        ("(?:sh|ti|si|ci|shi)[ou]?[aou]n", "sn"), ("ph", "f"), ("gh(?=t)", ""), ("ck|q|c(?![eiyh])", "k"),
        ("c(?=[eiy])|z", "s"), ("ch|sh", "x"), ("g(?=[eiy])", "j"), ("[aeiouyhw]+", ""),
        (r"(.)\1+", r"\1"),
    )
]  # fmt: skip


def keys(word: str) -> set[str]:
    """Return the keys of a word. Short words have none."""
    if len(word) < MIN_LETTERS:
        return set()
    start = word[:_KEY_LETTERS]
    return {
        start,
        "~" + sound(word),
        ">" + word[:MIN_LETTERS],
        *(start[:index] + start[index + 1 :] for index in range(len(start))),
    }


def sound(word: str) -> str:
    """Return an approximation of the sound of an English word: its consonants."""
    for written, spoken in _FIRST:
        if word.startswith(written):
            word = spoken + word.removeprefix(written)
    first, rest = word[0], word[1:]
    for pattern, replacement in _SOUNDS:
        rest = pattern.sub(replacement, rest)
    return first + rest


def nearest(word: str, known: dict[str, int]) -> str | None:
    """Return the most similar word of `known`, or None. `known` maps words to their number of questions."""
    if len(word) < MIN_LETTERS:
        return None
    max_distance = 1 if len(word) < 6 else 2
    best = None
    for other, count in known.items():
        same_sound = sound(other) == sound(word)
        is_prefix = len(word) > MIN_LETTERS and other.startswith(word)
        allowed = max_distance + (1 if same_sound and len(word) >= 8 else 0)
        difference = 1.0 if is_prefix else distance(word, other, allowed)
        if difference <= allowed:
            rank = (difference - 0.5 * same_sound + 0.5 * (word[0] != other[0]), -count, other)
            best = min(best, rank) if best else rank
    return best[2] if best else None


def distance(word: str, other: str, limit: int) -> int:
    """Return the number of missing, additional, wrong or swapped letters, or `limit + 1` if it is above `limit`."""
    if abs(len(word) - len(other)) > limit:
        return limit + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(word, start=1):
        earlier, before, row = before, row, [i]
        for j, facing in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != facing))
            if i > 1 and j > 1 and letter == other[j - 2] and word[i - 2] == facing:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > limit:
            return limit + 1
    return min(row[-1], limit + 1)
