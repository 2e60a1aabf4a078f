"""What a browser can unpack."""

import re

_REFUSED = re.compile(r";\s*q=0(?:\.0*)?\s*$")


def accepted(header):
    """The names in an ``Accept-Encoding`` header, without those that it refuses."""
    return {part.partition(";")[0].strip() for part in header.split(",") if not _REFUSED.search(part)}
