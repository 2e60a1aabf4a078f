"""The texts of a collection, which stand on all its answers at once. Where one of those is or was public, a change
waits until a second person confirms it. All of it goes into the log, with the old and the new words."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from faq.answers import content as contents
from faq.models import Collection, Event, Question

from . import audit, working_copy

FIELDS = ["title", "description", "jurisdiction", "language", "origin"]
PART_OF_ANSWERS = {"jurisdiction", "language"}
"""Readers are told of these by the next edition only."""


class CannotChange(ValidationError):
    """Why this cannot be done now, in words."""


def to_confirm(collections, user):
    """Collections with a proposal that this person may confirm, having the right to publish."""
    return collections.filter(proposed__isnull=False).exclude(proposed__by__id=user.pk)


def comparison(collection):
    """The waiting proposal as a list of (name of the field, text as it is, proposed text)."""
    values = collection.proposed["values"] if collection.proposed else {}
    return [(name, getattr(collection, name), values[name]) for name in FIELDS if name in values]


def digest(collection):
    """What a page showed of the proposal, for telling whether it still is so."""
    return contents.digest([collection.proposed, comparison(collection)])


def note_new(collection, *, by):
    """Log the texts of a collection that a person has just made."""
    new = {name: getattr(collection, name) for name in FIELDS}
    _record(Event.Act.COLLECTION_CHANGED, collection, by, {}, new)


@transaction.atomic
def refuse_unless_free(collection, values, *, by):
    """Raise `CannotChange` if `save` could not store these values, since another person's proposal waits.

    The row is held until the transaction ends, so that `save` finds the same."""
    row = _locked(collection)
    if _differences(row, values) and row.proposed and row.proposed["by"]["id"] != by.pk:
        raise CannotChange(
            f"Nothing was saved: a proposal by {row.proposed['by']['name']} waits to be confirmed. It is shown on this "
            "page, and what you typed is still in the form. Save again once that one was confirmed or declined."
        )


@transaction.atomic
def save(collection, values, *, by):
    """Change texts of a collection, or store the change as a proposal if an answer of it is or was public.

    `values` are new texts by the names of `FIELDS`. Returns whether the collection has them now. A proposal takes the
    place of an earlier one by the same person. Raises `CannotChange` if another person's proposal waits."""
    refuse_unless_free(collection, values, by=by)
    row = _locked(collection)
    new = _differences(row, values)
    if not new:
        return True
    old = {name: getattr(row, name) for name in new}
    if not row.questions.ever_public().exists():
        _write(row, new, by)
        _record(Event.Act.COLLECTION_CHANGED, row, by, old, new)
        return True
    row.proposed = {"values": new, "by": audit.signature(by), "at": timezone.now().isoformat()}
    row.save(update_fields=["proposed"])
    _record(Event.Act.COLLECTION_PROPOSED, row, by, old, new)
    return False


@transaction.atomic
def confirm(collection, *, by, seen, note=""):
    """Give the collection the proposed texts. `seen` is the `digest` of what this person was shown.

    Raises `CannotChange`, also for the person whose proposal it is."""
    row = _held(collection, by, seen)
    new, proposer = row.proposed["values"], row.proposed["by"]
    old = {name: getattr(row, name) for name in new}
    _write(row, new, proposer)
    _record(Event.Act.COLLECTION_CONFIRMED, row, by, old, new, proposed_by=proposer, note=note)


@transaction.atomic
def decline(collection, *, by, seen, note=""):
    """Drop the proposal. For the rest as `confirm`."""
    row = _held(collection, by, seen)
    new, proposer = row.proposed["values"], row.proposed["by"]
    row.proposed = None
    row.save(update_fields=["proposed"])
    old = {name: getattr(row, name) for name in new}
    _record(Event.Act.COLLECTION_DECLINED, row, by, old, new, proposed_by=proposer, note=note)


def _locked(collection):
    return Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)


def _held(collection, by, seen):
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
    """Before the entry in the log: `refresh_many` locks questions, and who has one of those may wait for the log."""
    for name, value in values.items():
        setattr(row, name, value)
    row.proposed = None
    row.save(update_fields=[*values, "proposed"])
    if PART_OF_ANSWERS & values.keys():
        working_copy.refresh_many(Question.objects.filter(collection=row), by)


def _record(act, collection, by, old, new, **facts):
    audit.record_of_collection(act, collection, by, changed=list(new), old=old, new=new, **facts)
