"""The one door between the working copy and the public: seal, withdraw, restore, check."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from . import content as contents
from . import search, seedfile, wording
from .models import AnswerPoint, Check, Edition, Question

IMPORTED = "Imported from a seed file. Nobody has checked it yet."


class CannotPublish(ValidationError):
    """Why the working copy cannot become an edition, in words."""


def signature(user):
    """Who did it, for a sealed record: it must outlive the account, so it is a value and not a reference.

    Returns ``{"id": int, "name": str}``; the name is the public one, never the log-in name."""
    return {"id": user.pk, "name": user.get_full_name() or "an editor"}


def working_content(question, points=None):
    """The working copy as an edition's content. `points` in order, else those in the database."""
    points = list(question.points.all()) if points is None else points
    ordinals = contents.ordinals([(point.kind, point.depth, point.numbering) for point in points])
    return {
        "question": question.text,
        "short_answer": question.short_answer,
        "jurisdiction": question.collection.jurisdiction,
        "language": question.collection.language,
        "blocks": [
            {
                "key": point.key,
                "kind": point.kind,
                "ordinal": ordinal,
                "depth": point.depth,
                "label": point.label,
                "text": point.text,
                "citations": [],
            }
            for point, ordinal in zip(points, ordinals, strict=True)
        ],
    }


def fingerprint(question):
    """What an editor saw of a question when its page was opened: the working copy, and where readers find it.

    A save that brings another fingerprint than the database has would undo somebody's work."""
    found_by = [
        sorted(question.topics.values_list("slug", flat=True)),
        sorted(question.tags.values_list("name", flat=True)),
        sorted(question.related.values_list("pk", flat=True)),
        question.check_every,
    ]
    return contents.digest([working_content(question), found_by])


def preview(question):
    """The edition that publishing would make now, unsaved."""
    content = working_content(question)
    return Edition(
        question=question,
        number=_last_number(question) + 1,
        content=content,
        digest=contents.digest(content),
        published_at=timezone.now(),
    )


def refresh(question):
    """Note what the working copy looks like now. To be called after any change to a question or its points."""
    note_content(question, working_content(question))
    question.save(update_fields=["digest", "findings"])


def note_content(question, content):
    """Set what is derived from the working copy's content, for lists that must not compute it."""
    question.digest = contents.digest(content)
    question.findings = len(wording.review(content))


@transaction.atomic
def publish(question, *, by, note, meaning_changed=True):
    """Seal the working copy and show it to the public. Returns the edition; raises `CannotPublish`."""
    question = _locked(question)
    edition = preview(question)
    note = _words(note)
    if not note:
        raise CannotPublish("Say in a few words what changed: readers see it in the answer's history.")
    if problem := problem_with(edition.content):
        raise CannotPublish(problem)
    if question.live and question.live.digest == edition.digest:
        raise CannotPublish("The public sees exactly this already, so there is nothing to publish.")
    edition.change_note = note
    edition.meaning_changed = meaning_changed
    edition.contributors = [signature(by)]
    edition.approved_by = signature(by)
    seal([(question, edition)])
    return edition


def seal_imported(questions):
    """Publish the working copies of many questions as they came from a seed file. Returns the editions.

    `questions` have their collection, their live edition and their points at hand."""
    pairs = []
    for question in questions:
        edition = preview(question)
        edition.change_note, edition.imported = IMPORTED, True
        pairs.append((question, edition))
    seal(pairs)
    return [edition for _, edition in pairs]


def seal(pairs):
    """Store the editions of (question, edition) pairs and make each one live."""
    Edition.objects.bulk_create([edition for _, edition in pairs])
    for question, edition in pairs:
        question.live, question.digest = edition, edition.digest
        question.withdrawn_at, question.withdrawn_because = None, ""
        # A check confirms one edition; nobody has compared the new one with its sources.
        question.checked_on = question.check_due = None
    _store([question for question, _ in pairs])


