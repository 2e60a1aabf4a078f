"""Pages of long lists, and counts that end somewhere.

A page begins after a row, or ends before one, that the address names: ``?after=library.20``. So the same link shows the
same stretch when something is published elsewhere in the list, and the last page costs what the first one does.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from django.db.models import IntegerField, Subquery

MOST = 1000
"""Rows that are counted one by one. Beyond, it is “more than”."""


@dataclass(frozen=True)
class Total:
    """How many rows a list has."""

    number: int
    more: bool
    """Whether there are more than `number`."""

    def __str__(self):
        return f"{self.number}+" if self.more else str(self.number)

    @classmethod
    def of(cls, counted):
        """From rows that were counted up to one more than `MOST`."""
        return cls(min(counted, MOST), counted > MOST)


def total(rows):
    """The `Total` of a queryset, at the cost of `MOST` rows at most."""
    return Total.of(rows.order_by()[: MOST + 1].count())


class UpTo(Subquery):
    """An expression: how many rows a queryset has, up to where it is sliced."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


class Stretch:
    """One page of the queryset `rows`, in the order of their keys: what `data`, the query of an address, asks for.

    `rows` may be others than those that are shown, and lead to them: `key` is the column with the keys of what the
    queryset `shown` reads."""

    def __init__(self, rows, size, data, *, descending=False, key="pk", shown=None):
        self._rows, self._size, self._descending = rows, size, descending
        self._key, self._shown = key, shown
        model = rows.model if shown is None else shown.model
        self._after, self._before = (_find(model, data.get(name, "")) for name in ("after", "before"))
        if self._before is not None:
            self._after = None
        self._backwards = self._before is not None
        found = self._found()
        if not found and (self._after or self._before):  # nothing is left there: the nearest page that there is
            self._backwards = self._after is not None
            self._after = self._before = None
            found = self._found()
        self._more = len(found) > size
        self.object_list = found[:size]
        if self._backwards:
            self.object_list.reverse()

    def __iter__(self):
        return iter(self.object_list)

    def __len__(self):
        return len(self.object_list)

    @property
    def previous(self):
        """What an address says in ``before`` to show the page before this one, or None on the first."""
        first = self._after is None and not (self._backwards and self._more)
        return None if first or not self.object_list else _place(self.object_list[0])

    @property
    def next(self):
        """What an address says in ``after`` to show the page behind this one, or None on the last."""
        last = self._before is None and (self._backwards or not self._more)
        return None if last or not self.object_list else _place(self.object_list[-1])

    @cached_property
    def total(self):
        return total(self._rows)

    @cached_property
    def first(self):
        """The number in the whole list of the first row here, or None where too many come before it."""
        if self._after is None and not self._backwards:
            return 1
        if not self.object_list or self.total.more:
            return None
        compare = "gt" if self._descending else "lt"
        return self._rows.filter(**{f"{self._key}__{compare}": self.object_list[0].pk}).count() + 1

    @property
    def last(self):
        return self.first + len(self.object_list) - 1

    def _found(self):
        """One row more than fit, from the end that the page hangs on."""
        rows, key = self._rows, self._key
        if self._after is not None:
            rows = rows.filter(**{f"{key}__{'lt' if self._descending else 'gt'}": self._after})
        elif self._before is not None:
            rows = rows.filter(**{f"{key}__{'gt' if self._descending else 'lt'}": self._before})
        sign = "" if self._descending == self._backwards else "-"
        rows = rows.order_by(f"{sign}{key}")[: self._size + 1]
        if self._shown is not None:
            rows = self._shown.filter(pk__in=rows.values(key)).order_by(f"{sign}pk")
        return list(rows)


def moved(rows, size, data, *, descending=False, key="pk", shown=None):
    """The query that leads to a page which an address names by its number, as addresses once did; else None.

    `key` and `shown` are as for a `Stretch`."""
    number = data.get("page", "")
    if not re.fullmatch(r"[0-9]{1,9}", number) or int(number) < 2:
        return None
    before = (int(number) - 1) * size - 1
    keys = list(rows.order_by(f"-{key}" if descending else key).values_list(key, flat=True)[before : before + 2])
    if len(keys) < 2:  # there is no such page
        return None
    data = data.copy()
    del data["page"]
    model = rows.model if shown is None else shown.model
    data["after"] = _place(model.objects.get(pk=keys[0]))
    return data.urlencode()


def _place(row):
    """What an address says to name a row: its natural key."""
    return ".".join(map(str, row.natural_key()))


def _find(model, place):
    """The key of the row that an address names, or None where it names none that was ever public."""
    slug, *numbers = model.NATURAL_KEY
    if not re.fullmatch(r"[-\w]{1,50}" + r"\.[0-9]{1,9}" * len(numbers), place, re.ASCII):
        return None
    named = model.objects.ever_public().filter(**dict(zip([slug, *numbers], place.split("."), strict=True)))
    return named.values_list("pk", flat=True).first()
