"""The filters of the list of questions, and the number of results of each choice."""

from collections import Counter
from functools import cached_property
from urllib.parse import urlencode

import django_filters
from django import forms
from django.core.paginator import Paginator
from django.db.models import Count, Exists, OuterRef
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from taggit.models import Tag

from faq.models import Collection, Question, QuestionTag, Topic
from faq.search.query_parser import MAX_LENGTH
from faq.search.search import Search

from . import paging

CHECKED = {"yes": _("Checked"), "overdue": _("Check overdue"), "no": _("Not checked yet")}
FACETS = {
    "topic": _("Topic"), "tag": _("Keyword"), "checked": _("Checked by an editor"), "collection": _("Collection")
}  # fmt: skip
ROWS = {
    "topic": (Topic, "topics", "name"),
    "tag": (Tag, "tags", "name"),
    "collection": (Collection, "collection", "title"),
}
"""Filters by rows: their model, the lookup from a question to it, and the field of the label."""
MAX_COUNTED = 2000
"""Questions up to which the results of each choice are counted. A longer list offers choices without counts."""
VERY_LONG = 10_000
"""Questions of a topic or keyword from which on the page is read in list order instead of sorting them all."""
MAX_CHOICES = 40
"""Choices of each filter of a list that is too long to count."""
SAMPLE = 200
"""Questions of a long list from which the most common keywords are taken."""


class QueryField(forms.CharField):
    """Accepts every text, also with NUL characters, which Django's field refuses."""

    def to_python(self, value):
        return super().to_python(value).replace("\0", " ")


class QueryFilter(django_filters.CharFilter):
    field_class = QueryField

    def filter(self, questions, value):
        return questions  # the search runs in `filter_queryset`, after all other filters


class QuestionFilter(django_filters.FilterSet):
    """Public questions filtered by ``?q=&topic=&tag=&checked=&collection=``. An unknown value finds nothing.

    `search` is the `Search` for `q`, or None; ``exact=1`` turns off its corrections. `chosen` are the other values, by
    the names in `FACETS`. `for_page` optimizes the queryset for reading its first rows instead of counting."""

    q = QueryFilter()
    topic = django_filters.CharFilter(method="by_topic")
    tag = django_filters.CharFilter(method="by_tag")
    checked = django_filters.ChoiceFilter(choices=list(CHECKED.items()), method="by_checked")
    collection = django_filters.CharFilter(field_name="collection__slug")

    class Meta:
        model = Question
        fields = []

    def __init__(self, data, for_page=False):
        super().__init__(data, Question.objects.public())
        self._for_page = for_page

    def by_topic(self, questions, name, slug):
        return of_topic(questions, slug, self._for_page)

    def by_tag(self, questions, name, slug):
        return _linked_from(questions, QuestionTag.objects.filter(tag__slug=slug), "content_object", self._for_page)

    def by_checked(self, questions, name, value):
        return {"yes": questions.checked, "overdue": questions.overdue, "no": questions.unchecked}[value]()

    def filter_queryset(self, questions):
        questions = super().filter_queryset(questions)
        return self.search.within(questions, narrowed=bool(self.chosen)) if self.search else questions

    @cached_property
    def _values(self):
        self.form.is_valid()  # an invalid choice is left out of cleaned_data
        return self.form.cleaned_data

    @cached_property
    def search(self):
        words = self._values["q"]
        return Search(words, as_typed="exact" in self.data) if words else None

    @cached_property
    def chosen(self):
        return {name: self._values[name] for name in FACETS if self._values.get(name)}

    def page(self, per_page):
        """Return the page whose number is in the address."""
        if self.search:
            return Paginator(self.search.ranked(self.qs.for_list()), per_page).get_page(self.data.get("page"))
        return paging.page_of(self._in_order.for_list(), per_page, self.data, self._total)

    def facets(self):
        """Return a dict ``{"name", "title", "choices"}`` for each filter that offers choices.

        A choice is a dict with "value", "label", "count" (its results together with the other filters, or None if the
        list is too long to count), "chosen", and "link": the address that selects this choice, or removes it if it is
        chosen. Choices without results are left out, except a chosen one, so that it can be removed."""
        return [{"name": name, "title": title, "choices": self._choices(name)} for name, title in FACETS.items()]

    def link(self, name, value=None):
        """Return the query string with one parameter changed or (None) removed, for the first page."""
        data = QueryDict(mutable=True)
        for other in (*self.filters, "exact"):  # drops unknown parameters
            if other in self.data and other != name:
                data[other] = self.data[other][:MAX_LENGTH]
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
    def _in_order(self):
        """The results in list order, for reading the first ones."""
        return QuestionFilter(self.data, for_page=True).qs.in_order()

    @cached_property
    def _total(self):
        return paging.bounded_count(self.qs)

    @cached_property
    def _base(self):
        """The results of the search alone, without the other filters."""
        public = Question.objects.public()
        return self.search.within(public) if self.search else public

    @cached_property
    def _counted(self):
        """The `_Counts`, or None if there are too many questions, and whether they ignore the chosen filters."""
        if not (self.search and self.search.is_cut and self.chosen) and not _is_long(self._base, MAX_COUNTED):
            return _Counts(self._base), True
        return (None if self._total > MAX_COUNTED else _Counts(self.qs)), False

    def _choices(self, name):
        counts, unfiltered = self._counted
        if counted := counts and (unfiltered or name not in self.chosen):
            choices = counts.choices(name, {other: self.chosen[other] for other in self.chosen if other != name})
        else:
            choices = [(*choice, None) for choice in self._offered(name)]
        chosen, without = self.chosen.get(name), self.link(name)
        if chosen and chosen not in [value for value, *_ in choices]:
            choices += [(*choice, 0 if counted else None) for choice in _public_rows(name, slug=chosen)]
        others = f"{without}&" if len(without) > 1 else without
        return [
            {
                "value": value,
                "label": label,
                "count": count,
                "chosen": value == chosen,
                "link": without if value == chosen else f"{others}{urlencode({name: value})}",
            }
            for value, label, count in choices
        ]

    def _offered(self, name):
        """Return the choices of a list that is too long to count, as ``(value, label)``."""
        if name == "checked":
            return list(CHECKED.items())
        if name != "tag":  # there can be very many tags, so they come from a sample of the questions
            return _public_rows(name)[:MAX_CHOICES]
        questions = self._base.in_order() if name in self.chosen else self._in_order
        sample = list(questions.values_list("pk", flat=True)[:SAMPLE])
        tags = Tag.objects.filter(tagged__content_object__in=sample).annotate(times=Count("pk"))
        common = tags.order_by("-times", "name").values_list("slug", "name")[:MAX_CHOICES]
        return sorted(common, key=lambda choice: choice[::-1])


