"""Run one search: parse the query, find and rank questions, and add a passage to each.

    search = Search("will they tell la migra?")
    questions = search.within(Question.objects.public().for_list())     an unsorted queryset
    page = Paginator(search.ranked(questions), 20).page(1)              sorted, with passages

The full-text index finds a limited number of candidates, and `ranking` sorts them, so that the time for a page does not
depend on the number of questions.
"""

from functools import cached_property

from django.db import connection
from django.db.models import F
from django.db.models.expressions import RawSQL

from faq.answers import content as contents
from faq.models import SearchText

from . import highlight, indexing, planning, postgres, query_parser, sqlite
from .errors import index_errors
from .ranking import FLOOR, passage, score

MAX_RESULTS = 200
"""Results of one search."""
MAX_RANKED = 2000
"""Matches that the database ranks to find the best ones."""
PASSAGE_LENGTH = 200
"""Characters of a passage."""


def engine():
    return sqlite if connection.vendor == "sqlite" else postgres


class Search:
    """The search for a query. Queries the database lazily. With `as_typed`, misspelled words are not corrected."""

    def __init__(self, text, as_typed=False):
        self.text, self.as_typed = text, as_typed
        self.query = query_parser.read(text)
        self._order, self._texts, self._narrowed = {}, {}, {}

    @cached_property
    def relaxed(self):
        """The search without phrases and exclusions, or None if the query has none."""
        if self.query.phrases or self.query.without:
            return Search(" ".join(self.query.words), self.as_typed)
        return None

    @cached_property
    def corrections(self):
        """Corrections of unknown words: ``{typed: correction}``."""
        return {} if self.as_typed else planning.corrections(self.query, self._plan_as_typed)

    @cached_property
    def corrected(self):
        """The query text with the corrections."""
        text = self.text[: query_parser.MAX_LENGTH]
        for word, start, end in reversed(query_parser.positions(text)):
            if word in self.corrections:
                text = text[:start] + self.corrections[word] + text[end:]
        return text

    @cached_property
    def plan(self):
        if self.corrections:
            return planning.plan(planning.corrected(self.query, self.corrections))
        return self._plan_as_typed

    @cached_property
    def found(self):
        """Ids of the results, best first."""
        return self._ranked_ids(self._candidates)

    @property
    def more(self):
        """Whether there are more results than `MAX_RESULTS`."""
        return len(self.found) >= MAX_RESULTS

    @property
    def is_cut(self):
        """Whether the index has more candidates than `MAX_RESULTS`. Filters then run a query of their own."""
        return len(self._candidates) >= MAX_RESULTS

    @property
    def missed(self):
        """Whether no question contains any of the words."""
        return not self.found and not (self.relaxed and self.relaxed.found)

    def within(self, questions, narrowed=False):
        """Filter the queryset `questions` by the query. Set `narrowed` if it is not all public questions."""
        found = self.found
        if narrowed and self.is_cut:
            found = self._found_in(questions)
        # An outdated index may miss results, but never returns text that is not public any more.
        return questions.filter(pk__in=found, live=F("search_text__edition"))

    def ranked(self, questions):
        """Return the queryset from `within` as a sorted sequence, for `django.core.paginator`."""
        return Ranked(self, questions)

    def sort_key(self, pk):
        return self._order[pk]

    def shown(self, question):
        """Set `marked` (the question), `passage` (both HTML) and `anchor` (the link to the passage), and return it."""
        content, stems = question.live.content, set(self.plan.stems)
        lines = self._texts[question.pk].points.split("\n")
        scores = [passage(self.plan, line.split()) for line in lines[: len(content.blocks)]]
        best = max(scores, default=0)
        text, question.anchor = question.live.excerpt, ""
        short = content.short_answer
        if short and passage(self.plan, query_parser.stems(short)) >= best:
            text = short
        elif best:
            block = content.blocks[scores.index(best)]
            text, question.anchor = contents.said(block), f"#p{block.key}"
        question.passage = highlight.mark(text, stems, PASSAGE_LENGTH)
        question.marked = highlight.mark(content.question, stems)
        return question

    @cached_property
    def _plan_as_typed(self):
        return planning.plan(self.query)

    @cached_property
    def _candidates(self):
        return self._query_index(None)

    @cached_property
    def _floor(self):
        return FLOOR * -self._order[self.found[0]][0] if self.found else 0

    def _found_in(self, questions):
        """Return the ids of the results in a queryset, which may include questions that are not in `found`.

        The minimum score is the same as for all questions, so that the counts of the filters are consistent."""
        ids = list(questions.order_by().values_list("pk", flat=True)[: MAX_RESULTS + 1])
        if len(ids) <= MAX_RESULTS:  # faster than a query of the full-text index
            return self._ranked_ids(ids, self._floor)
        subquery = questions.filter(pk=RawSQL(engine().OUTER_ID, [])).order_by().values("pk")  # noqa: S611
        sql, parameters = subquery.query.sql_with_params()
        if (sql, parameters) not in self._narrowed:  # the list and most of its facets share one result
            self._narrowed[sql, parameters] = self._ranked_ids(
                self._query_index((f"EXISTS ({sql})", parameters)), self._floor
            )
        return self._narrowed[sql, parameters]

    @index_errors()
    def _query_index(self, within):
        """Return the ids of the best `MAX_RESULTS` candidates. `within` is an SQL condition, or None."""
        ids = {}
        for condition in planning.conditions(self.plan, engine(), MAX_RANKED):
            ids |= dict.fromkeys(engine().candidates(condition, within, MAX_RESULTS, MAX_RANKED))
            if len(ids) >= MAX_RESULTS:
                break
        return list(ids)[:MAX_RESULTS]

    def _ranked_ids(self, ids, floor=None):
        """Return the candidates with at least the minimum score, sorted by score, then by collection and number."""
        texts = (
            SearchText.objects.filter(pk__in=ids)
            .select_related("question__collection")
            .only(*indexing.FIELDS, "question__number", "question__collection__title")
        )
        scores = {text: round(score(self.plan, text), 6) for text in texts}
        if floor is None:
            floor = FLOOR * max(scores.values(), default=0)
        good = [text for text in scores if 0 < scores[text] >= floor]
        for text in good:
            question = text.question
            self._texts[text.pk] = text
            self._order[text.pk] = (
                -scores[text],
                question.collection.title,
                question.collection_id,
                question.number,
            )
        return sorted((text.pk for text in good), key=self.sort_key)


class Ranked:
    """The results as a sorted sequence. A slice loads only its own questions."""

    def __init__(self, search, questions):
        self.search, self.questions = search, questions

    @cached_property
    def ids(self):
        return sorted(self.questions.order_by().values_list("pk", flat=True), key=self.search.sort_key)

    def __len__(self):
        return len(self.ids)

    def __iter__(self):
        return iter(self[:])

    def __getitem__(self, part):
        ids = self.ids[part]
        found = {question.pk: question for question in self.questions.filter(pk__in=ids)}
        return [self.search.shown(found[pk]) for pk in ids if pk in found]
