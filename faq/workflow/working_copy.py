"""Convert the working copy to and from an edition's content, and update the fields that are derived from it."""

from dataclasses import asdict

from django.db import transaction

from faq.answers import content as contents
from faq.answers import markup, wording
from faq.models import AnswerPoint, Citation, Event, Question, Source

from . import audit
from .audit import Entry, signature

DERIVED_FIELDS = [
    "digest", "state", "findings", "unsourced", "contributors", "review", "review_note", "submitted_by", "submitted_at",
]  # fmt: skip
"""The fields of `Question` that `set_derived_fields` updates."""

BATCH_SIZE = 500


def locked(question):
    """Lock the question's row until the transaction ends, and return it with its current values.

    Call this first in a transaction that changes a question."""
    # Lock first, then read: after a wait, a single query would join the new row with old rows of other tables.
    # `no_key`, because checks of foreign keys in other transactions would otherwise wait for this lock: a deadlock.
    # SQLite ignores the lock, since it runs one writing transaction at a time.
    Question.objects.order_by().select_for_update(no_key=True).values_list("pk").get(pk=question.pk)
    return Question.objects.select_related("collection", "live").get(pk=question.pk)


def points_of(question):
    """Return the question's points in order, with their citations. Uses prefetched points if there are any."""
    if "points" not in getattr(question, "_prefetched_objects_cache", {}):
        return list(question.points.prefetch_related("citations__source"))
    return list(question.points.all())


def content(question, points=None):
    """Return the working copy as `faq.answers.content.Content`.

    Pass `points`, in order, to use them instead of the points in the database. Set the attribute `unsaved_citations` of
    a point to use these citations instead of the ones in the database."""
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
    if hasattr(point, "unsaved_citations"):
        return point.unsaved_citations
    return point.citations.all() if point.pk else []


def fingerprint(question):
    """Return a digest of everything that a question's editing page shows: working copy, labels and check interval.

    A form contains the fingerprint from its opening. If it differs at the save, another editor saved meanwhile."""
    other_fields = [
        list(question.points.values_list("key", "numbering")),
        sorted(question.topics.values_list("slug", flat=True)),
        sorted(question.tags.values_list("name", flat=True)),
        sorted(question.related.values_list("pk", flat=True)),
        question.check_every,
    ]
    return contents.digest_of([contents.digest(content(question)), other_fields])


def set_derived_fields(question, working, by=None):
    """Set the `DERIVED_FIELDS` of a question, without saving, from its working copy's content `working`.

    Returns whether the content has changed. `by`, a user or a signature, is then added to the contributors. A person
    remains a contributor, also after losing a permission, until the content is published or discarded."""
    digest = contents.digest(working)
    changed = digest != question.digest
    contributor = _signature(by)
    if changed and contributor and all(known["id"] != contributor["id"] for known in question.contributors):
        question.contributors = [*question.contributors, contributor]
    question.digest = digest
    question.findings = len(wording.review(working))
    question.unsourced = sum(not block.citations for block in working.blocks)
    set_state(question)
    return changed


def set_state(question):
    """Set `state` from the other fields, without saving. End the review if nothing is left to publish."""
    question.note_state()
    if question.state == Question.State.PUBLIC:
        question.contributors, question.review, question.review_note = [], Question.Review.NONE, ""
        question.submitted_by = question.submitted_at = None


def add_contributors(question, signatures):
    """Add signatures to the question's contributors, without saving. Each person is listed once."""
    question.contributors = unique([*question.contributors, *signatures])


def unique(signatures):
    """Return one signature for each account: the last one of it."""
    return list({signature["id"]: signature for signature in signatures}.values())


def _signature(by):
    return by if isinstance(by, dict) else signature(by)


@transaction.atomic
def refresh(question, by=None, also=()):
    """Update the derived fields of a question, and log the change. Call this after each change of a working copy.

    `by` is the user who made the change, or None for a command. `also` names other fields that the user changed.
    Returns whether the content has changed."""
    row = locked(question)
    changed = set_derived_fields(row, content(row), by)
    row.save(update_fields=DERIVED_FIELDS)
    for name in DERIVED_FIELDS:
        setattr(question, name, getattr(row, name))
    if changed or also:
        details = {"changed": [*(["words"] if changed else []), *also]}
        if "tags" in also:  # they are public at once
            details["tags"] = sorted(row.tags.names())
        audit.append(Entry(Event.Act.SAVED, row, signature(by), details))
    return changed


@transaction.atomic
def refresh_many(questions, by=None):
    """Update the derived fields of a queryset of questions after a change of a row that they share, such as a source.

    `by` is a user, a signature or None. Returns the number of questions whose content has changed."""
    keys = [pk for (pk,) in questions.order_by("pk").select_for_update(of=("self",), no_key=True).values_list("pk")]
    count = 0
    for start in range(0, len(keys), BATCH_SIZE):
        batch = Question.objects.filter(pk__in=keys[start : start + BATCH_SIZE]).order_by("pk")
        batch = batch.select_related("collection", "live").prefetch_related("points__citations__source")
        changed = [row for row in batch if set_derived_fields(row, content(row), by)]
        Question.objects.bulk_update(changed, DERIVED_FIELDS)
        audit.append(*(Entry(Event.Act.SAVED, row, _signature(by), {"changed": ["words"]}) for row in changed))
        count += len(changed)
    return count


def write_points(pairs):
    """Replace the points of questions, given (question, unsaved points) pairs.

    A row with the key of a new point is updated, so that its citations stay."""
    new = [point for _, points in pairs for point in points]
    new_keys = {(point.question_id, point.key) for point in new}
    old = AnswerPoint.objects.filter(question__in=[question for question, _ in pairs])
    removed = [pk for pk, *key in old.values_list("pk", "question_id", "key") if tuple(key) not in new_keys]
    AnswerPoint.objects.filter(pk__in=removed).delete()
    AnswerPoint.objects.bulk_create(
        new,
        batch_size=BATCH_SIZE,
        update_conflicts=True,
        unique_fields=["question", "key"],
        update_fields=["position", "kind", "depth", "numbering", "label", "text"],
    )


def write_content(question, edition_content):
    """Replace the working copy with an edition's content. Call `refresh` afterwards."""
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
            values = {name: getattr(citation, name) for name in ("place", "quotation", "consulted")}
            Citation.objects.create(point=stored[block.key], source=source, **values)
