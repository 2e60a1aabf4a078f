"""The steps of an answer's workflow: submit, send back, publish, withdraw, restore, discard and check.

Each step locks the question, changes it in one transaction, and appends to the log. No other module makes an edition
public."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from faq import search
from faq.answers import content as contents
from faq.answers import seedfile, wording
from faq.models import Check, Collection, Edition, Event, Question, Source

from . import audit, topics, working_copy
from .audit import Entry, signature
from .working_copy import locked

IMPORTED = "Imported from a seed file. Nobody has checked it yet."


class CannotPublish(ValidationError):
    """The step is not possible now. The message says why and what to do."""


class NeedsSecondPerson(CannotPublish):
    """A contributor cannot approve an edition."""


def preview(question, last=None, content=None):
    """Return the unsaved edition that publishing would create now.

    To save queries, pass `last`, the number of the latest edition, and `content`, the content of the working copy."""
    content = content or working_copy.content(question)
    return Edition(
        question=question,
        number=(last_number(question) if last is None else last) + 1,
        content=content,
        digest=contents.digest(content),
        published_at=timezone.now(),
    )


@transaction.atomic
def submit(question, *, by, note=""):
    """Ask publishers to review the working copy. Raises `CannotPublish`."""
    question = locked(question)
    if question.state == Question.State.PUBLIC:
        raise CannotPublish("The public sees exactly this already, so there is nothing to review.")
    if question.review == Question.Review.SUBMITTED:
        raise CannotPublish(f"{question.submitted_by['name']} submitted this question already. It waits for a review.")
    if problem := problem_with(working_copy.content(question)):
        raise CannotPublish(problem)
    question.review, question.review_note = Question.Review.SUBMITTED, _on_one_line(note)
    question.submitted_by, question.submitted_at = signature(by), timezone.now()
    question.save(update_fields=["review", "review_note", "submitted_by", "submitted_at"])
    audit.record(Event.Act.SUBMITTED, question, by, note=question.review_note, digest=question.digest)
    return question


@transaction.atomic
def send_back(question, *, by, note):
    """Return a submitted working copy to its editors with a note. Raises `CannotPublish`."""
    question = locked(question)
    if question.review != Question.Review.SUBMITTED:
        raise CannotPublish("This question does not wait for a review.")
    note = _on_one_line(note)
    if not note:
        raise CannotPublish("Say what is still to be done: the editor sees it on the question's page.")
    question.review, question.review_note = Question.Review.RETURNED, note
    question.save(update_fields=["review", "review_note"])
    audit.record(Event.Act.RETURNED, question, by, note=note)
    return question


@transaction.atomic
def publish(question, *, by, note, meaning_changed=True, override=""):
    """Seal the working copy as an edition, make it public and return it. Raises `CannotPublish`.

    If `by` contributed to the unreviewed text, pass a reason as `override`. The edition then says publicly that it had
    no second check, until another person confirms it."""
    question = locked(question)
    content = working_copy.content(question)
    note, override = _on_one_line(note), _on_one_line(override)
    if not note:
        raise CannotPublish("Say in a few words what changed: readers see it in the answer's history.")
    if problem := problem_with(content):
        raise CannotPublish(problem)
    if question.live and question.live.content == content:
        raise CannotPublish("The public sees exactly this already, so there is nothing to publish.")

    contributors = writers(question, content)
    is_own = any(contributor["id"] == by.pk for contributor in contributors)
    if is_own and not override:
        raise NeedsSecondPerson(
            "You wrote some of these words yourself, so somebody else with the right to publish must read them. "
            "Submit them for review."
        )
    if is_own and not by.has_perm("faq.override_second_check"):
        raise NeedsSecondPerson("You may not publish your own words without a second person.")

    working_copy.set_derived_fields(question, content)
    edition = preview(question, content=content)
    edition.change_note = note
    edition.meaning_changed = meaning_changed
    edition.contributors = contributors
    edition.approved_by = signature(by)
    edition.second_check = bool(contributors) and not is_own
    seal([(question, edition)], override if is_own else "")
    if not is_own:
        Collection.objects.filter(pk=question.collection_id).exclude(written_by=[]).update(written_by=[])
    return edition


def writers(question, content=None):
    """Return the signatures of everyone who contributed text that a second person has not reviewed.

    These are the contributors to the working copy, to a public edition without a second check, to source descriptions
    that the public edition does not contain, and to texts of the collection that nobody else has published yet.
    `content` is the content of the working copy, if you have it already."""
    signatures = [*question.contributors, *(question.live.contributors if question.unconfirmed else [])]
    signatures += question.collection.written_by
    content = content or working_copy.content(question)
    public_sources = _sources(question.live.content) if question.live else []
    changed = {source.key for source in _sources(content) if source not in public_sources}
    if changed:
        for written_by in Source.objects.filter(key__in=changed).order_by("key").values_list("written_by", flat=True):
            signatures += written_by
    return working_copy.unique(signatures)


def _sources(content):
    return [citation.source for citation in contents.citations(content.blocks)]


def seal_imported(working):
    """Publish the working copies of many questions as imported, without a review. Returns the editions.

    `working` are (question, content of its working copy) pairs; load the questions with `collection` and `live`."""
    questions = [question for question, _ in working]
    numbers = Edition.objects.filter(question__in=questions).order_by().values_list("question").annotate(Max("number"))
    last, pairs = dict(numbers), []
    for question, content in working:
        edition = preview(question, last.get(question.pk, 0), content)
        edition.change_note, edition.imported = IMPORTED, True
        pairs.append((question, edition))
    seal(pairs)
    return [edition for _, edition in pairs]


def seal(pairs, override=""):
    """Store the editions of (question, edition) pairs, make each one public, and log it."""
    Edition.objects.bulk_create([edition for _, edition in pairs])
    entries = []
    for question, edition in pairs:
        question.live, question.digest = edition, edition.digest
        question.withdrawn_at, question.withdrawn_because = None, ""
        question.checked_on = question.check_due = None  # a check confirms one edition
        question.unconfirmed = bool(override)
        details = audit.edition_details(edition)
        by = details.pop("by")
        if override:
            details["override"] = override
        entries.append(Entry(Event.Act.PUBLISHED, question, by, details))
    _store([question for question, _ in pairs])
    audit.append(*entries)


def _store(questions):
    """Save the public state of questions, and update topics and search index."""
    for question in questions:
        working_copy.set_state(question)
    fields = ["live", "withdrawn_at", "withdrawn_because", "unconfirmed", "checked_on", "check_due"]
    fields += working_copy.DERIVED_FIELDS
    Question.objects.bulk_update(questions, fields, batch_size=working_copy.BATCH_SIZE)
    topics.note_public(question.pk for question in questions if question.live)
    search.index(questions)


@transaction.atomic
def withdraw(question, *, because, by=None):
    """Remove the answer from the public site. Its addresses return 410 with the reason. Raises `CannotPublish`."""
    question = locked(question)
    because = _on_one_line(because)
    if question.live is None:
        raise CannotPublish("This answer is not public, so it cannot be withdrawn.")
    if not because:
        raise CannotPublish("Say why the answer was withdrawn: readers see it at the answer's address.")
    # The text is not public any more, so its contributors need a second person to publish it again.
    working_copy.add_contributors(question, question.live.contributors)
    question.live, question.withdrawn_at, question.withdrawn_because = None, timezone.now(), because
    question.checked_on = question.check_due = None
    question.unconfirmed = False
    _store([question])
    audit.record(Event.Act.WITHDRAWN, question, by, because=because, at=question.withdrawn_at.isoformat())
    return question


@transaction.atomic
def restore(question, edition, *, by=None):
    """Replace the working copy with an earlier edition. The public edition does not change."""
    question = locked(question)
    if edition.question_id != question.pk:
        raise ValidationError("That edition belongs to another question.")
    working_copy.write_content(question, edition.content)
    audit.record(Event.Act.RESTORED, question, by, edition=edition.number)
    working_copy.refresh(question, by)
    if question.state != Question.State.PUBLIC:
        working_copy.add_contributors(question, edition.contributors)
        question.save(update_fields=["contributors"])
    return question


@transaction.atomic
def discard(question, *, by=None):
    """Replace the working copy with the public edition. Raises `CannotPublish`."""
    question = locked(question)
    if question.state != Question.State.CHANGED:
        raise CannotPublish("There are no changes that the public does not see, so there is nothing to discard.")
    working_copy.write_content(question, question.live.content)
    audit.record(Event.Act.DISCARDED, question, by)
    working_copy.refresh(question, by)
    return question


@transaction.atomic
def check(question, *, by, comment="", on=None):
    """Record that `by` compared the public edition with its sources and found no difference. Raises `CannotPublish`.

    Returns the `Check`. If the edition was published without a second check, a check by a person who neither
    contributed to it nor approved it also counts as the second check."""
    question = locked(question)
    if question.live is None:
        raise CannotPublish("Only an answer that is public can be confirmed.")
    if not question.live.names_a_source:
        raise CannotPublish(
            "The public answer names no source, so there is nothing to compare it with. Name a source at one of its "
            "points and publish that, then check the answer."
        )
    on = on or timezone.localdate()
    check = Check.objects.create(
        edition=question.live,
        number=(question.live.checks.aggregate(last=Max("number"))["last"] or 0) + 1,
        by=signature(by),
        on=on,
        comment=_on_one_line(comment),
    )
    question.confirm(on)
    question.unconfirmed = question.unconfirmed and question.live.had_part(by)
    question.save(update_fields=["checked_on", "check_due", "unconfirmed"])
    details = audit.check_details(check) | {"due": str(question.check_due), "unconfirmed": question.unconfirmed}
    del details["by"]  # a column of the entry
    audit.record(Event.Act.CHECKED, question, by, **details)
    return check


@transaction.atomic
def settle_conflict(question, *, by=None):
    """Record that an editor has handled a conflict with the seed file.

    The next import reports the question again only if the text in the file has changed."""
    question = locked(question)
    question.seed_settled, question.seed_conflict = question.seed_conflict or question.seed_settled, ""
    question.save(update_fields=["seed_settled", "seed_conflict"])
    audit.record(Event.Act.SETTLED, question, by)
    return question


def problem_with(content):
    """Return a sentence that says why this content cannot be published, or None.

    Checks rules about several points; the model's `clean` checks each point."""
    blocks = content.blocks
    if not blocks:
        return "The answer has no points yet. Add at least one."
    after_numbered = False  # whether a bullet here can be nested
    for number, block in enumerate(blocks, start=1):
        if block.kind == seedfile.BULLET:
            if block.depth and not after_numbered:
                return f"Block {number} is nested, but no numbered point stands before it. Choose “no” for nested."
            if after_numbered and not block.depth:
                return (
                    f"Block {number} is a bullet right after a numbered point, so readers would take it for a part of "
                    "that point. Nest it, or put a paragraph between the two."
                )
        else:
            after_numbered = block.kind == seedfile.NUMBERED
    if settings.WORDING_BLOCKS:
        for finding in wording.review(content):
            if finding.kind in settings.WORDING_BLOCKS:
                kind = wording.KINDS[finding.kind]
                return f"{kind}: “{finding.quote}”. {finding.why} This site publishes no answer with such words."
    return None


def last_number(question):
    """Return the number of the question's latest edition, or 0."""
    return question.editions.aggregate(last=Max("number"))["last"] or 0


def _on_one_line(text):
    """Return a note or reason on one line. Raises `CannotPublish` if a page or a feed cannot show it."""
    text = contents.one_line(text)
    if text and (problem := seedfile.problem_with(text, seedfile.NUMBERED)):
        raise CannotPublish(problem)
    return text
