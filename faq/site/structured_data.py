"""schema.org data of editions as JSON-LD."""

import json

from django.utils.safestring import mark_safe

from faq.answers import content as contents
from faq.answers import seedfile

# These characters could end the script element or start a comment.
_ESCAPES = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def answer_text(content):
    """Return the answer as plain text: the short answer, then a line for each block, with list markers."""
    lines = [content.short_answer] if content.short_answer else []
    for block in content.blocks:
        marker = {seedfile.NUMBERED: f"{block.ordinal}. ", seedfile.BULLET: "– "}.get(block.kind, "")
        lines.append(marker + contents.said(block))
    return "\n".join(lines)


def faq_page(edition, address):
    """Return an edition as a schema.org FAQPage (a dict)."""
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
    """Return the sources of an edition as ``{"citation": […]}``, or {}."""
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
    """Return JSON that is safe inside a script element."""
    return mark_safe(json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_ESCAPES))  # noqa: S308
