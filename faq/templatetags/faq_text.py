"""What an edition keeps, as readers see it."""

from django import template

from faq import markup
from faq.models import Source

register = template.Library()


@register.filter
def kind_of_source(kind):
    """The kind's name in the reader's language."""
    return dict(Source.Kind.choices).get(kind, kind)


@register.filter
def text_of(block):
    """A block's text, with its markup if it has any."""
    return markup.render_line(block.text) if block.markup else block.text
