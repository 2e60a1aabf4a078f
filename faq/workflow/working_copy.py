"""The working copy: how it reads as an edition's content, and what must be noted whenever it changes."""

from dataclasses import asdict

from django.db import transaction

from faq.answers import content as contents
from faq.answers import markup, wording
from faq.models import AnswerPoint, Citation, Event, Question, Source

from . import audit
from .audit import Entry, signature

NOTED = [
    "digest", "state", "findings", "unsourced", "contributors", "review", "review_note", "submitted_by", "submitted_at",
]  # fmt: skip
"""Fields of a question that are derived from its working copy."""

BATCH = 500


def locked(question):
    """The question's row as it is now, held until the transaction ends, so that two acts cannot cross."""
    # First the lock, then the row: a query that does both and had to wait would join the new row with old others.
    # No lock on the key, since checks of foreign keys at the end of other transactions would wait for it: a deadlock.
    # SQLite ignores the lock: a transaction that writes is alone.
    Question.objects.order_by().select_for_update(no_key=True).values_list("pk").get(pk=question.pk)
    return Question.objects.select_related("collection", "live").get(pk=question.pk)


def points_of(question):
    """The question's points in order, with what they rest on: those that were fetched with it, if they were."""
    if "points" not in getattr(question, "_prefetched_objects_cache", {}):
        return list(question.points.prefetch_related("citations__source"))
    return list(question.points.all())


def content(question, points=None):
    """The working copy as an edition's content. `points` in order, else those in the database.

    A point's citations are those in its attribute `known_citations` if it has one: read already, or not saved yet."""
    points = points_of(question) if points is None else points
    ordinals = contents.ordinals([(point.kind, point.depth, point.numbering) for point in points])
    return contents.Content(
        question=question.text,
        short_answer=question.short_answer,
        jurisdiction=question.collection.jurisdiction,
        language=question.collection.language,
        blocks=tuple(
            contents.Block(
                key=point.key,
                kind=point.kind,
                text=point.text,
                label=point.label,
                ordinal=ordinal,
                depth=point.depth,
                markup=markup.is_marked(point.text),
                citations=tuple(citation.as_content() for citation in _citations(point)),
            )
            for point, ordinal in zip(points, ordinals, strict=True)
        ),
    )


def _citations(point):
    if hasattr(point, "known_citations"):
        return point.known_citations
    return point.citations.all() if point.pk else []


def fingerprint(question):
    """What an editor saw of a question when its page was opened: the working copy, and where readers find it.

    A save that brings another fingerprint than the database has would undo somebody's work."""
    found_by = [
        sorted(question.topics.values_list("slug", flat=True)),
        sorted(question.tags.values_list("name", flat=True)),
        sorted(question.related.values_list("pk", flat=True)),
        question.check_every,
    ]
    return contents.digest_of([contents.digest(content(question)), found_by])


def note(question, working, by=None):
    """Set what is derived from the working copy, whose content is `working`. Returns whether that has changed.

    Whoever changes a word is one of its contributors until it is public or gone, whatever they are allowed to do.
    `by` is a user, or the signature of one whose account may be gone."""
    digest = contents.digest(working)
    changed = digest != question.digest
    who = by if isinstance(by, dict) else signature(by)
    if changed and who and all(one["id"] != who["id"] for one in question.contributors):
        question.contributors = [*question.contributors, who]
    question.digest = digest
    question.findings = len(wording.review(working))
    question.unsourced = sum(not block.citations for block in working.blocks)
    question.note_state()
    if question.state == Question.State.PUBLIC:
        end_review(question)
    return changed


def end_review(question):
    """Nothing waits to be published any more: forget who wrote it and who was asked to read it."""
    question.contributors, question.review, question.review_note = [], Question.Review.NONE, ""
    question.submitted_by = question.submitted_at = None


@transaction.atomic
def refresh(question, by=None, also=()):
    """Note what the working copy looks like now, also in the log. To be called after any change to it.

    `by` is who changed it (None for a command), `also` the names of other fields that they changed."""
    row = locked(question)
    changed = note(row, content(row), by)
    row.save(update_fields=NOTED)
    for name in NOTED:
        setattr(question, name, getattr(row, name))
    if changed or also:
        what = [*(["words"] if changed else []), *also]
        audit.append(Entry(Event.Act.SAVED, row, signature(by), {"changed": what}))
    return changed


@transaction.atomic
def refresh_many(questions, by=None):
    """The same for a queryset of questions whose words changed with something that they share, such as a source.

    `by` may be a signature."""
    who = by if isinstance(by, dict) else signature(by)
    keys = [pk for (pk,) in questions.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk")]
    count = 0
    for start in range(0, len(keys), BATCH):
        some = Question.objects.filter(pk__in=keys[start : start + BATCH]).order_by("pk")
        some = some.select_related("collection", "live").prefetch_related("points__citations__source")
        changed = [row for row in some if note(row, content(row), by)]
        Question.objects.bulk_update(changed, NOTED)
        audit.append(*(Entry(Event.Act.SAVED, row, who, {"changed": ["words"]}) for row in changed))
        count += len(changed)
    return count


def write_points(pairs):
    """Make the points of many (question, points) pairs the only ones. A point keeps its row with its key.

    The points are unsaved, or other objects with the same columns."""
    kept = [point for _, points in pairs for point in points]
    wanted = {(point.question_id, point.key) for point in kept}
    old = AnswerPoint.objects.filter(question__in=[question for question, _ in pairs])
    gone = [pk for pk, *place in old.values_list("pk", "question_id", "key") if tuple(place) not in wanted]
    AnswerPoint.objects.filter(pk__in=gone).delete()
    words = ["position", "kind", "depth", "numbering", "label", "text"]
    AnswerPoint.objects.bulk_create(
        kept, batch_size=BATCH, update_conflicts=True, unique_fields=["question", "key"], update_fields=words
    )


def write_content(question, edition_content):
    """Put an edition's words and citations into the working copy (see `refresh` for what must follow)."""
    question.text, question.short_answer = edition_content.question, edition_content.short_answer
    question.save(update_fields=["text", "short_answer"])
    blocks = edition_content.blocks
    numberings = contents.numberings(contents.seed_question(question.number, edition_content).blocks)
    points = [
        AnswerPoint(
            question=question,
            position=position,
            numbering=numbering,
            **{name: getattr(block, name) for name in ("key", "kind", "depth", "label", "text")},
        )
        for position, (block, numbering) in enumerate(zip(blocks, numberings, strict=True), start=1)
    ]
    write_points([(question, points)])
    stored = {point.key: point for point in question.points.all()}
    Citation.objects.filter(point__question=question).delete()
    for block in blocks:
        for citation in block.citations:
            source, _ = Source.objects.get_or_create(key=citation.source.key, defaults=asdict(citation.source))
            facts = {name: getattr(citation, name) for name in ("place", "quotation", "consulted")}
            Citation.objects.create(point=stored[block.key], source=source, **facts)
