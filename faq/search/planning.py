"""Convert a query to a plan with synonyms and word frequencies, correct it, and convert it to index conditions."""

from dataclasses import replace
from itertools import pairwise

from faq.models import SearchKey

from . import indexing, query_parser, synonyms, typos
from .ranking import SYNONYM, TITLE, Plan, Term, limit_synonyms
from .stemming import stem

MAX_CORRECTIONS = 8
"""Words of one query for which corrections are looked up."""
MAX_SIMILAR_WORDS = 2000
"""Indexed words that are compared for a correction."""


def plan(query):
    """Return the `Plan` of a query: its words with synonyms, and their frequencies in the index."""
    choices = {word: [(1.0, (stem(word),))] for word in query.subjects}
    for group, meanings in synonyms.meanings(query.words):
        if len(group) > 1 or group[0] in choices:  # a stop word alone has no synonyms
            choices.setdefault(" ".join(group), []).extend((SYNONYM, roots) for roots in meanings)
    counts, total = indexing.frequencies(
        {root for options in choices.values() for _, roots in options for root in roots}
    )
    made = Plan(
        terms=tuple(Term(word, tuple(options)) for word, options in choices.items() if options),
        pairs=tuple(dict.fromkeys(pairwise(map(stem, query.subjects)))),
        phrases=tuple(tuple(map(stem, phrase)) for phrase in query.phrases),
        without=tuple(tuple(map(stem, words)) for words in query.without),
        counts=counts,
        total=total,
    )
    return replace(made, terms=tuple(limit_synonyms(made, term) for term in made.terms))


def corrections(query, plan):
    """Return the most similar known words for unknown words: ``{typed: correction}``."""
    unknown = [word for word in query.subjects if stem(word) not in plan.counts and not word.isdigit()]
    if not unknown:
        return {}
    with_synonym = {word for group, _ in synonyms.meanings(query.words) for word in group}
    unknown = [word for word in unknown if word not in with_synonym][:MAX_CORRECTIONS]
    keys = {key for word in unknown for key in typos.keys(word)}
    if not keys:
        return {}
    words = set(SearchKey.objects.filter(key__in=keys).values_list("word", flat=True)[:MAX_SIMILAR_WORDS])
    similar_synonyms = synonyms.near(keys)
    counts, _ = indexing.frequencies(
        {*map(stem, words), *(root for roots in similar_synonyms.values() for root in roots)}
    )
    known = {word: 0 for word, roots in similar_synonyms.items() if counts.keys() & roots}
    known |= {word: counts[stem(word)] for word in words if stem(word) in counts}
    found = {word: typos.nearest(word, known) for word in unknown}
    return {word: correction for word, correction in found.items() if correction}


def corrected(query, corrections):
    """Return the query with the corrections applied."""
    return query_parser.Query(
        tuple(dict.fromkeys(corrections.get(word, word) for word in query.words)),
        tuple(tuple(corrections.get(word, word) for word in phrase) for phrase in query.phrases),
        query.without,
    )


def conditions(plan, engine, looked_at):
    """Yield conditions for the full-text index, the most selective first, until the caller has enough candidates.

    If the rare words occur in at most `looked_at` texts, one condition for any of them is enough."""
    if plan.phrases:
        yield engine.all_of([engine.words(phrase) for phrase in plan.phrases])
        return
    stems = plan.stems
    if not stems:
        return
    few, count = [stems[0]], plan.counts[stems[0]]
    for root in stems[1:]:
        count += plan.counts[root]
        if count > looked_at:
            break
        few.append(root)
    if plan.counts[stems[0]] <= looked_at:
        yield engine.any_of([engine.words([root]) for root in few])
        return
    # Every word occurs in many texts: prefer texts with several words, then texts with a word in the question.
    for together in (stems[:4], stems[:2]):
        if len(together) > 1:
            yield engine.all_of([engine.words([root]) for root in together])
    yield engine.any_of([engine.words([root], TITLE) for root in stems[:4]])
    yield engine.words(stems[:1])
