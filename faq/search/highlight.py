"""Mark the words of a query in a text, as safe HTML."""

from django.utils.html import escape
from django.utils.safestring import mark_safe

from . import query_parser
from .stemming import stem

MAX_MATCHES = 200
"""Matches in one text that are considered for the best excerpt."""


def mark(text, stems, length=None):
    """Return the text as HTML, with ``<mark>`` around each word whose stem is in `stems`.

    With `length`, return the excerpt of about that many characters with the most matches, cut at word boundaries."""
    found = [(start, end, stem(word)) for word, start, end in query_parser.positions(text)]
    begin, stop = (0, len(text)) if length is None or len(text) <= length else _window(found, stems, length, len(text))
    parts, done = ["… " if begin else ""], begin
    for start, end, root in found:
        if root in stems and begin <= start and end <= stop:
            parts += [escape(text[done:start]), "<mark>", escape(text[start:end]), "</mark>"]
            done = end
    parts += [
        escape(text[done:stop].rstrip(" ,;:–-") if stop < len(text) else text[done:]),
        " …" if stop < len(text) else "",
    ]
    return mark_safe("".join(parts).replace("</mark> <mark>", " "))  # noqa: S308  (every piece is escaped)


def _window(found, stems, length, end_of_text):
    """Return start and end of the first excerpt with the most distinct matching words."""
    wanted = [(start, end, root) for start, end, root in found if root in stems][:MAX_MATCHES]
    best, first = 0, 0
    for index, (start, _, _) in enumerate(wanted):
        count = len({root for _, end, root in wanted[index : index + length // 2] if end <= start + length * 3 // 4})
        if count > best:
            best, first = count, start
    # Show some words before the first match as context.
    begin = next((start for start, _, _ in found if start >= first - length // 4), 0) if first > length // 4 else 0
    stop = max((end for _, end, _ in found if begin < end <= begin + length), default=begin + length)
    return begin, end_of_text if not found or stop == found[-1][1] else stop
