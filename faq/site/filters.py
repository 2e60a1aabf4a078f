"""The filtered list: what can be asked for in the address, and what each choice would find."""

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
"""The filters that offer rows: their model, the path from a question to them, and the column of their names."""
MAX_COUNTED = 2000
"""Answers of a list whose choices are counted. A longer list offers choices without counts."""
VERY_LONG = 10_000
"""Answers of a topic or keyword that are no longer sorted for a page."""
MAX_CHOICES = 40
"""Choices that each filter of such a longer list offers."""
SAMPLE = 200
"""Answers of a longer list whose keywords are counted, to offer those that most of them have."""


class WordsField(forms.CharField):
    """Whatever somebody types into a search box is a question, not a mistake."""

    def to_python(self, value):
        return super().to_python(value).replace("\0", " ")


class WordsFilter(django_filters.CharFilter):
    field_class = WordsField

    def filter(self, questions, value):
        return questions  # words are looked for last, among what the other filters leave


class QuestionFilter(django_filters.FilterSet):
    """``?q=&topic=&tag=&checked=&collection=``: filters combine; a value that nothing has finds nothing.

    `search` is what `q` asks for (see `faq.search.search`), or None. With ``exact=1`` its words stay as they are.
    `chosen` are the other values, by the names in `FACETS`."""

    q = WordsFilter()
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
        return _led_to(questions, QuestionTag.objects.filter(tag__slug=slug), "content_object", self._for_page)

    def by_checked(self, questions, name, value):
        return {"yes": questions.checked, "overdue": questions.overdue, "no": questions.unchecked}[value]()

    def filter_queryset(self, questions):
        questions = super().filter_queryset(questions)
        return self.search.within(questions, narrowed=bool(self.chosen)) if self.search else questions

    @cached_property
    def _asked(self):
        self.form.is_valid()  # reads the data; a wrong choice spoils nothing else
        return self.form.cleaned_data

    @cached_property
    def search(self):
        words = self._asked["q"]
        return Search(words, as_typed="exact" in self.data) if words else None

    @cached_property
    def chosen(self):
        return {name: self._asked[name] for name in FACETS if self._asked.get(name)}

    def page(self, per_page):
        """The page that the address asks for."""
        if self.search:
            return Paginator(self.search.ranked(self.qs.for_list()), per_page).get_page(self.data.get("page"))
        return paging.page_of(self._in_order.for_list(), per_page, self.data, self._total)

    def facets(self):
        """For each filter that offers choices a dict ``{"name", "title", "choices"}``.

        A choice is a dict with "value", "label", "count" (what it would find together with the other filters, or None
        where that is too much to count), "chosen", and "link": the address that chooses it, or removes the chosen one,
        and keeps all the others. Choices that are known to find nothing are left out, but the chosen one stays, so that
        it can be removed."""
        return [{"name": name, "title": title, "choices": self._choices(name)} for name, title in FACETS.items()]

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
    def _in_order(self):
        """What is found, in order, to read the first of it."""
        return QuestionFilter(self.data, for_page=True).qs.in_order()

    @cached_property
    def _total(self):
        return paging.bounded_count(self.qs)

    @cached_property
    def _base(self):
        """Public questions that have the words, whatever else is chosen."""
        public = Question.objects.public()
        return self.search.within(public) if self.search else public

    @cached_property
    def _counted(self):
        """The `_Answers` that choices are counted among, and whether these are all, or just what all choices leave."""
        if not (self.search and self.search.is_cut and self.chosen) and not _is_long(self._base, MAX_COUNTED):
            return _Answers(self._base), True
        return (None if self._total > MAX_COUNTED else _Answers(self.qs)), False

    def _choices(self, name):
        answers, all_of_them = self._counted
        if counted := answers and (all_of_them or name not in self.chosen):
            choices = answers.choices(name, {other: self.chosen[other] for other in self.chosen if other != name})
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
        """Choices of a long list, as ``(value, label)``."""
        if name == "checked":
            return list(CHECKED.items())
        if name != "tag":  # there can be any number of tags, so only those of some answers are looked at
            return _public_rows(name)[:MAX_CHOICES]
        questions = self._base.in_order() if name in self.chosen else self._in_order
        some = list(questions.values_list("pk", flat=True)[:SAMPLE])
        tags = Tag.objects.filter(tagged__content_object__in=some).annotate(times=Count("pk"))
        most = tags.order_by("-times", "name").values_list("slug", "name")[:MAX_CHOICES]
        return sorted(most, key=lambda choice: choice[::-1])


def of_topic(questions, slug, for_page=False):
    """Those of the queryset that have this topic; `for_page` as for `_led_to`."""
    return _led_to(questions, Question.topics.through.objects.filter(topic__slug=slug), "question", for_page)


def _led_to(questions, rows, column, for_page):
    """Those of the queryset that one of the `rows` names in a column: to count them, or `for_page`, in order.

    These rows are where a database should begin. Only for a page of very many it should read the whole list in its
    order until the page is full, since it would have to sort the rows. SQLite has no way to know."""
    if for_page and _is_long(rows, VERY_LONG):
        return questions.filter(Exists(rows.filter(**{column: OuterRef("pk")})))
    return questions.filter(pk__in=rows.values(column))


def _is_long(rows, limit):
    return rows.order_by()[limit : limit + 1].exists()


def _public_rows(name, **values):
    """The rows that a filter offers, as ``(value, label)``, with these values. Others' names are not public."""
    if name == "checked":
        return [(value, label) for value, label in CHECKED.items() if value == values["slug"]]
    model, path, label = ROWS[name]
    public = Question.objects.public().filter(**{path: OuterRef("pk")})
    return list(model.objects.filter(Exists(public), **values).values_list("slug", label))


class _Answers:
    """What is counted of a few questions: for each one, its values by the names in `FACETS`."""

    def __init__(self, questions):
        self._values, self._labels = {}, {name: {} for name in FACETS}
        self._labels["checked"] = {value: (place, label) for place, (value, label) in enumerate(CHECKED.items())}
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
        """Values of a filter as ``(value, label, count)``, counted where the `others`, values by name, stand."""
        counts = Counter()
        for values in self._values.values():
            if all(value in values[other] for other, value in others.items()):
                counts.update(values[name])
        labels = self._labels[name]
        return [(value, labels[value][1], counts[value]) for value in sorted(counts, key=lambda v: (labels[v][0], v))]
