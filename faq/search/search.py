"""One search, from what somebody typed to the questions in their order, each with the passage that fits.

    search = Search("will they tell la migra?")
    questions = search.within(Question.objects.public().for_list())     a queryset, not yet in order
    page = Paginator(search.ranked(questions), 20).page(1)              in order, with passages

The database's engine finds some candidates and `ranking` puts them in order, so that a page costs the same however many
questions there are.
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

MOST = 200
"""Results of one search. Who does not find it among these adds a word."""
LOOKED_AT = 2000
"""Texts that the database ranks to choose them."""
PASSAGE = 200
"""Characters that are shown of one."""


def engine():
    return sqlite if connection.vendor == "sqlite" else postgres


class Search:
    """What somebody typed, compared with the index. Asks the database when something is asked of it."""

    def __init__(self, text, as_typed=False):
        self.text, self.as_typed = text, as_typed
        self.query = query_parser.read(text)
        self._order, self._texts, self._among = {}, {}, {}

    @cached_property
    def relaxed(self):
        """The same words without conditions on them, or None where there are none."""
        if self.query.phrases or self.query.without:
            return Search(" ".join(self.query.words), self.as_typed)
        return None

    @cached_property
    def corrections(self):
        """Words that nothing has, with the nearest ones that something has: ``{typed: meant}``."""
        return {} if self.as_typed else planning.corrections(self.query, self._plan_as_typed)

    @cached_property
    def corrected(self):
        """The text with the corrections in it."""
        text = self.text[: query_parser.MAX_LENGTH]
        for word, start, end in reversed(query_parser.places(text)):
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
        """Ids of the questions found, best first."""
        return self._ranked_ids(self._candidates)

    @property
    def more(self):
        """Whether there are more than are shown."""
        return len(self.found) >= MOST

    @property
    def is_cut(self):
        """Whether more than these have the words, so that filters look among more, too."""
        return len(self._candidates) >= MOST

    @property
    def missed(self):
        """Whether nothing has any of the words."""
        return not self.found and not (self.relaxed and self.relaxed.found)

    def within(self, questions, narrowed=False):
        """Those of the queryset `questions` that are found. `narrowed`: it holds less than all public questions."""
        found = self.found
        if narrowed and self.is_cut:
            found = self._found_among(questions)
        # An index that is behind finds too little, but never what the public does not see any more.
        return questions.filter(pk__in=found, live=F("search_text__edition"))

    def ranked(self, questions):
        """What `within` returned, in order: a sequence for `django.core.paginator`."""
        return Ranked(self, questions)

    def place(self, pk):
        """What to sort a found question by."""
        return self._order[pk]

    def shown(self, question):
        """The question with `marked` (its words), `passage` (both HTML) and `anchor`, which leads to the passage."""
        content, wanted = question.live.content, set(self.plan.stems)
        lines = self._texts[question.pk].points.split("\n")
        values = [passage(self.plan, line.split()) for line in lines[: len(content.blocks)]]
        best = max(values, default=0)
        text, question.anchor = question.live.excerpt, ""
        short = content.short_answer
        if short and passage(self.plan, query_parser.stems(short)) >= best:
            text = short
        elif best:
            block = content.blocks[values.index(best)]
            text, question.anchor = contents.said(block), f"#p{block.key}"
        question.passage = highlight.mark(text, wanted, PASSAGE)
        question.marked = highlight.mark(content.question, wanted)
        return question

    @cached_property
    def _plan_as_typed(self):
        return planning.plan(self.query)

    @cached_property
    def _candidates(self):
        return self._ask(None)

    @cached_property
    def _floor(self):
        return FLOOR * -self._order[self.found[0]][0] if self.found else 0

    def _found_among(self, questions):
        """Ids of those of the queryset that are found: not all of them need to be among the best of all.

        They are held to the same floor, so that the counts beside the filters stay true."""
        few = list(questions.order_by().values_list("pk", flat=True)[: MOST + 1])
        if len(few) <= MOST:  # the full-text index would look for them in all that it finds
            return self._ranked_ids(few, self._floor)
        inside = questions.filter(pk=RawSQL(engine().OUTER_ID, [])).order_by().values("pk")  # noqa: S611
        sql, parameters = inside.query.sql_with_params()
        if (sql, parameters) not in self._among:  # the list itself and most of its facets ask for the same
            self._among[sql, parameters] = self._ranked_ids(self._ask((f"EXISTS ({sql})", parameters)), self._floor)
        return self._among[sql, parameters]

    @index_errors()
    def _ask(self, within):
        """Ids of at most `MOST` questions that the engine takes for the best, in the condition `within` or in all."""
        ids = {}
        for condition in planning.conditions(self.plan, engine(), LOOKED_AT):
            ids |= dict.fromkeys(engine().candidates(condition, within, MOST, LOOKED_AT))
            if len(ids) >= MOST:
                break
        return list(ids)[:MOST]

    def _ranked_ids(self, ids, floor=None):
        """The candidates that are good enough, in order: by points, then as lists stand. Remembers their texts."""
        texts = (
            SearchText.objects.filter(pk__in=ids)
            .select_related("question__collection")
            .only(*indexing.FIELDS, "question__number", "question__collection__title")
        )
        points = {text: round(score(self.plan, text), 6) for text in texts}
        if floor is None:
            floor = FLOOR * max(points.values(), default=0)
        good = [text for text in points if 0 < points[text] >= floor]
        for text in good:
            question = text.question
            self._texts[text.pk] = text
            self._order[text.pk] = (
                -points[text],
                question.collection.title,
                question.collection_id,
                question.number,
            )
        return sorted((text.pk for text in good), key=self.place)


class Ranked:
    """Found questions in order, as a sequence: only those that are asked for are read whole."""

    def __init__(self, search, questions):
        self.search, self.questions = search, questions

    @cached_property
    def ids(self):
        return sorted(self.questions.order_by().values_list("pk", flat=True), key=self.search.place)

    def __len__(self):
        return len(self.ids)

    def __iter__(self):
        return iter(self[:])

    def __getitem__(self, part):
        ids = self.ids[part]
        found = {question.pk: question for question in self.questions.filter(pk__in=ids)}
        return [self.search.shown(found[pk]) for pk in ids if pk in found]
