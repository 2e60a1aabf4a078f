"""The filtered list: what can be asked for in the address, and what each choice would find."""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlencode

import django_filters
from django import forms
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from taggit.models import Tag

from .models import Collection, Question, QuestionTag, Topic
from .models.places import place
from .models.questions import QuestionQuerySet
from .paging import MOST, Total, total
from .search.finding import Search
from .search.reading import MAX_LENGTH

CHECKED = {"yes": _("Checked"), "overdue": _("Check overdue"), "no": _("Not checked yet")}

CHECKED_CONDITIONS = {
    "yes": QuestionQuerySet.is_checked,
    "overdue": QuestionQuerySet.is_overdue,
    "no": QuestionQuerySet.is_unchecked,
}


LONGEST = 40
"""Choices that a filter of a long list offers."""
SAMPLE = 200
"""Answers of a long list whose keywords are counted, to offer those that most of them have."""


class WordsField(forms.CharField):
    """Whatever somebody types into a search box is a question, not a mistake."""

    def to_python(self, value):
        return super().to_python(value).replace("\0", " ")


class WordsFilter(django_filters.CharFilter):
    field_class = WordsField


@dataclass(frozen=True)
class Facet:
    """A filter whose choices are rows of `model`, called by their `label`, in the `order` of one of their columns."""

    title: str
    model: type
    path: str
    """From a question to them."""
    label: str
    order: str


FACETS = {
    "topic": Facet(_("Topic"), Topic, "topics", "name", "position"),
    "tag": Facet(_("Keyword"), Tag, "tags", "name", "name"),
    "collection": Facet(_("Collection"), Collection, "collection", "title", "title"),
}


# What leads to the questions of a topic or with a keyword: the rows, in the order of lists, and their column.
LEADING = {"topic": (Question.topics.through, "question"), "tag": (QuestionTag, "content_object")}


@dataclass(frozen=True)
class Rows:
    """Rows that lead to questions, each to one, over the `path`: empty where they are the questions themselves."""

    all: QuerySet
    path: str = ""

    @property
    def key(self):
        """Their column with the question's key, which puts them in the order of lists."""
        return self.path.replace("__", "_id") or "pk"

    @property
    def counted(self):
        """The same with no column but the one whose index says what is public: so SQLite reads nothing but that."""
        return self.all if self.path else self.all.values("live")

    @property
    def listed(self):
        """How `paging` makes a list of them."""
        return {"key": self.key, "shown": Question.objects.for_list() if self.path else None}


def public(by="", **values):
    """`Rows` of all public questions with these values: keys of a topic, a tag, a collection, or one of `CHECKED`.

    They are read `by` topic or tag: SQLite would collect the questions of a topic to put them in order, although the
    table that leads to them has them in order."""
    rows = Rows(Question.objects.for_list())
    if by in LEADING:
        model, column = LEADING[by]
        rows = Rows(model.objects.all(), f"{column}__")
    conditions = [QuestionQuerySet.is_public(rows.path)]
    for name, value in values.items():
        if name == "checked":
            conditions.append(CHECKED_CONDITIONS[value](rows.path))
        elif name == "collection":  # whose questions are beside each other
            conditions.append(Q(**{f"{rows.key}__gt": place(value, 0), f"{rows.key}__lt": place(value + 1, 0)}))
        elif name == by:
            conditions.append(Q(**{name: value}))
        else:
            model, column = LEADING[name]
            conditions.append(Exists(model.objects.filter(**{name: value, column: OuterRef(rows.key)})))
    return Rows(rows.all.filter(*conditions), rows.path)


