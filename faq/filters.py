"""The filtered list: what can be asked for in the address, and what each choice would find."""

from functools import cached_property

import django_filters
from django import forms
from django.db.models import Count, Exists, OuterRef
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _
from taggit.models import Tag

from .models import Collection, Question, QuestionTag, Topic
from .models.questions import QuestionQuerySet
from .paging import MOST, total
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


class WordsField(forms.CharField):
    """Whatever somebody types into a search box is a question, not a mistake."""

    def to_python(self, value):
        return super().to_python(value).replace("\0", " ")


class WordsFilter(django_filters.CharFilter):
    field_class = WordsField


class QuestionFilter(django_filters.FilterSet):
    """``?q=&topic=&tag=&checked=&collection=``: filters combine; a value that nothing has finds nothing.

    `search` is what `q` asks for (see `faq.search.finding`), or None. With ``exact=1`` its words stay as they are.
    """

    q = WordsFilter(method="filter_words")
    topic = django_filters.CharFilter(method="filter_topic")
    tag = django_filters.CharFilter(method="filter_tag")
    checked = django_filters.ChoiceFilter(choices=list(CHECKED.items()), method="filter_checked")
    collection = django_filters.CharFilter("collection__slug")

    class Meta:
        model = Question
        fields = []

    def __init__(self, data=None, queryset=None, search=None, by_each=False, **options):
        super().__init__(data, queryset, **options)
        self._search, self._by_each = search, by_each

    @cached_property
    def search(self):
        self.form.is_valid()  # reads the data; a wrong choice spoils nothing else
        words = self.form.cleaned_data["q"]
        return self._search or (Search(words, as_typed="exact" in self.data) if words else None)

    @cached_property
    def total(self):
        return total(self.qs)

    @property
    def narrowed(self):
        """Whether anything is chosen beside the words."""
        return any(value for name, value in self.form.cleaned_data.items() if name != "q")

    def filter_queryset(self, queryset):
        """The words come last: they are looked for among what the other filters leave."""
        queryset = super().filter_queryset(queryset)
        return self.search.within(queryset, self.narrowed) if self.search else queryset

    def filter_words(self, queryset, name, value):
        return queryset

    def filter_topic(self, queryset, name, value):
        return self._among(queryset, Question.topics.through.objects.filter(topic__slug=value), "question")

    def filter_tag(self, queryset, name, value):
        return self._among(queryset, QuestionTag.objects.filter(tag__slug=value), "content_object")

    def _among(self, queryset, rows, to_question):
        """Those questions of the queryset that one of `rows` leads to.

        By their keys where a list is read in its order, and by a look at each where few are looked at (see `facets`):
        a database would collect the keys anew for each choice."""
        if self._by_each:
            return queryset.filter(Exists(rows.filter(**{to_question: OuterRef("pk")})))
        return queryset.filter(pk__in=rows.values(to_question))

    def filter_checked(self, queryset, name, value):
        return queryset.filter(CHECKED_CONDITIONS[value]())

    def facets(self):
        """For each filter that offers choices a dict ``{"name", "title", "choices"}``.

        A choice is a dict with "value", "label", "count" (what it would find together with the other filters, or None
        where there is something, but too much to count), "chosen", and "link": the address that chooses it, or removes
        the chosen one, and keeps all the others. Choices that find nothing are left out, but the chosen one stays, so
        that it can be removed."""
        return [
            self._facet("topic", _("Topic"), Topic, "topics", "name", "position"),
            self._facet("tag", _("Keyword"), Tag, "tags", "name", "name"),
            self._checked_facet(),
            self._facet("collection", _("Collection"), Collection, "collection", "title", "title"),
        ]

    def link(self, name, value):
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
        return self.link("q", None)

    def _facet(self, name, title, model, path, label, order):
        """Choices that are rows of `model`, reached over `path`, called by their `label`, in their `order`."""
        slug, words, long = f"{path}__slug", f"{path}__{label}", self._is_long(name)
        found = self._without(name, by_each=long)
        if long:
            rows = model.objects.filter(Exists(found.filter(**{path: OuterRef("pk")}))).order_by(order, "slug")
            if model is Tag:  # of which there can be any number
                rows = rows.filter(pk__in=_most_common(found))
            rows = [(*row, None) for row in rows.values_list("slug", label)[:LONGEST]]
        else:
            named = found.filter(**{f"{path}__isnull": False}).order_by(f"{path}__{order}", slug)
            rows = list(named.values_list(slug, words).annotate(Count("pk", distinct=True)))
        chosen = self.data.get(name)
        if chosen and name not in self.errors and chosen not in [row[0] for row in rows]:
            # Only what some public question has: the name of a topic of drafts is not public either.
            known = Question.objects.public().filter(**{slug: chosen}).order_by().values_list(slug, words)[:1]
            rows += [(*row, 0) for row in known]
        return self._as_dict(name, title, rows)

    def _checked_facet(self):
        long = self._is_long("checked")
        found = self._without("checked", by_each=long).order_by()
        conditions = {value: condition() for value, condition in CHECKED_CONDITIONS.items()}
        if long:
            counts = {value: None if found.filter(conditions[value]).exists() else 0 for value in conditions}
        else:
            counts = found.aggregate(**{value: Count("pk", filter=conditions[value]) for value in conditions})
        rows = [(value, label, counts[value]) for value, label in CHECKED.items()]
        return self._as_dict("checked", _("Checked by an editor"), rows)

    def _as_dict(self, name, title, rows):
        chosen = self.data.get(name)
        choices = [
            {
                "value": value,
                "label": label,
                "count": count,
                "chosen": value == chosen,
                "link": self.link(name, None if value == chosen else value),
            }
            for value, label, count in rows
            if count != 0 or value == chosen
        ]
        return {"name": name, "title": title, "choices": choices}

    def _without(self, name, by_each=False):
        data = self.data.copy()
        data.pop(name, None)
        return type(self)(data, Question.objects.public(), self.search, by_each).qs

    def _is_long(self, name):
        """Whether too much is found without the filter `name` to be counted. (A search never finds so much.)"""
        if self.search:
            return False
        return (total(self._without(name)) if self.data.get(name) else self.total).more


def _most_common(found):
    """Keywords that the first of the found questions have most."""
    some = QuestionTag.objects.filter(content_object__in=found.order_by("pk").values("pk")[:MOST])
    return some.values("tag").annotate(times=Count("pk")).order_by("-times", "tag").values("tag")[:LONGEST]
