"""From a query to what the index is asked: synonyms, how rare each word is, words that somebody mistyped."""

from dataclasses import replace
from itertools import pairwise

from faq.models import SearchKey

from . import indexing, query_parser, synonyms, typos
from .ranking import SYNONYM, TITLE, Plan, Term, fair
from .stemming import stem

MOST_TYPOS = 8
"""Words of one query that are looked up among near ones. Whoever needs more has typed no words."""
MOST_NEAR = 2000


def plan(query):
    """The query's words with what editors noted for them, and how rare each one is."""
    choices = {word: [(1.0, (stem(word),))] for word in query.subjects}
    for group, meanings in synonyms.meanings(query.words):
        if len(group) > 1 or group[0] in choices:  # not for a stop word alone
            choices.setdefault(" ".join(group), []).extend((SYNONYM, roots) for roots in meanings)
    counts, total = indexing.frequencies({root for some in choices.values() for _, roots in some for root in roots})
    made = Plan(
        terms=tuple(Term(word, tuple(some)) for word, some in choices.items() if some),
        pairs=tuple(dict.fromkeys(pairwise(map(stem, query.subjects)))),
        phrases=tuple(tuple(map(stem, phrase)) for phrase in query.phrases),
        without=tuple(tuple(map(stem, words)) for words in query.without),
        counts=counts,
        total=total,
    )
    return replace(made, terms=tuple(fair(made, term) for term in made.terms))


def corrections(query, made):
    """For each word that neither the index nor a synonym has, the nearest one that is there: ``{typed: meant}``."""
    unknown = [word for word in query.subjects if stem(word) not in made.counts and not word.isdigit()]
    if not unknown:
        return {}
    noted = {word for group, _ in synonyms.meanings(query.words) for word in group}
    unknown = [word for word in unknown if word not in noted][:MOST_TYPOS]
    keys = {key for word in unknown for key in typos.keys(word)}
    if not keys:
        return {}
    words = set(SearchKey.objects.filter(key__in=keys).values_list("word", flat=True)[:MOST_NEAR])
    noted = synonyms.near(keys)
    counts, _ = indexing.frequencies({*map(stem, words), *(root for roots in noted.values() for root in roots)})
    near = {word: 0 for word, roots in noted.items() if counts.keys() & roots}
    near |= {word: counts[stem(word)] for word in words if stem(word) in counts}
    found = {word: typos.nearest(word, near) for word in unknown}
    return {word: meant for word, meant in found.items() if meant}


def corrected(query, change):
    """The query with other words in place of mistyped ones."""
    return query_parser.Query(
        tuple(dict.fromkeys(change.get(word, word) for word in query.words)),
        tuple(tuple(change.get(word, word) for word in phrase) for phrase in query.phrases),
        query.without,
    )


def conditions(made, engine, looked_at):
    """What to ask the engine for, the most promising first, until there are enough candidates.

    One condition that any of the rare words stands there is enough, as long as few texts fulfil it (`looked_at`)."""
    if made.phrases:
        yield engine.all_of([engine.words(phrase) for phrase in made.phrases])
        return
    stems = made.stems
    if not stems:
        return
    few, count = [stems[0]], made.counts[stems[0]]
    for root in stems[1:]:
        count += made.counts[root]
        if count > looked_at:
            break
        few.append(root)
    if made.counts[stems[0]] <= looked_at:
        yield engine.any_of([engine.words([root]) for root in few])
        return
    # Every word is in very many texts. Those that have several come first, then those whose question has one.
    for together in (stems[:4], stems[:2]):
        if len(together) > 1:
            yield engine.all_of([engine.words([root]) for root in together])
    yield engine.any_of([engine.words([root], TITLE) for root in stems[:4]])
    yield engine.words(stems[:1])
