"""Change the texts of a collection, which all its pages show.

If an answer of the collection is or was public, a change is stored as a proposal, and a second person confirms or
declines it. Each step appends the old and the new texts to the log."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from faq.answers import content as contents
from faq.models import Collection, Event, Question

from . import audit, working_copy

FIELDS = ["title", "description", "jurisdiction", "language", "origin"]
EDITION_FIELDS = {"jurisdiction", "language"}
"""Fields that editions contain: a change becomes public with the next edition only."""


class CannotChange(ValidationError):
    """The change is not possible now. The message says why and what to do."""


def to_confirm(collections, user):
    """Filter collections with a proposal that `user`, a publisher, may confirm."""
    return collections.filter(proposed__isnull=False).exclude(proposed__by__id=user.pk)


def comparison(collection):
    """Return the proposal as a list of (field name, current text, proposed text)."""
    values = collection.proposed["values"] if collection.proposed else {}
    return [(name, getattr(collection, name), values[name]) for name in FIELDS if name in values]


def digest(collection):
    """Return a digest of the proposal, with which a form detects that the proposal has changed meanwhile."""
    return contents.digest_of([collection.proposed, comparison(collection)])


def note_new(collection, *, by):
    """Log the texts of a collection that `by` has just created."""
    collection.written_by = [audit.signature(by)]
    collection.save(update_fields=["written_by"])
    new = {name: getattr(collection, name) for name in FIELDS}
    _record(Event.Act.COLLECTION_CHANGED, collection, by, {}, new)


@transaction.atomic
def refuse_unless_free(collection, values, *, by):
    """Raise `CannotChange` if another person's proposal prevents `save` from storing these values.

    The row stays locked until the transaction ends, so that `save` comes to the same result."""
    row = _locked(collection)
    if _differences(row, values) and row.proposed and row.proposed["by"]["id"] != by.pk:
        raise CannotChange(
            f"Nothing was saved: a proposal by {row.proposed['by']['name']} waits to be confirmed. It is shown on this "
            "page, and what you typed is still in the form. Save again once that one was confirmed or declined."
        )


@transaction.atomic
def save(collection, values, *, by):
    """Change texts of a collection, or store a proposal if an answer of the collection is or was public.

    `values` maps names from `FIELDS` to new texts. Returns whether the collection has these texts now. A proposal
    replaces an earlier one by the same person. Raises `CannotChange` if another person's proposal is waiting."""
    refuse_unless_free(collection, values, by=by)
    row = _locked(collection)
    new = _differences(row, values)
    if not new:
        return True
    old = {name: getattr(row, name) for name in new}
    if not row.questions.ever_public().exists():
        row.written_by = working_copy.unique([*row.written_by, audit.signature(by)])
        _write(row, new, by)
        _record(Event.Act.COLLECTION_CHANGED, row, by, old, new)
        return True
    row.proposed = {"values": new, "by": audit.signature(by), "at": timezone.now().isoformat()}
    row.save(update_fields=["proposed"])
    _record(Event.Act.COLLECTION_PROPOSED, row, by, old, new)
    return False


@transaction.atomic
def confirm(collection, *, by, seen, note=""):
    """Apply the proposal. `seen` is the `digest` of the proposal that this person was shown.

    Raises `CannotChange`: nobody confirms their own proposal."""
    row = _locked_proposal(collection, by, seen)
    new, proposer = row.proposed["values"], row.proposed["by"]
    old = {name: getattr(row, name) for name in new}
    _write(row, new, proposer)
    _record(Event.Act.COLLECTION_CONFIRMED, row, by, old, new, proposed_by=proposer, note=note)


@transaction.atomic
def decline(collection, *, by, seen, note=""):
    """Delete the proposal. Arguments and errors are those of `confirm`."""
    row = _locked_proposal(collection, by, seen)
    new, proposer = row.proposed["values"], row.proposed["by"]
    row.proposed = None
    row.save(update_fields=["proposed"])
    old = {name: getattr(row, name) for name in new}
    _record(Event.Act.COLLECTION_DECLINED, row, by, old, new, proposed_by=proposer, note=note)


def _locked(collection):
    return Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)


def _locked_proposal(collection, by, seen):
    row = _locked(collection)
    if row.proposed is None:
        raise CannotChange("Nothing was done: nothing waits to be confirmed here any more.")
    if row.proposed["by"]["id"] == by.pk:
        raise CannotChange("Nothing was done: this is your own proposal, so somebody else confirms or declines it.")
    if seen != digest(row):
        raise CannotChange("Nothing was done: the proposal changed after you had opened this page. Look again.")
    return row


def _differences(row, values):
    return {name: value for name, value in values.items() if value != getattr(row, name)}


def _write(row, values, by):
    """Save the values. Call this before the log is locked: `refresh_many` locks questions, and a transaction that holds
    one of them may be waiting for the log."""
    for name, value in values.items():
        setattr(row, name, value)
    row.proposed = None
    row.save(update_fields=[*values, "proposed", "written_by"])
    if EDITION_FIELDS & values.keys():
        working_copy.refresh_many(Question.objects.filter(collection=row), by)


def _record(act, collection, by, old, new, **details):
    audit.record_of_collection(act, collection, by, changed=list(new), old=old, new=new, **details)
