"""Template tags that render the content of editions."""

from dataclasses import dataclass, field
from functools import lru_cache

from django import template
from django.template.loader import render_to_string
from django.utils.translation import get_language

from faq.answers import markup
from faq.models import Edition, Source

register = template.Library()


@register.filter
def kind_of_source(kind):
    """Return the translated name of a source kind."""
    return dict(Source.Kind.choices).get(kind, kind)


@register.filter
def text_of(block):
    """Render a block's text, with its markup if it has any."""
    return markup.render_line(block.text) if block.markup else block.text


@dataclass(frozen=True)
class _CacheKey:
    """The cache key of an answer's HTML. The digest stands for the edition, which is not compared."""

    digest: str
    language: str
    whole: bool
    edition: Edition = field(compare=False)


@register.simple_tag(takes_context=True)
def answer_body(context, whole=False):
    """Render `edition`. Set `whole` on the page of a whole collection, where points have no anchors."""
    edition = context["edition"]
    return _answer_body(_CacheKey(edition.digest, get_language(), whole, edition))


@lru_cache(maxsize=500)
def _answer_body(key):
    """Render an answer once per process and language. Editions never change."""
    context = {"edition": key.edition, "whole": key.whole, "language": key.language}
    return render_to_string("faq/includes/answer.html", context)
