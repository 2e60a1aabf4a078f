"""The small markup of the site's own words: paragraphs, lists, emphasis and links, and nothing else."""

import nh3
from django.utils.safestring import mark_safe
from markdown_it import MarkdownIt

_markdown = MarkdownIt("js-default", {"html": False}).disable(
    ["image", "table", "code", "fence", "heading", "lheading"]
)
_TAGS = {"p", "ul", "ol", "li", "em", "strong", "a", "br"}


def render(text):
    """Text as HTML that is safe to show. A library renders it, another one lets only what is listed here pass."""
    html = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noreferrer",
    )
    return mark_safe(html)  # noqa: S308  (cleaned in the line above)