class QuestionFilter(django_filters.FilterSet):
    """``?q=&topic=&tag=&checked=&collection=``: filters combine; a value that nothing has finds nothing.

    `search` is what `q` asks for (see `faq.search.finding`), or None. With ``exact=1`` its words stay as they are.
    `rows` lead to all that is found.
    """

    q = WordsFilter()
    topic = django_filters.CharFilter()
    tag = django_filters.CharFilter()
    checked = django_filters.ChoiceFilter(choices=list(CHECKED.items()))
    collection = django_filters.CharFilter()

    class Meta:
        model = Question
        fields = []

    def __init__(self, data):
        super().__init__(data, Question.objects.none())
        self._totals, self._few = {}, {}

    @cached_property
    def search(self):
        words = self._asked["q"]
        return Search(words, as_typed="exact" in self.data) if words else None

    @cached_property
    def rows(self):
        return self._rows(self._values)

    @cached_property
    def total(self):
        return self._total(self._values)

    def facets(self):
        """For each filter that offers choices a dict ``{"name", "title", "choices"}``.

        A choice is a dict with "value", "label", "count" (what it would find together with the other filters, or None
        where there is something, but too much to count), "chosen", and "link": the address that chooses it, or removes
        the chosen one, and keeps all the others. Choices that find nothing are left out, but the chosen one stays, so
        that it can be removed."""
        return [self._facet("topic"), self._facet("tag"), self._checked_facet(), self._facet("collection")]

    def link(self, name, value=None):
        """The query part of the same list with one parameter changed (None removes it), from the first page on."""
        data = QueryDict(mutable=True)
        for known in (*self.filters, "exact"):  # what else stands in an address would be repeated in every link
            if known in self.data and known != name:
                data[known] = self.data[known][:MAX_LENGTH]
        if name == "q":
            data.pop("exact", None)
        if value is not None:
            data[name] = value
        return f"?{data.urlencode()}"

    @property
    def as_typed(self):
        return self.link("exact", "1")

    @property
    def without_words(self):
        return self.link("q")

    @cached_property
    def _asked(self):
        self.form.is_valid()  # reads the data; a wrong choice spoils nothing else
        return self.form.cleaned_data

    @cached_property
    def _chosen(self):
        """The chosen rows of other tables as ``(key, label)``, or None for what there is not."""
        asked = {name: value for name in FACETS if (value := self._asked.get(name))}
        return {
            name: FACETS[name].model.objects.filter(slug=value).values_list("pk", FACETS[name].label).first()
            for name, value in asked.items()
        }

    @cached_property
    def _values(self):
        """What is chosen: for each filter the key of a row, or one of `CHECKED`; None where there is no such row."""
        values = {name: row and row[0] for name, row in self._chosen.items()}
        if checked := self._asked.get("checked"):
            values["checked"] = checked
        return values

    def _without(self, name):
        return {known: value for known, value in self._values.items() if known != name}

    def _rows(self, values):
        """What leads to those that are found with these values."""
        if self.search:  # the words come last: they are looked for among what the filters leave
            return Rows(self.search.within(self._leading(values, by="").all, bool(values)))
        # Much may have to be looked at to find little. So it is done once, and not again for each of the counts.
        if (len(values) > 1 or "checked" in values) and not self._total(values).more:
            return Rows(Question.objects.for_list().filter(pk__in=self._keys(values)))
        return self._leading(values)

    def _total(self, values):
        """How much is found with these values, as `paging.Total`."""
        asked = frozenset(values.items())
        if asked not in self._totals:
            if self.search:
                self._totals[asked] = total(self._rows(values).all)
            elif len(values) > 1:
                self._totals[asked] = Total.of(len(self._keys(values)))
            else:
                self._totals[asked] = total(self._leading(values).counted)
        return self._totals[asked]

    def _keys(self, values):
        """Keys of what is found: all of them, or more than `MOST` where that is not all."""
        asked = frozenset(values.items())
        if asked not in self._few:
            rows = self._leading(values)
            self._few[asked] = list(rows.all.order_by().values_list(rows.key, flat=True)[: MOST + 1])
        return self._few[asked]

    def _finds(self, values):
        """Whether anything is found with these values."""
        if values == self._values:
            return bool(self.total.number)
        return self._leading(values).all.exists()

    def _leading(self, values, by=None):
        """What leads to the public questions with these values, read `by` the filter that leaves least to look at: a
        database has no way to know which one that is."""
        if None in values.values():
            return Rows(Question.objects.none())
        return public(by=self._rarest(values) if by is None else by, **values)

    def _rarest(self, values):
        names = [name for name in ("topic", "tag", "checked") if name in values]
        if len(names) > 1:
            names.sort(key=lambda name: self._total({name: values[name]}).more)
        return names[0] if names else ""

    def _is_long(self, values):
        """Whether too much is found with these values to be counted. (A search never finds so much.)"""
        return not self.search and self._total(values).more

    def _facet(self, name):
        facet, others = FACETS[name], self._without(name)
        if self._is_long(others):
            choices = [(*row, None) for row in self._found(name, others)]
        else:
            choices = self._counted(name, others)
        chosen = self._asked.get(name)
        if chosen and chosen not in [value for value, *_ in choices] and self._is_public(name):
            choices.append((chosen, self._chosen[name][1], 0))
        return self._as_dict(name, facet.title, choices)

    def _is_public(self, name):
        """Whether some public question has the chosen row: else its name is not public either."""
        return self._leading({name: self._values[name]}).all.exists()

    def _found(self, name, others):
        """Choices that find something, together with the other values: ``(value, label)``."""
        facet = FACETS[name]
        rows = facet.model.objects.order_by(facet.order, "slug").values_list("slug", facet.label)
        if name == "tag" and Tag.objects.all()[LONGEST : LONGEST + 1].exists():  # there can be any number
            return rows.filter(pk__in=self._most_common(others))
        each = self._leading({**others, name: OuterRef("pk")}, by=name if name in LEADING else None)
        # The first one of each in order: PostgreSQL would compare whole tables to say whether one EXISTS.
        first = Subquery(each.all.order_by(each.key).values(each.key)[:1])
        return rows.filter(IsNull(first, False))[:LONGEST]

    def _most_common(self, others):
        """Keywords that the first of the found questions have most."""
        rows = self._leading(others)
        some = list(rows.all.order_by(rows.key).values_list(rows.key, flat=True)[:SAMPLE])
        times = QuestionTag.objects.filter(content_object__in=some).values_list("tag").annotate(times=Count("pk"))
        return [tag for tag, _times in times.order_by("-times", "tag")[:LONGEST]]

    def _counted(self, name, others):
        """Choices that find something, each with how much: ``(value, label, count)``."""
        facet, rows = FACETS[name], self._rows(others)
        path, found = rows.path + facet.path, rows.all.filter(**{f"{rows.path}{facet.path}__isnull": False})
        if others.keys() == {"collection"}:  # how many these are is better known than how many are between two keys
            found = found.filter(collection=others["collection"])
        found = found.order_by(f"{path}__{facet.order}", f"{path}__slug")
        return list(found.values_list(f"{path}__slug", f"{path}__{facet.label}").annotate(Count("pk", distinct=True)))

    def _checked_facet(self):
        others = self._without("checked")
        if self._is_long(others):
            counts = {value: None if self._finds({**others, "checked": value}) else 0 for value in CHECKED}
        else:
            rows = self._rows(others)
            conditions = {value: condition(rows.path) for value, condition in CHECKED_CONDITIONS.items()}
            counts = rows.all.order_by().aggregate(
                **{value: Count("pk", filter=condition) for value, condition in conditions.items()}
            )
        choices = [(value, label, counts[value]) for value, label in CHECKED.items()]
        return self._as_dict("checked", _("Checked by an editor"), choices)

    def _as_dict(self, name, title, choices):
        chosen, without = self._asked.get(name), self.link(name)
        others = f"{without}&" if len(without) > 1 else without
        choices = [
            {
                "value": value,
                "label": label,
                "count": count,
                "chosen": value == chosen,
                "link": without if value == chosen else f"{others}{urlencode({name: value})}",
            }
            for value, label, count in choices
            if count != 0 or value == chosen
        ]
        return {"name": name, "title": title, "choices": choices}
