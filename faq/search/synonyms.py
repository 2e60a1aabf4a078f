"""What readers' words mean in the words of the answers, as editors keep it."""

from faq.models import Synonym

from . import query_parser, typos
from .stemming import stem

LONGEST = 4
"""Words of what is looked up together, such as “in the country illegally”."""
SHORTEST_BEGINNING = 3
MOST = 5000
"""Synonyms that are looked through for a mistyped word."""


def key_of(words):
    """What a synonym is looked up by: the stems of its words; a beginning keeps its star. Empty without any word."""
    found = query_parser.words(words)
    if len(found) == 1 and words.rstrip().endswith("*"):
        return f"{found[0]}*"
    return " ".join(stem(word) for word in found)


def meanings(words):
    """What editors noted for these words and for groups of them that stand together.

    Returns a list of (group of words, list of meanings, each a tuple of stems), longer groups first; a word that is a
    part of a longer group still has its own entry."""
    groups = {}
    for length in range(1, LONGEST + 1):
        for start in range(len(words) - length + 1):
            group = tuple(words[start : start + length])
            groups.setdefault(" ".join(stem(word) for word in group), group)
            if length == 1:
                for end in range(SHORTEST_BEGINNING, len(group[0]) + 1):
                    groups.setdefault(f"{group[0][:end]}*", group)
    noted = Synonym.objects.filter(key__in=groups).values_list("key", "means")
    found = [
        (groups[key], [tuple(query_parser.stems(part)) for part in means.split(",") if query_parser.words(part)])
        for key, means in noted
    ]
    return sorted(found, key=lambda pair: (-len(pair[0]), words.index(pair[0][0]), pair[0]))


def near(keys):
    """Single words with a synonym that share a key with a mistyped one (see `typos`): ``{word: stems of meanings}``."""
    noted = Synonym.objects.exclude(key__contains=" ").values_list("words", "means")[:MOST]
    words = {word: means for typed, means in noted for word in query_parser.words(typed)}
    return {word: query_parser.stems(means) for word, means in words.items() if keys & typos.keys(word)}