def of_topic(questions, slug, for_page=False):
    """Filter a queryset of questions by the slug of a topic. `for_page`: see `_linked_from`."""
    return _linked_from(questions, Question.topics.through.objects.filter(topic__slug=slug), "question", for_page)


def _linked_from(questions, rows, column, for_page):
    """Filter questions to those that a column of `rows` refers to.

    Usually it is fastest to begin with `rows`. `for_page`, if there are very many rows, it is faster to read
    the questions in list order until the page is full than to sort them. SQLite cannot choose that plan by itself."""
    if for_page and _is_long(rows, VERY_LONG):
        return questions.filter(Exists(rows.filter(**{column: OuterRef("pk")})))
    return questions.filter(pk__in=rows.values(column))


def _is_long(rows, limit):
    return rows.order_by()[limit : limit + 1].exists()


def _public_rows(name, **values):
    """Return the choices of a filter that have public questions, as ``(value, label)``. Other names are not public."""
    if name == "checked":
        return [(value, label) for value, label in CHECKED.items() if value == values["slug"]]
    model, path, label = ROWS[name]
    public = Question.objects.public().filter(**{path: OuterRef("pk")})
    return list(model.objects.filter(Exists(public), **values).values_list("slug", label))


class _Counts:
    """The values of each question by the names in `FACETS`, for counting the results of choices."""

    def __init__(self, questions):
        self._values, self._labels = {}, {name: {} for name in FACETS}
        self._labels["checked"] = {value: (position, label) for position, (value, label) in enumerate(CHECKED.items())}
        today = timezone.localdate()
        for pk, slug, title, due in questions.order_by().values_list(
            "pk", "collection__slug", "collection__title", "check_due"
        ):
            checked = "no" if due is None else "yes" if due >= today else "overdue"
            self._values[pk] = {"topic": set(), "tag": set(), "checked": {checked}, "collection": {slug}}
            self._labels["collection"][slug] = title, title
        keys = list(self._values)
        topics = Question.topics.through.objects.filter(question__in=keys)
        tags = QuestionTag.objects.filter(content_object__in=keys)
        self._add("topic", topics.values_list("question", "topic__slug", "topic__position", "topic__name"))
        self._add("tag", tags.values_list("content_object", "tag__slug", "tag__name", "tag__name"))

    def _add(self, name, rows):
        for pk, slug, order, label in rows:
            self._values[pk][name].add(slug)
            self._labels[name][slug] = order, label

    def choices(self, name, others):
        """Return the choices of a filter as ``(value, label, count)``, with the `others` (values by name) applied."""
        counts = Counter()
        for values in self._values.values():
            if all(value in values[other] for other, value in others.items()):
                counts.update(values[name])
        labels = self._labels[name]
        return [(value, labels[value][1], counts[value]) for value in sorted(counts, key=lambda v: (labels[v][0], v))]
