"""Render the site's subset of Markdown as safe HTML.

Site texts allow paragraphs, lists, emphasis and links; points of answers allow emphasis and links. `markdown-it`
renders the text, and `nh3` removes all other tags and attributes."""

import re
from html import escape, unescape

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

_markdown = MarkdownIt("js-default", {"html": False}).disable(
    ["image", "table", "code", "fence", "heading", "lheading"]
)
# “//host/” looks like an address of this site, but leads to another one.
_validate_link = _markdown.validateLink
_markdown.validateLink = lambda url: _validate_link(url) and not url.startswith("//")  # type: ignore[method-assign]
_TAGS = {"p", "ul", "ol", "li", "em", "strong", "a", "br"}
_MARKS = re.compile(r"[*_\[\\]")
_inline = MarkdownIt("zero").enable(["emphasis", "link", "escape"])
# Allow addresses of this site and of the web only: no `javascript:`, `tel:` or relative addresses.
_ALLOWED_LINK = re.compile(r"https?://|/(?![/\\])")
_inline.validateLink = lambda url: bool(_ALLOWED_LINK.match(url))  # type: ignore[method-assign]


def render(text: str) -> SafeString:
    """Render a site text, which may have several lines, as safe HTML."""
    html = nh3.clean(
        _markdown.render(text),
        tags=_TAGS,
        attributes={"a": {"href"}},
        url_schemes={"http", "https", "mailto", "tel"},
        link_rel="noreferrer",
    )
    return mark_safe(html)  # noqa: S308  (cleaned in the line above)


def is_marked(line: str) -> bool:
    """Whether a point's text contains markup."""
    return bool(_MARKS.search(line)) and _inline.renderInline(line) != escape(line).replace("&#x27;", "'")


def render_line(line: str) -> SafeString:
    """Render a point's text as safe HTML: ``*emphasis*``, ``**strong**``, ``[words](https://…)``."""
    html = nh3.clean(
        _inline.renderInline(line),
        tags={"em", "strong", "a"},
        attributes={"a": {"href"}},
        url_schemes={"http", "https"},
        link_rel="noreferrer",
    )
    return mark_safe(html)  # noqa: S308  (cleaned in the line above)


def words(line: str) -> str:
    """Return a point's text without its markup."""
    return unescape(nh3.clean(_inline.renderInline(line), tags=set()))
