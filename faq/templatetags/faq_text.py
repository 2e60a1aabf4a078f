"""What an edition keeps, as readers see it."""

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
    """The kind's name in the reader's language."""
    return dict(Source.Kind.choices).get(kind, kind)


@register.filter
def text_of(block):
    """A block's text, with its markup if it has any."""
    return markup.render_line(block.text) if block.markup else block.text


@dataclass(frozen=True)
class _Body:
    """What the HTML of an answer depends on: the digest stands for the edition's words."""

    digest: str
    language: str
    whole: bool
    edition: Edition = field(compare=False)


@register.simple_tag(takes_context=True)
def answer_body(context, whole=False):
    """The words of `edition` as HTML. On a page of a whole collection its points are not targets of links."""
    edition = context["edition"]
    return _answer_body(_Body(edition.digest, get_language(), whole, edition))


@lru_cache(maxsize=500)
def _answer_body(body):
    """An edition never changes, so each is rendered once in each process and language."""
    context = {"edition": body.edition, "whole": body.whole, "language": body.language}
    return render_to_string("faq/includes/answer.html", context)
