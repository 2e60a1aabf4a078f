"""The log of what people did: adding to it, and proving that nobody changed it.

Each entry's hash is SHA-256 over its own facts and the hash of the entry before it. Whoever knows one hash can prove
everything that came before: keep the last one, which `manage.py verify_log` prints, somewhere else.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import sha256
from operator import attrgetter

from django.db import connection, transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from faq.answers import content as contents
from faq.models import Collection, Edition, Event, Question

_LOCK = 0x5EA1ED  # of PostgreSQL's advisory locks; any number that nothing else here uses
_BATCH = 1000

SEALED = ["digest", "meaning_changed", "imported", "contributors", "second_check"]
"""Facts of an edition that its entry repeats."""
_FACTS = ["note", "at", *SEALED]


def signature(user):
    """Who did it, for a lasting record: it must outlive the account, so it is a value and not a reference.

    Returns ``{"id": int, "name": str}``; the name is the public one, never the log-in name. None for no person."""
    return {"id": user.pk, "name": user.get_full_name() or "an editor"} if user else None


@dataclass(frozen=True)
class Entry:
    """What to add: an `Event.Act`, the question, a signature or None, and what else is worth keeping (JSON).

    An entry about a collection itself has no question."""

    act: str
    question: Question | None
    by: dict | None = None
    details: dict = field(default_factory=dict)
    collection: Collection | None = None


def append(*entries):
    """Add entries, in order, in the transaction of what they tell of."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An entry is added together with what it tells of.")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
    last = Event.objects.order_by("-number").values_list("number", "hash").first()
    number, previous = last or (0, "")
    now, events = timezone.now(), []
    for entry in entries:
        number += 1
        event = Event(
            number=number,
            at=now,
            by=entry.by,
            act=entry.act,
            collection=(entry.collection or entry.question.collection).slug,
            question=entry.question and entry.question.number,
            details=entry.details,
            previous=previous,
        )
        event.hash = previous = hash_of(event)
        events.append(event)
    Event.objects.bulk_create(events)


@transaction.atomic
def record(act, question, user, **facts):
    """Add one entry about what a person did to one question."""
    append(Entry(act, question, signature(user), facts))


@transaction.atomic
def record_of_collection(act, collection, user, **facts):
    """Add one entry about what a person did to a collection itself."""
    append(Entry(act, None, signature(user), facts, collection))


def hash_of(event):
    """What an entry's hash must be, given its facts and `previous`."""
    facts = [
        event.number,
        event.at.isoformat(),
        event.by,
        event.act,
        event.collection,
        event.question,
        event.details,
        event.previous,
    ]
    return contents.digest_of(facts)


@dataclass
class Verdict:
    """`problems` are sentences; `head` is the last entry's hash; `unlogged` editions are not in the log."""

    entries: int
    editions: int
    unlogged: int
    head: str
    problems: list


def verify(known_hash="", using="default"):
    """Walk the whole log and all editions. `known_hash` is one that was kept elsewhere and must be in the chain."""
    problems, expected, previous, seen = [], 1, "", not known_hash
    published, checked = {}, defaultdict(list)
    for event in Event.objects.using(using).order_by("number").iterator(_BATCH):
        if event.number != expected:
            problems.append(f"Entries {expected} to {event.number - 1} are missing.")
        elif event.previous != previous:
            problems.append(f"Entry {event.number} does not follow from the one before it.")
        if hash_of(event) != event.hash:
            problems.append(f"Entry {event.number} was changed after it was written.")
        place = event.collection, event.question, event.details.get("edition")
        if event.act == Event.Act.PUBLISHED:
            published[place] = "at" in event.details, _fingerprint(event.by, event.details)
        elif event.act == Event.Act.CHECKED:
            checked[place].append([event.by, event.details.get("on"), event.details.get("comment")])
        expected, previous, seen = event.number + 1, event.hash, seen or event.hash == known_hash
    if not seen:
        problems.append(f"No entry has the hash {known_hash}: the log is not the one that you knew.")
    editions = unlogged = 0
    rows = Edition.objects.using(using).defer("content").annotate(stored=Cast("content", TextField()))
    for edition in rows.select_related("question__collection").prefetch_related("checks").iterator(_BATCH):
        editions += 1
        place = edition.question.collection.slug, edition.question.number, edition.number
        timed, told = published.pop(place, (False, None))
        unlogged += told is None
        if not _reads_as_sealed(edition) or (told and told != _sealed(edition, timed)):
            problems.append(f"Edition {place[2]} of {place[0]} {place[1]} is not what was sealed.")
        checks = [
            [check.by, str(check.on), check.comment] for check in sorted(edition.checks.all(), key=attrgetter("number"))
        ]
        if told and checks != checked.get(place, []):
            problems.append(f"The checks of edition {place[2]} of {place[0]} {place[1]} are not what was noted.")
    problems += [f"Edition {edition} of {slug} {number} is gone." for slug, number, edition in published]
    return Verdict(expected - 1, editions, unlogged, previous, problems)


def _reads_as_sealed(edition):
    """Whether the stored content is one, and has the digest that the edition says."""
    try:
        return contents.digest(contents.from_dict(json.loads(edition.stored))) == edition.digest
    except (ValueError, AttributeError):
        return False


def _sealed(edition, timed):
    """The fingerprint that the entry of an edition must have. (Entries of earlier versions do not say when.)"""
    facts = {"note": edition.change_note, **{name: getattr(edition, name) for name in SEALED}}
    if timed:
        facts["at"] = edition.published_at.isoformat()
    return _fingerprint(edition.approved_by, facts)


def _fingerprint(by, facts):
    """What stands in memory for an entry until its edition is met: there can be a hundred thousand of them."""
    known = json.dumps([by, [facts.get(name) for name in _FACTS]], sort_keys=True)
    return sha256(known.encode()).digest()
