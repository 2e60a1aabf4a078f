"""Every address, parameter, form and field of the site, found and not listed by hand."""

import itertools
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urljoin, urlsplit

from django.apps import apps
from django.urls import get_resolver
from django.urls.resolvers import LocalePrefixPattern, RegexPattern
from lxml import html

PARAMETERS = [
    "q", "page", "topic", "tag", "checked", "collection", "exact", "edition", "point", "next", "seen", "utm_source", "p", "o", "e", "all",
    "_popup", "_to_field", "_changelist_filters", "_facets", "related", "topics", "tags", "state", "state__in", "review", "check", "sources",
    "wording", "seed", "reach", "kind", "kind__exact", "topics__id__exact", "collection__id__exact", "settled__exact", "day__year", "day__month",
    "day__day", "day__gte", "received_at__gte", "received_at__lt", "received_at__year", "is_staff__exact", "groups__id__exact", "id__in",
    "password__startswith", "points__text__contains", "live__content__contains", "id__exact", "pk", "text", "words", "number", "format", "term",
    "app_label", "model_name", "field_name", "content_type_id", "import_file_name", "csrfmiddlewaretoken", "_method", "debug", "lang", "callback",
    "note", "confirmed", "action", "initial", "__proto__", "", "a[]", "q[]", "page[0]", "token", "user", "username", "version",
]  # fmt: skip
"""Parameters that the site has, and some that frameworks have; those that pages link to come on top."""


@dataclass(frozen=True)
class Route:
    """One pattern of addresses: text and argument names in turn."""

    parts: tuple
    name: str
    model: str = ""

    def arguments(self):
        return list(self.parts[1::2])

    def fill(self, values):
        """The address with these values (bytes, in order of the arguments)."""
        texts = [text.encode() for text in self.parts[::2]]
        return b"/" + b"".join(itertools.chain.from_iterable(itertools.zip_longest(texts, values, fillvalue=b"")))

    def known(self, argument, world):
        """Values that exist for one of its arguments."""
        if argument == "object_id" and self.model:
            if found := world.values.get(self.model):
                return found
            keys = apps.get_model(self.model)._default_manager.order_by("pk").values_list("pk", flat=True)[:2]
            return [str(pk).encode() for pk in keys]
        if argument == "app_label":
            return [b"faq", b"auth"]
        if argument in ("content_type_id", "object_id"):
            return [b"1"]
        return world.values.get(argument, [b"1"])  # a new one has no value here yet, and is attacked all the same


def routes(resolver=None, before=""):
    """All `Route`s that the resolver knows, in both languages."""
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry.pattern, LocalePrefixPattern):
            yield from routes(entry, before)
            yield from routes(entry, before + "es/")
        elif hasattr(entry, "url_patterns"):
            yield from routes(entry, before + str(entry.pattern))
        else:
            yield _route(before, entry)


def _route(before, entry):
    pattern = str(entry.pattern)
    if isinstance(entry.pattern, RegexPattern):
        pattern = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", pattern).strip("^$")
    parts = re.split(r"<(?:\w+:)?(\w+)>", before + pattern)
    model = ""
    if found := re.match(r"admin/(\w+)/(\w+)/", parts[0]):
        model = f"{found[1]}.{found[2]}"
    return Route(tuple(parts), entry.name or "", model)


def addresses(world, each=12):
    """Every address of the site with values that exist, `each` at most of one pattern, as (route, path)."""
    for route in routes():
        known = [route.known(argument, world) for argument in route.arguments()]
        if len(known) == 2 and route.name == "view_on_site":
            known = _editions()
        for values in itertools.islice(itertools.product(*known), each):
            yield route, route.fill(values)


def _editions():
    from django.contrib.contenttypes.models import ContentType

    from faq.models import Question

    kind = ContentType.objects.get_for_model(Question)
    return [[str(kind.pk).encode()], [str(Question.objects.public().first().pk).encode()]]


@dataclass(frozen=True)
class Form:
    """A form on a page: where it is sent, how, and what is in it: (name, value, kind) in order."""

    page: bytes
    action: bytes
    query: bytes
    method: str
    multipart: bool
    fields: tuple = field(default=())
    visitor: str = ""

    def data(self):
        return [(name, value) for name, value, kind in self.fields if kind != "file"]


def forms(path, body, visitor=""):
    """All `Form`s of a page."""
    if not (body or b"").strip():
        return
    for form in html.document_fromstring(body, parser=html.HTMLParser(encoding="utf-8")).iter("form"):
        target = urlsplit(urljoin(path.decode("latin-1"), form.get("action") or ""))
        fields, buttons = [], []
        for element in form.iter("input", "select", "textarea", "button"):
            name, kind = element.get("name"), element.get("type", element.tag)
            if not name or element.get("disabled") is not None:
                continue
            if element.tag == "select":
                chosen = [
                    option.get("value", "") for option in element.iter("option") if option.get("selected") is not None
                ]
                options = [option.get("value", "") for option in element.iter("option")]
                if not chosen and element.get("multiple") is None:
                    chosen = options[:1]
                fields += [(name, value, "select") for value in chosen or [""]]
            elif element.tag == "textarea":
                fields.append((name, (element.text or "").removeprefix("\n"), "textarea"))
            elif kind in ("checkbox", "radio"):
                fields.append((name, element.get("value", "on"), kind if element.get("checked") is not None else "off"))
            elif kind in ("submit", "button", "image"):
                buttons.append((name, element.get("value", ""), "button"))
            else:
                fields.append((name, element.get("value", ""), kind))
        yield Form(
            path, target.path.encode("latin-1", "replace"), target.query.encode(), form.get("method", "get").upper(),
            "multipart" in form.get("enctype", ""), tuple(fields + buttons), visitor,
        )  # fmt: skip


def parameters(body):
    """Names of all parameters that a page links to."""
    found = set()
    for element in html.document_fromstring(body, parser=html.HTMLParser(encoding="utf-8")).iter("a", "link"):
        query = urlsplit((element.get("href") or "").split("#")[0].replace("[", "%5B").replace("]", "%5D"))[3]
        found |= {name for name, _ in parse_qsl(query, keep_blank_values=True)}
    return found
