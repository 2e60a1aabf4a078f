"""Answers for machines: schema.org as JSON-LD, made from editions."""

import json

from django.utils.safestring import mark_safe

from faq.answers import content as contents
from faq.answers import seedfile

# In a script element only these could end it or start a comment.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def answer_text(content):
    """The whole answer as text: short answer first, then each block on a line, lists with their marks."""
    lines = [content.short_answer] if content.short_answer else []
    for block in content.blocks:
        marker = {seedfile.NUMBERED: f"{block.ordinal}. ", seedfile.BULLET: "– "}.get(block.kind, "")
        lines.append(marker + contents.said(block))
    return "\n".join(lines)


def faq_page(edition, address):
    """An edition as a schema.org FAQPage (a dict)."""
    return {
        "@context": "https://schema.org",
        "@type": "FAQPage",
        "url": address,
        "inLanguage": edition.content.language,
        "version": edition.number,
        "dateModified": edition.published_at.isoformat(),
        "mainEntity": [
            {
                "@type": "Question",
                "name": edition.content.question,
                "acceptedAnswer": {"@type": "Answer", "text": answer_text(edition.content), **_citation(edition)},
            }
        ],
    }


def _citation(edition):
    """The sources that an answer names, if any."""
    named = {reference.source.key: reference.source for reference in edition.sources}
    works = [
        {
            "@type": "CreativeWork",
            "name": source.title,
            **({"url": source.address} if source.address else {}),
            **({"publisher": {"@type": "Organization", "name": source.publisher}} if source.publisher else {}),
        }
        for source in named.values()
    ]
    return {"citation": works} if works else {}


def encode(value):
    """JSON that can stand in a script element of the type application/ld+json."""
    return mark_safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES))  # noqa: S308
