"""Negotiation of the content encoding."""

import re

_REFUSED = re.compile(r";\s*q=0(?:\.0*)?\s*$")


def preferred(header):
    """Return the encoding to use for a request with this ``Accept-Encoding`` header: "br", "gzip" or ""."""
    accepted = {part.partition(";")[0].strip() for part in header.split(",") if not _REFUSED.search(part)}
    return next((name for name in ("br", "gzip") if name in accepted), "")
