"""The filtered list: what can be asked for in the address, and what each choice would find."""

from functools import cached_property

import django_filters
from django import forms
from django.db.models import Count
from django.utils.translation import gettext_lazy as _

from .models import Question
from .models.questions import QuestionQuerySet
from .search.finding import Search

CHECKED = {"yes": _("Checked"), "overdue": _("Check overdue"), "no": _("Not checked yet")}

CHECKED_CONDITIONS = {
    "yes": QuestionQuerySet.is_checked,
    "overdue": QuestionQuerySet.is_overdue,
    "no": QuestionQuerySet.is_unchecked,
}


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
    topic = django_filters.CharFilter("topics__slug")
    tag = django_filters.CharFilter("tags__slug")
    checked = django_filters.ChoiceFilter(choices=list(CHECKED.items()), method="filter_checked")
    collection = django_filters.CharFilter("collection__slug")

    class Meta:
        model = Question
        fields = []

    def __init__(self, data=None, queryset=None, search=None, **options):
        super().__init__(data, queryset, **options)
        self._search = search

    @cached_property
    def search(self):
        self.form.is_valid()  # reads the data; a wrong choice spoils nothing else
        words = self.form.cleaned_data["q"]
        return self._search or (Search(words, as_typed="exact" in self.data) if words else None)

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

    def filter_checked(self, queryset, name, value):
        return queryset.filter(CHECKED_CONDITIONS[value]())

    def facets(self):
        """For each filter that offers choices a dict ``{"name", "title", "choices"}``.

        A choice is a dict with "value", "label", "count" (what it would find together with the other filters),
        "chosen", and "link": the address that chooses it, or removes the chosen one, and keeps all the others.
        Choices that find nothing are left out, but the chosen one stays, so that it can be removed."""
        return [
            self._facet("topic", _("Topic"), "topics", "name", "position"),
            self._facet("tag", _("Keyword"), "tags", "name", "name"),
            self._checked_facet(),
            self._facet("collection", _("Collection"), "collection", "title", "title"),
        ]

    def link(self, name, value):
        """The query part of the same list with one parameter changed (None removes it), from the first page on."""
        data = self.data.copy()
        data.pop("page", None)
        data.pop(name, None)
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

    def _facet(self, name, title, path, label, order):
        """Choices that are rows reached over `path`, called by their `label`, in their `order`."""
        slug, words = f"{path}__slug", f"{path}__{label}"
        found = self._without(name).filter(**{f"{path}__isnull": False}).order_by(f"{path}__{order}", slug)
        rows = list(found.values_list(slug, words).annotate(Count("pk", distinct=True)))
        chosen = self.data.get(name)
        if chosen and name not in self.errors and chosen not in [row[0] for row in rows]:
            # Only what some public question has: the name of a topic of drafts is not public either.
            known = Question.objects.public().filter(**{slug: chosen}).values_list(slug, words)[:1]
            rows += [(*row, 0) for row in known]
        return self._as_dict(name, title, rows)

    def _checked_facet(self):
        counts = self._without("checked").aggregate(
            **{value: Count("pk", filter=condition()) for value, condition in CHECKED_CONDITIONS.items()}
        )
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
            if count or value == chosen
        ]
        return {"name": name, "title": title, "choices": choices}

    def _without(self, name):
        data = self.data.copy()
        data.pop(name, None)
        return type(self)(data, Question.objects.public(), self.search).qs
