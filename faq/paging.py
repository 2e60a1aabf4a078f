"""Pages of lists, as ``?page=N``, and counts that end somewhere."""

from functools import cached_property, wraps

from django.core.paginator import Paginator
from django.db.models import IntegerField, Subquery
from django.http import HttpResponsePermanentRedirect

MAX_PAGES = 500


class ListPaginator(Paginator):
    """Pages 1 to `MAX_PAGES` of a queryset, counted as far as they go; `more` says whether it goes on beyond them."""

    @cached_property
    def count(self):
        return min(self._counted, MAX_PAGES * self.per_page)

    @property
    def more(self):
        return self._counted > self.count

    @cached_property
    def _counted(self):
        return self.object_list.order_by()[: MAX_PAGES * self.per_page + 1].count()


class UpTo(Subquery):
    """An expression: how many rows a queryset has, up to where it is sliced."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) AS counted)"
    output_field = IntegerField()


def page_of(rows, per_page, data):
    """The page of the queryset `rows` that `data`, the query of an address, asks for, or the nearest that there is.

    Keys come first, so that long rows are neither sorted nor skipped."""
    page = ListPaginator(rows.values_list("pk", flat=True), per_page).get_page(data.get("page"))
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
