"""Pagination with ``?page=N`` and bounded counts."""

from functools import wraps

from django.core.paginator import Paginator
from django.db.models import IntegerField, Subquery
from django.http import HttpResponsePermanentRedirect

MAX_ROWS = 10_000
"""Rows of a list that are counted and that have pages."""


class ListPaginator(Paginator):
    """Pages of the first `most` rows of a queryset.

    `total` is the `bounded_count` of the queryset. `more` is whether it exceeds `most`."""

    def __init__(self, rows, per_page, total, most):
        super().__init__(rows, per_page)
        self.count, self.more = min(total, most), total > most


class SliceCount(Subquery):
    """An expression for the number of rows in a sliced queryset."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def bounded_count(rows, most=None):
    """Return the number of rows of a queryset, or `most` + 1 if there are more."""
    return rows.order_by()[: (most or MAX_ROWS) + 1].count()


def page_of(rows, per_page, data, total=None, most=None):
    """Return the page of the queryset `rows` with the number in `data`, the query of the address, or the nearest.

    Pass `total`, the `bounded_count`, if it is known. The keys are read first, so that the database sorts no
    large rows."""
    most = most or MAX_ROWS
    total = bounded_count(rows, most) if total is None else total
    page = ListPaginator(rows.values_list("pk", flat=True), per_page, total, most).get_page(data.get("page"))
    page.object_list = list(rows.filter(pk__in=list(page.object_list)))
    return page


def redirect_old_pages(view):
    """Decorator that redirects old addresses of a list, with ``after`` or ``before``, to its first page."""

    @wraps(view)
    def wrapper(request, *args, **kwargs):
        if not request.GET.keys() & {"after", "before"}:
            return view(request, *args, **kwargs)
        data = request.GET.copy()
        for name in ("after", "before", "page"):
            data.pop(name, None)
        return HttpResponsePermanentRedirect(request.path + (f"?{data.urlencode()}" if data else ""))

    return wrapper
