"""Words for values that an edition keeps as a code."""

from django import template

from faq.models import Source

register = template.Library()


@register.filter
def kind_of_source(kind):
    """The kind's name in the reader's language."""
    return dict(Source.Kind.choices).get(kind, kind)
