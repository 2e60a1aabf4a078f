"""The one door between the working copy and the public, and the way there: submit, send back, publish, withdraw,
restore, discard, check. Each act is one transaction, and goes into the log."""

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from faq import search
from faq.answers import content as contents
from faq.answers import seedfile, wording
from faq.models import Check, Edition, Event, Question, Source

from . import audit, topics, working_copy
from .audit import Entry, signature
from .working_copy import locked

IMPORTED = "Imported from a seed file. Nobody has checked it yet."


class CannotPublish(ValidationError):
    """Why this cannot be done now, in words."""


class NeedsSecondPerson(CannotPublish):
    """Whoever wrote something of an edition does not approve it."""


def preview(question, last=None, content=None):
    """The edition that publishing would make now, unsaved.

    `last` is the latest edition's number, and `content` the working copy's, if they are known."""
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
    """Ask publishers to read the working copy. Raises `CannotPublish`."""
    question = locked(question)
    if question.state == Question.State.PUBLIC:
        raise CannotPublish("The public sees exactly this already, so there is nothing to review.")
    if problem := problem_with(working_copy.content(question)):
        raise CannotPublish(problem)
    question.review, question.review_note = Question.Review.SUBMITTED, _words(note)
    question.submitted_by, question.submitted_at = signature(by), timezone.now()
    question.save(update_fields=["review", "review_note", "submitted_by", "submitted_at"])
    audit.record(Event.Act.SUBMITTED, question, by, note=question.review_note, digest=question.digest)
    return question


@transaction.atomic
def send_back(question, *, by, note):
    """Give a submitted working copy back to its editors, and say why. Raises `CannotPublish`."""
    question = locked(question)
    if question.review != Question.Review.SUBMITTED:
        raise CannotPublish("This question does not wait for a review.")
    note = _words(note)
    if not note:
        raise CannotPublish("Say what is still to be done: the editor sees it on the question's page.")
    question.review, question.review_note = Question.Review.RETURNED, note
    question.save(update_fields=["review", "review_note"])
    audit.record(Event.Act.RETURNED, question, by, note=note)
    return question


@transaction.atomic
def publish(question, *, by, note, meaning_changed=True, override=""):
    """Seal the working copy and show it to the public. Returns the edition; raises `CannotPublish`.

    Whoever wrote some of it needs a second person, or gives a reason as `override`: then the edition says publicly
    that it had no second check, until another person confirms it."""
    question = locked(question)
    edition = preview(question)
    note, override = _words(note), _words(override)
    if not note:
        raise CannotPublish("Say in a few words what changed: readers see it in the answer's history.")
    if problem := problem_with(edition.content):
        raise CannotPublish(problem)
    if question.live and question.live.content == edition.content:
        raise CannotPublish("The public sees exactly this already, so there is nothing to publish.")
    if question.digest != edition.digest:  # else it was noted when it was saved
        working_copy.note(question, edition.content)
    people = writers(question, edition.content)
    own = any(one["id"] == by.pk for one in people)
    if own and not override:
        raise NeedsSecondPerson(
            "You wrote some of these words yourself, so somebody else with the right to publish must read them. "
            "Submit them for review."
        )
    if own and not by.has_perm("faq.override_second_check"):
        raise NeedsSecondPerson("You may not publish your own words without a second person.")
    edition.change_note = note
    edition.meaning_changed = meaning_changed
    edition.contributors = people
    edition.approved_by = signature(by)
    edition.second_check = bool(people) and not own
    seal([(question, edition)], override if own else "")
    return edition


def writers(question, content=None):
    """Signatures of all who wrote something of the working copy that two people have not seen yet.

    Beside those who changed it: whoever wrote what is public without a second check, and whoever described a source
    that the public answer does not name like that."""
    people = [*question.contributors, *(question.live.contributors if question.unconfirmed else [])]
    content = content or working_copy.content(question)
    known = _sources(question.live.content) if question.live else []
    new = {source.key for source in _sources(content) if source not in known}
    if new:
        for described in Source.objects.filter(key__in=new).order_by("key").values_list("written_by", flat=True):
            people += described
    return list({one["id"]: one for one in people}.values())


def _sources(content):
    return [citation.source for citation in contents.citations(content.blocks)]


def seal_imported(working):
    """Publish the working copies of many questions as they came from a seed file. Returns the editions.

    `working` are pairs of a question, with its collection and live edition at hand, and its working copy's content."""
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
    """Store the editions of (question, edition) pairs and make each one live."""
    Edition.objects.bulk_create([edition for _, edition in pairs])
    entries = []
    for question, edition in pairs:
        question.live, question.digest = edition, edition.digest
        question.withdrawn_at, question.withdrawn_because = None, ""
        # A check confirms one edition; nobody has compared the new one with its sources.
        question.checked_on = question.check_due = None
        question.unconfirmed = bool(override)
        facts = audit.edition_details(edition)
        by = facts.pop("by")
        if override:
            facts["override"] = override
        entries.append(Entry(Event.Act.PUBLISHED, question, by, facts))
    _store([question for question, _ in pairs])
    audit.append(*entries)


