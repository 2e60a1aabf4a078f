"""Markup: in the site's own words paragraphs, lists, emphasis and links; in a point emphasis and links; nothing else.

A library renders it, and another one lets only what is listed here pass."""

import re
from html import escape, unescape

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

_markdown = MarkdownIt("js-default", {"html": False}).disable(
    ["image", "table", "code", "fence", "heading", "lheading"]
)
# “//host/” would look like a page of this site.
_validate = _markdown.validateLink
_markdown.validateLink = lambda url: _validate(url) and not url.startswith("//")  # type: ignore[method-assign]
_TAGS = {"p", "ul", "ol", "li", "em", "strong", "a", "br"}
_MARKS = re.compile(r"[*_\[\\]")
_inline = MarkdownIt("zero").enable(["emphasis", "link", "escape"])
# To a page of this site or of the web: nothing that a browser would run, call or guess.
_IS_WEB = re.compile(r"https?://|/(?![/\\])")
_inline.validateLink = lambda url: bool(_IS_WEB.match(url))  # type: ignore[method-assign]


def render(text: str) -> SafeString:
    """Text of several lines as HTML that is safe to show."""
    html = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noreferrer",
    )
    return mark_safe(html)  # noqa: S308  (cleaned in the line above)


def is_marked(line: str) -> bool:
    """Whether a point's text says more with its markup than without it."""
    return bool(_MARKS.search(line)) and _inline.renderInline(line) != escape(line).replace("&#x27;", "'")


def render_line(line: str) -> SafeString:
    """A point's text as HTML that is safe to show: ``*emphasis*``, ``**strong**``, ``[words](https://…)``."""
    html = nh3.clean(
        _inline.renderInline(line),
        tags={"em", "strong", "a"},
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        link_rel="noreferrer",
    )
    return mark_safe(html)  # noqa: S308  (cleaned in the line above)


def words(line: str) -> str:
    """A point's text without its markup."""
    return unescape(nh3.clean(_inline.renderInline(line), tags=set()))
