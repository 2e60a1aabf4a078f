"""Prints how many bytes of the database each kind of thing takes, and how many of each there are."""

import json

import django

django.setup()

from django.db import connection  # noqa: E402

from faq.models import Edition, Event, Question  # noqa: E402

KINDS = {
    "working copies": (
        "faq_question",
        "faq_answerpoint",
        "faq_questiontag",
        "faq_question_topics",
        "faq_question_tags",
    ),
    "editions": ("faq_edition",),
    "log": ("faq_event",),
    "search": ("faq_search", "faq_searchtext", "faq_searchword", "faq_searchkey"),
}
counts = {"questions": Question.objects.count(), "editions": Edition.objects.count(), "events": Event.objects.count()}
bytes_of = dict.fromkeys(KINDS, 0) | {"else": 0}
with connection.cursor() as cursor:
    if connection.vendor == "sqlite":
        # A table's indexes count for it; the full-text index's own tables are named after it.
        cursor.execute(
            "SELECT coalesce(m.tbl_name, s.name), sum(s.pgsize) FROM dbstat s "
            "LEFT JOIN sqlite_master m ON m.name = s.name GROUP BY 1"
        )
    else:
        cursor.execute("SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r'")
    for table, size in cursor.fetchall():
        name = next((kind for kind, tables in KINDS.items() if table in tables), "else")
        bytes_of["search" if table.startswith("faq_search") else name] += size
print(json.dumps({"counts": counts, "bytes": bytes_of}))
