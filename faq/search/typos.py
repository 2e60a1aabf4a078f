"""Which known word somebody may have meant. Pure.

A word is found again by `keys`: its first letters with one of them left out, how it sounds, and how it begins. Two
words that differ by a letter that is missing, too many, wrong or swapped share a key, so that a database finds the few
near words among very many by an index. `nearest` then measures them.
"""

import re

SHORTEST = 4
"""Shorter words are near to too many others."""
_LETTERS = 8

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
    """What a word is found again by. Short words have none."""
    if len(word) < SHORTEST:
        return set()
    start = word[:_LETTERS]
    return {
        start,
        "~" + sound(word),
        ">" + word[:SHORTEST],
        *(start[:place] + start[place + 1 :] for place in range(len(start))),
    }


def sound(word: str) -> str:
    """Roughly how an English word sounds: its consonants."""
    for written, spoken in _FIRST:
        if word.startswith(written):
            word = spoken + word.removeprefix(written)
    first, rest = word[0], word[1:]
    for pattern, replacement in _SOUNDS:
        rest = pattern.sub(replacement, rest)
    return first + rest


def nearest(word: str, known: dict[str, int]) -> str | None:
    """The word among `known` (with how many questions have it) that is nearest to `word`, or None if all are far."""
    if len(word) < SHORTEST:
        return None
    most = 1 if len(word) < 6 else 2
    best = None
    for other, count in known.items():
        alike = sound(other) == sound(word)
        begins = len(word) > SHORTEST and other.startswith(word)
        allowed = most + (1 if alike and len(word) >= 8 else 0)
        far = 1.0 if begins else distance(word, other, allowed)
        if far <= allowed:
            place = (far - 0.5 * alike + 0.5 * (word[0] != other[0]), -count, other)
            best = min(best, place) if best else place
    return best[2] if best else None


def distance(one: str, other: str, most: int) -> int:
    """How many letters are missing, too many, wrong or swapped; anything above `most` counts as `most + 1`."""
    if abs(len(one) - len(other)) > most:
        return most + 1
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        earlier, before, row = before, row, [i]
        for j, facing in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != facing))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == facing:
                cost = min(cost, earlier[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
