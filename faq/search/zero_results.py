"""Words that found nothing, for the editors: the words, a day and a count. Nothing about who searched."""

import re
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from faq.models import MissedSearch

from . import query_parser
from .search import engine

KEEP = timedelta(days=90)
MOST_A_DAY = 1000
"""Different ones: more come from a program."""
_LENGTH = 100
_SAYS_WHO = re.compile(r"\S*[\d@]\S*|\S*(?:://|www\.)\S*")


def note(text):
    """Count what somebody typed in vain, without anything that has a digit, or is an address.

    It must never keep a reader waiting, or from the page: what cannot be written at once is left out."""
    words = " ".join(query_parser.words(_SAYS_WHO.sub(" ", text[: query_parser.MAX_LENGTH])))[:_LENGTH].strip()
    day = timezone.localdate()
    if not words:
        return
    try:
        if MissedSearch.objects.filter(day=day).count() >= MOST_A_DAY:
            return
        with engine().impatient(), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO faq_missedsearch (words, day, count) VALUES (%s, %s, 1) "
                "ON CONFLICT (words, day) DO UPDATE SET count = faq_missedsearch.count + 1",
                [words, day],
            )
    except (DatabaseError, InterfaceError):
        return


def forget():
    """Delete what is older than `KEEP`. Returns how many."""
    count, _ = MissedSearch.objects.filter(day__lt=timezone.localdate() - KEEP).delete()
    return count
