"""What stands around one answer: its labels, the questions before and after it, and those to read next.

All of it is asked for at once, in SQL, since this is the page that is read most; and each part looks at a few rows
only, however many questions there are.
"""

from dataclasses import dataclass

from django.db import connection
from taggit.models import Tag

from .models import Question, Topic
from .models.places import place

RELATED = 5
"""Questions to read next."""
NEAR = 200
"""How far away in its collection a question of the same topic is looked for."""
ELSEWHERE = 20
"""Questions that are looked at in the whole of a topic."""

# %(me)s: the question's key. Keys stand in the order of collections and numbers (see `faq.models.places`).
_SQL = """
SELECT 'topic', t.id, t.slug, t.name, t.position
FROM faq_question_topics qt JOIN faq_topic t ON t.id = qt.topic_id WHERE qt.question_id = %(me)s
UNION ALL
SELECT 'tag', t.id, t.slug, t.name, 0
FROM faq_questiontag qt JOIN taggit_tag t ON t.id = qt.tag_id WHERE qt.content_object_id = %(me)s
UNION ALL
SELECT 'previous', q.id, '', '', 0 FROM (
    SELECT id FROM faq_question WHERE id < %(me)s AND id > %(start)s AND live_id IS NOT NULL ORDER BY id DESC LIMIT 1
) q
UNION ALL
SELECT 'next', q.id, '', '', 0 FROM (
    SELECT id FROM faq_question WHERE id > %(me)s AND id < %(end)s AND live_id IS NOT NULL ORDER BY id LIMIT 1
) q
UNION ALL
SELECT 'chosen', q.id, '', '', 0
FROM faq_question_related r JOIN faq_question q ON q.id = r.to_question_id
WHERE r.from_question_id = %(me)s AND q.live_id IS NOT NULL
UNION ALL
SELECT 'same', near.question_id, '', '', COUNT(*)
FROM faq_question_topics mine
JOIN faq_question_topics near ON near.topic_id = mine.topic_id AND near.question_id BETWEEN %(from)s AND %(to)s
JOIN faq_question q ON q.id = near.question_id
WHERE mine.question_id = %(me)s AND near.question_id <> %(me)s AND q.live_id IS NOT NULL
GROUP BY near.question_id
UNION ALL
SELECT 'elsewhere', q.id, '', '', 0 FROM (
    SELECT q.id FROM faq_question_topics qt JOIN faq_question q ON q.id = qt.question_id
    WHERE qt.topic_id = (SELECT MIN(topic_id) FROM faq_question_topics WHERE question_id = %(me)s)
    AND qt.question_id <> %(me)s AND q.live_id IS NOT NULL ORDER BY qt.question_id LIMIT %(elsewhere)s
) q
"""


@dataclass
class Around:
    topics: list[Topic]
    tags: list[Tag]
    previous: Question | None
    next: Question | None
    related: list[Question]
    """What editors chose to be read next, else others of the same topics, nearest first."""


def around(question):
    """The `Around` of a public question, in two queries."""
    found, me = {}, question.pk
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL,
            {
                "me": me,
                "start": place(question.collection_id, 0),
                "end": place(question.collection_id + 1, 0),
                "from": me - NEAR,
                "to": me + NEAR,
                "elsewhere": ELSEWHERE,
            },
        )
        for part, *row in cursor.fetchall():
            found.setdefault(part, []).append(row)
    labels = {part: sorted(found.get(part, []), key=lambda row: (row[3], row[2])) for part in ("topic", "tag")}
    keys = {part: [row[0] for row in rows] for part, rows in found.items()}
    times = {pk: count for pk, *_, count in found.get("same", [])}
    same = sorted(times, key=lambda pk: (-times[pk], abs(pk - me)))
    related = sorted(keys.get("chosen", [])) or list(dict.fromkeys([*same, *keys.get("elsewhere", [])]))
    wanted = [*keys.get("previous", []), *keys.get("next", []), *related[:RELATED]]
    rows = {row.pk: row for row in Question.objects.public().filter(pk__in=wanted).for_list()}
    return Around(
        topics=[Topic(pk=pk, slug=slug, name=name) for pk, slug, name, _ in labels["topic"]],
        tags=[Tag(pk=pk, slug=slug, name=name) for pk, slug, name, _ in labels["tag"]],
        previous=next((rows.get(pk) for pk in keys.get("previous", [])), None),
        next=next((rows.get(pk) for pk in keys.get("next", [])), None),
        related=[rows[pk] for pk in related[:RELATED] if pk in rows],
    )
