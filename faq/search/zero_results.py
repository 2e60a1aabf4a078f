"""Store searches without results for editors: words, day and count, without data about the reader."""

import re
from datetime import timedelta

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.utils import timezone

from faq.models import MissedSearch

from . import query_parser
from .search import engine

KEEP = timedelta(days=90)
MAX_A_DAY = 1000
"""Distinct searches of one day that are stored."""
_MAX_LENGTH = 100
_PERSONAL = re.compile(r"\S*[\d@]\S*|\S*(?:://|www\.)\S*")


def note(text):
    """Count a search without results. Words with a digit or an @ and addresses are removed, as they may be personal.

    The reader's page must not wait or fail, so a search is not counted if the database is busy or broken."""
    words = " ".join(query_parser.words(_PERSONAL.sub(" ", text[: query_parser.MAX_LENGTH])))[:_MAX_LENGTH].strip()
    day = timezone.localdate()
    if not words:
        return
    try:
        if MissedSearch.objects.filter(day=day).count() >= MAX_A_DAY:
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
    """Delete rows that are older than `KEEP`. Returns their number."""
    count, _ = MissedSearch.objects.filter(day__lt=timezone.localdate() - KEEP).delete()
    return count