@transaction.atomic
def withdraw(question, *, because):
    """Take the answer off the public site; its addresses answer 410 and say why. Raises `CannotPublish`."""
    question = _locked(question)
    because = _words(because)
    if question.live is None:
        raise CannotPublish("This answer is not public, so it cannot be withdrawn.")
    if not because:
        raise CannotPublish("Say why the answer was withdrawn: readers see it at the answer's address.")
    question.live, question.withdrawn_at, question.withdrawn_because = None, timezone.now(), because
    question.checked_on = question.check_due = None
    _store([question])
    return question


@transaction.atomic
def restore(question, edition):
    """Bring an earlier edition back into the working copy. The public sees nothing of it until it is published."""
    question = _locked(question)
    if edition.question_id != question.pk:
        raise ValidationError("That edition belongs to another question.")
    question.text, question.short_answer = edition.content["question"], edition.content["short_answer"]
    question.save(update_fields=["text", "short_answer"])
    seed_blocks = contents.seed_question(question.number, edition.content).blocks
    question.points.all().delete()
    AnswerPoint.objects.bulk_create(
        AnswerPoint(
            question=question,
            position=position,
            numbering=numbering,
            **{name: block[name] for name in ("key", "kind", "depth", "label", "text")},
        )
        for position, (block, numbering) in enumerate(
            zip(edition.content["blocks"], contents.numberings(seed_blocks), strict=True), start=1
        )
    )
    refresh(question)
    return question


@transaction.atomic
def check(question, *, by, comment="", on=None):
    """Record that a person compared the live edition with its sources and it holds. Raises `CannotPublish`."""
    question = _locked(question)
    if question.live is None:
        raise CannotPublish("Only an answer that is public can be confirmed.")
    on = on or timezone.localdate()
    act = Check.objects.create(
        edition=question.live,
        number=question.live.checks.count() + 1,
        by=signature(by),
        on=on,
        comment=_words(comment),
    )
    question.confirm(on)
    question.save(update_fields=["checked_on", "check_due"])
    return act


def problem_with(content):
    """Why this content cannot be shown and exported (a sentence), or None. Checks what spans several points."""
    blocks = content["blocks"]
    if not blocks:
        return "The answer has no points yet. Add at least one."
    parent = False
    for place, block in enumerate(blocks, start=1):
        if block["kind"] == seedfile.BULLET:
            if block["depth"] and not parent:
                return f"Block {place} is nested, but no numbered point stands before it. Choose “no” for nested."
            if parent and not block["depth"]:
                return (
                    f"Block {place} is a bullet right after a numbered point, so readers would take it for a part of "
                    "that point. Nest it, or put a paragraph between the two."
                )
        else:
            parent = block["kind"] == seedfile.NUMBERED
    blocking = [finding for finding in wording.review(content) if finding.kind in settings.WORDING_BLOCKS]
    if blocking:
        kind, quote = wording.KINDS[blocking[0].kind], blocking[0].quote
        return f"{kind}: “{quote}”. {blocking[0].why} This site publishes no answer with such words."
    return None


def _words(text):
    """A note or reason as one line; raises `CannotPublish` if a page or a feed could not show it."""
    text = contents.one_line(text)
    if text and (problem := seedfile.problem_with(text, seedfile.NUMBERED)):
        raise CannotPublish(problem)
    return text


def _locked(question):
    """The question's row as it is now, held until the transaction ends, so that two verbs cannot cross."""
    Question.objects.select_for_update().get(pk=question.pk)
    return Question.objects.select_related("collection", "live").get(pk=question.pk)


def _last_number(question):
    last = question.editions.order_by("-number").values_list("number", flat=True).first()
    return last or 0


def _store(questions):
    fields = ["live", "digest", "withdrawn_at", "withdrawn_because", "checked_on", "check_due"]
    Question.objects.bulk_update(questions, fields, batch_size=500)
    search.index(questions)


def settle_conflict(question):
    """An editor has looked at the seed's newer text: from now on it counts as imported, and only news is reported."""
    question.imported, question.seed_conflict = question.seed_conflict or question.imported, ""
    question.save(update_fields=["imported", "seed_conflict"])
