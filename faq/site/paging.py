"""Pages of lists, as ``?page=N``, and counts that end somewhere."""

from functools import wraps

from django.core.paginator import Paginator
from django.db.models import IntegerField, Subquery
from django.http import HttpResponsePermanentRedirect

MAX_ROWS = 10_000
"""Rows of a list that are counted one by one, and that have pages."""


class ListPaginator(Paginator):
    """Pages of the first `most` rows of a queryset; `more` says whether it has others. `total` is its
    `bounded_count`."""

    def __init__(self, rows, per_page, total, most):
        super().__init__(rows, per_page)
        self.count, self.more = min(total, most), total > most


class UpTo(Subquery):
    """An expression: how many rows a queryset has, up to where it is sliced."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def bounded_count(rows, most=None):
    """How many rows a queryset has: at most one more than `most`."""
    return rows.order_by()[: (most or MAX_ROWS) + 1].count()


def page_of(rows, per_page, data, total=None, most=None):
    """The page of the queryset `rows` that `data`, the query of an address, asks for, or the nearest that there is.

    `total` is the `bounded_count`, if it is known. Keys come first: so long rows are neither sorted nor skipped."""
    most = most or MAX_ROWS
    total = bounded_count(rows, most) if total is None else total
    page = ListPaginator(rows.values_list("pk", flat=True), per_page, total, most).get_page(data.get("page"))
    page.object_list = list(rows.filter(pk__in=list(page.object_list)))
    return page


def numbered(view):
    """A view of a list. Its addresses once named a row that a page begins ``after`` or ends ``before``: these lead to
    the list's first page."""

    @wraps(view)
    def redirecting(request, *args, **kwargs):
        if not request.GET.keys() & {"after", "before"}:
            return view(request, *args, **kwargs)
        data = request.GET.copy()
        for name in ("after", "before", "page"):
            data.pop(name, None)
        return HttpResponsePermanentRedirect(request.path + (f"?{data.urlencode()}" if data else ""))

    return redirecting
