"""Look up the synonyms that editors have entered."""

from faq.models import Synonym

from . import query_parser, typos
from .stemming import stem

MAX_GROUP_WORDS = 4
"""Words of a query that are looked up as one group, such as “in the country illegally”."""
MIN_PREFIX = 3
MAX_SYNONYMS = 5000
"""Synonyms that are searched for a misspelled word."""


def key_of(words):
    """Return the lookup key of a synonym: the stems of its words, or a prefix with a star. May be empty."""
    found = query_parser.words(words)
    if len(found) == 1 and words.rstrip().endswith("*"):
        return f"{found[0]}*"
    return " ".join(stem(word) for word in found)


def meanings(words):
    """Return the synonyms of these words and of groups of adjacent words.

    The result is a list of (group of words, list of meanings, each a tuple of stems), longer groups first. A word that
    is a part of a longer group also has its own entry."""
    groups = {}
    for length in range(1, MAX_GROUP_WORDS + 1):
        for start in range(len(words) - length + 1):
            group = tuple(words[start : start + length])
            groups.setdefault(" ".join(stem(word) for word in group), group)
            if length == 1:
                for end in range(MIN_PREFIX, len(group[0]) + 1):
                    groups.setdefault(f"{group[0][:end]}*", group)
    rows = Synonym.objects.filter(key__in=groups).values_list("key", "means")
    found = [
        (groups[key], [tuple(query_parser.stems(part)) for part in means.split(",") if query_parser.words(part)])
        for key, means in rows
    ]
    return sorted(found, key=lambda pair: (-len(pair[0]), words.index(pair[0][0]), pair[0]))


def near(keys):
    """Return single words with synonyms that share one of these `typos` keys: ``{word: stems of meanings}``."""
    rows = Synonym.objects.exclude(key__contains=" ").values_list("words", "means")[:MAX_SYNONYMS]
    words = {word: means for typed, means in rows for word in query_parser.words(typed)}
    return {word: query_parser.stems(means) for word, means in words.items() if keys & typos.keys(word)}
