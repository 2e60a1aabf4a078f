"""Shows where the words of a query stand in a text. Pure; safe whatever the text holds."""

from django.utils.html import escape
from django.utils.safestring import mark_safe

from . import query_parser
from .stemming import stem

LOOKED_AT = 200
"""Wanted words of one text that are looked at for the best part."""


def mark(text, stems, length=None):
    """The text as HTML with every word whose stem is among `stems` in ``<mark>``.

    With a `length`, the part of about so many characters that has most of them, cut at words."""
    found = [(start, end, stem(word)) for word, start, end in query_parser.places(text)]
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
    """Where the part begins and stops that has most different wanted words; the first one of those that do."""
    wanted = [(start, end, root) for start, end, root in found if root in stems][:LOOKED_AT]
    best, first = 0, 0
    for at, (start, _, _) in enumerate(wanted):
        count = len({root for _, end, root in wanted[at : at + length // 2] if end <= start + length * 3 // 4})
        if count > best:
            best, first = count, start
    # Some words before the first marked one, so that it can be understood.
    begin = next((start for start, _, _ in found if start >= first - length // 4), 0) if first > length // 4 else 0
    stop = max((end for _, end, _ in found if begin < end <= begin + length), default=begin + length)
    return begin, end_of_text if not found or stop == found[-1][1] else stop