@transaction.atomic
def withdraw(question, *, because, by=None):
    """Take the answer off the public site; its addresses answer 410 and say why. Raises `CannotPublish`."""
    question = locked(question)
    because = _words(because)
    if question.live is None:
        raise CannotPublish("This answer is not public, so it cannot be withdrawn.")
    if not because:
        raise CannotPublish("Say why the answer was withdrawn: readers see it at the answer's address.")
    # Its words are not public any more, so who wrote them does not bring them back alone.
    _add_contributors(question, question.live.contributors)
    question.live, question.withdrawn_at, question.withdrawn_because = None, timezone.now(), because
    question.checked_on = question.check_due = None
    question.unconfirmed = False
    _store([question])
    audit.record(Event.Act.WITHDRAWN, question, by, because=because, at=question.withdrawn_at.isoformat())
    return question


@transaction.atomic
def restore(question, edition, *, by=None):
    """Bring an earlier edition back into the working copy. The public sees nothing of it until it is published."""
    question = locked(question)
    if edition.question_id != question.pk:
        raise ValidationError("That edition belongs to another question.")
    working_copy.write_content(question, edition.content)
    audit.record(Event.Act.RESTORED, question, by, edition=edition.number)
    working_copy.refresh(question, by)
    if question.state != Question.State.PUBLIC:
        _add_contributors(question, edition.contributors)  # they are their words again
        question.save(update_fields=["contributors"])
    return question


@transaction.atomic
def discard(question, *, by=None):
    """Make the working copy what the public sees again. Raises `CannotPublish`."""
    question = locked(question)
    if question.state != Question.State.CHANGED:
        raise CannotPublish("There are no changes that the public does not see, so there is nothing to discard.")
    working_copy.write_content(question, question.live.content)
    audit.record(Event.Act.DISCARDED, question, by)
    working_copy.refresh(question, by)
    return question


@transaction.atomic
def check(question, *, by, comment="", on=None):
    """Record that a person compared the live edition with its sources and it holds. Raises `CannotPublish`.

    A check by somebody who had no part in an edition that was published without a second check confirms it."""
    question = locked(question)
    if question.live is None:
        raise CannotPublish("Only an answer that is public can be confirmed.")
    if not question.live.names_a_source:
        raise CannotPublish(
            "The public answer names no source, so there is nothing to compare it with. Name a source at one of its "
            "points and publish that, then check the answer."
        )
    on = on or timezone.localdate()
    act = Check.objects.create(
        edition=question.live,
        number=(question.live.checks.aggregate(last=Max("number"))["last"] or 0) + 1,
        by=signature(by),
        on=on,
        comment=_words(comment),
    )
    question.confirm(on)
    question.unconfirmed = question.unconfirmed and question.live.had_part(by)
    question.save(update_fields=["checked_on", "check_due", "unconfirmed"])
    facts = audit.check_details(act) | {"due": str(question.check_due), "unconfirmed": question.unconfirmed}
    del facts["by"]  # the entry has it
    audit.record(Event.Act.CHECKED, question, by, **facts)
    return act


@transaction.atomic
def settle_conflict(question, *, by=None):
    """Record that an editor has looked at the seed's newer text: an import reports the question again for news only."""
    question = locked(question)
    question.seed_settled, question.seed_conflict = question.seed_conflict or question.seed_settled, ""
    question.save(update_fields=["seed_settled", "seed_conflict"])
    audit.record(Event.Act.SETTLED, question, by)
    return question


def problem_with(content):
    """Why this content cannot be shown and exported (a sentence), or None. Checks what spans several points."""
    blocks = content.blocks
    if not blocks:
        return "The answer has no points yet. Add at least one."
    parent = False
    for place, block in enumerate(blocks, start=1):
        if block.kind == seedfile.BULLET:
            if block.depth and not parent:
                return f"Block {place} is nested, but no numbered point stands before it. Choose “no” for nested."
            if parent and not block.depth:
                return (
                    f"Block {place} is a bullet right after a numbered point, so readers would take it for a part of "
                    "that point. Nest it, or put a paragraph between the two."
                )
        else:
            parent = block.kind == seedfile.NUMBERED
    blocks_publishing = settings.WORDING_BLOCKS
    blocking = blocks_publishing and [f for f in wording.review(content) if f.kind in blocks_publishing]
    if blocking:
        kind, quote = wording.KINDS[blocking[0].kind], blocking[0].quote
        return f"{kind}: “{quote}”. {blocking[0].why} This site publishes no answer with such words."
    return None


def last_number(question):
    """The number of the question's latest edition, or 0."""
    return question.editions.aggregate(last=Max("number"))["last"] or 0


def _add_contributors(question, people):
    question.contributors = list({one["id"]: one for one in [*question.contributors, *people]}.values())


def _words(text):
    """A note or reason as one line; raises `CannotPublish` if a page or a feed could not show it."""
    text = contents.one_line(text)
    if text and (problem := seedfile.problem_with(text, seedfile.NUMBERED)):
        raise CannotPublish(problem)
    return text


def _store(questions):
    for question in questions:
        question.note_state()
        if question.state == Question.State.PUBLIC:
            working_copy.end_review(question)
    fields = ["live", "withdrawn_at", "withdrawn_because", "unconfirmed", "checked_on", "check_due"]
    Question.objects.bulk_update(questions, [*fields, *working_copy.NOTED], batch_size=working_copy.BATCH)
    topics.note_public(question.pk for question in questions if question.live)
    search.index(questions)
