"""The audit log: append entries, and verify that the log and the database agree.

The hash of an entry is SHA-256 over the entry's values and the hash of the previous entry. One hash therefore proves
all earlier entries. Keep the last hash, which `manage.py verify_log` prints, outside of the database.

The entries of `_PUBLIC_ACTS` contain everything that decides the public state of a question: its editions, their
checks, and the fields in `_STATE_FIELDS`. `verify` replays these entries and compares the result with the database.
"""

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256

from django.db import connection, connections, transaction
from django.db.models import TextField
from django.db.models.functions import Cast
from django.utils import timezone

from faq.answers import content as contents
from faq.models import Check, Collection, Edition, Event, Question

_ADVISORY_LOCK = 0x5EA1ED  # an arbitrary number; no other code uses PostgreSQL's advisory locks
_BATCH_SIZE = 1000

_PUBLIC_ACTS = [Event.Act.PUBLISHED, Event.Act.WITHDRAWN, Event.Act.CHECKED, Event.Act.LOADED]
_SEALED_FIELDS = ["digest", "meaning_changed", "imported", "contributors", "second_check"]
_EDITION_KEYS = ["edition", "by", "note", "at", *_SEALED_FIELDS]
_CHECK_KEYS = ["edition", "check", "by", "on", "comment"]
_STATE_FIELDS = {
    "live": "public edition",
    "withdrawn_at": "time of withdrawal",
    "withdrawn_because": "reason for the withdrawal",
    "checked_on": "day of the last check",
    "check_due": "day of the next check",
    "unconfirmed": "mark that nobody else has checked it",
}
_STORED_AS_TEXT = ["withdrawn_at", "checked_on", "check_due"]
_NEVER_PUBLIC = dict.fromkeys(_STATE_FIELDS) | {"withdrawn_because": "", "unconfirmed": False}


def signature(user):
    """Return ``{"id": int, "name": str}`` for a user, or None for None.

    The log stores this value instead of a foreign key, because a record must outlive the account. The name is the
    user's public name, never the log-in name."""
    return {"id": user.pk, "name": user.get_full_name() or "an editor"} if user else None


@dataclass(frozen=True)
class Entry:
    """The values of a new log entry: an `Event.Act`, the question, a signature or None, and details (JSON).

    An entry about a collection has no question."""

    act: str
    question: Question | None
    by: dict | None = None
    details: dict = field(default_factory=dict)
    collection: Collection | None = None


def append(*entries):
    """Append `Entry` objects to the log, in order, in the current transaction.

    Raises `TransactionManagementError` outside of a transaction: an entry and the change that it records are stored
    together or not at all."""
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("Append log entries in the transaction of the change they record.")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADVISORY_LOCK])
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
def record(act, question, user, **details):
    """Append one entry about a question."""
    append(Entry(act, question, signature(user), details))


@transaction.atomic
def record_of_collection(act, collection, user, **details):
    """Append one entry about a collection."""
    append(Entry(act, None, signature(user), details, collection))


def hash_of(event):
    """Compute the hash of an `Event` from its other fields, including `previous`."""
    values = [
        event.number,
        event.at.isoformat(),
        event.by,
        event.act,
        event.collection,
        event.question,
        event.details,
        event.previous,
    ]
    return contents.digest_of(values)


def edition_details(edition):
    """Return the details that a log entry stores of an edition (JSON). The digest stands for its content."""
    return {
        "edition": edition.number,
        "by": edition.approved_by,
        "note": edition.change_note,
        "at": edition.published_at.isoformat(),
        **{name: getattr(edition, name) for name in _SEALED_FIELDS},
    }


def check_details(check):
    """Return the details that a log entry stores of a check (JSON)."""
    return {
        "edition": check.edition.number,
        "check": check.number,
        "by": check.by,
        "on": str(check.on),
        "comment": check.comment,
    }


def public_state(question):
    """Return the values of the `_STATE_FIELDS` of a question (JSON)."""
    state = {name: getattr(question, name) for name in _STATE_FIELDS}
    if live := question.live:
        of_another = live.question_id != question.pk
        state["live"] = f"edition {live.number} of another question" if of_another else live.number
    if question.withdrawn_at:
        state["withdrawn_at"] = question.withdrawn_at.isoformat()
    for name in ("checked_on", "check_due"):
        state[name] = state[name] and str(state[name])
    return state


@dataclass(slots=True)
class _LoggedQuestion:
    """One question as the log describes it: its public state, and fingerprints of its editions (by number) and checks
    (by edition number and check number). A later entry never replaces the fingerprint of an earlier one."""

    state: dict = field(default_factory=_NEVER_PUBLIC.copy)
    editions: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)

    def apply(self, event):
        """Apply one entry. Raises `AttributeError` or `TypeError` if its details are malformed."""
        details = {**event.details, "by": event.by}
        match event.act:
            case Event.Act.PUBLISHED:
                self._add_edition(details)
                self.state = _NEVER_PUBLIC | {"live": details.get("edition"), "unconfirmed": "override" in details}
            case Event.Act.WITHDRAWN:
                withdrawal = {"withdrawn_at": details.get("at"), "withdrawn_because": details.get("because")}
                self.state = _NEVER_PUBLIC | withdrawal
            case Event.Act.CHECKED:
                self._add_check(details)
                due = {"check_due": details.get("due"), "unconfirmed": details.get("unconfirmed")}
                self.state = self.state | {"checked_on": details.get("on"), **due}
            case Event.Act.LOADED:
                for edition in details.get("editions", ()):
                    self._add_edition(edition)
                for check in details.get("checks", ()):
                    self._add_check(check)
                self.state = self.state | details.get("state", {})

    def _add_edition(self, details):
        self.editions.setdefault(details.get("edition"), _fingerprint(details, _EDITION_KEYS))

    def _add_check(self, details):
        self.checks.setdefault((details.get("edition"), details.get("check")), _fingerprint(details, _CHECK_KEYS))


def _fingerprint(details, keys):
    """Hash the details of an edition or a check. `verify` holds up to a hundred thousand of them in memory."""
    values = json.dumps([details.get(key) for key in keys], sort_keys=True)
    return sha256(values.encode()).digest()


def note_loaded(loaded):
    """Append an entry for each question whose loaded rows do not follow from the log.

    `loaded` maps `Question`, `Edition` and `Check` to sets of the primary keys that a fixture stored. The entries
    describe these rows only, so that loading a fixture does not hide a change that was made by hand."""
    editions, checks = defaultdict(list), defaultdict(list)
    for edition in _by_keys(Edition.objects.defer("content"), loaded[Edition]):
        editions[edition.question_id].append(edition)
    for check in _by_keys(Check.objects.select_related("edition").defer("edition__content"), loaded[Check]):
        checks[check.edition.question_id].append(check)
    questions = list(_by_keys(_questions(), loaded[Question] | editions.keys() | checks.keys()))
    logged = defaultdict(_LoggedQuestion)
    slugs = {question.collection.slug for question in questions}
    for event in Event.objects.filter(act__in=_PUBLIC_ACTS, collection__in=slugs).iterator(_BATCH_SIZE):
        logged[event.collection, event.question].apply(event)
    entries = []
    for question in questions:
        before, state = logged[question.collection.slug, question.number], public_state(question)
        details = {
            "editions": [edition_details(row) for row in editions[question.pk] if row.number not in before.editions],
            "checks": [
                check_details(row)
                for row in checks[question.pk]
                if (row.edition.number, row.number) not in before.checks
            ],
            "state": state if question.pk in loaded[Question] and state != before.state else {},
        }
        if details := {name: value for name, value in details.items() if value}:
            entries.append(Entry(Event.Act.LOADED, question, details=details))
    if entries:
        append(*entries)


def _by_keys(queryset, keys):
    """Yield the rows with these primary keys in order. Batches keep below the limit of parameters of a statement."""
    keys = sorted(keys)
    for start in range(0, len(keys), _BATCH_SIZE):
        yield from queryset.filter(pk__in=keys[start : start + _BATCH_SIZE]).order_by("pk")


def _questions():
    state = [name for name in _STATE_FIELDS if name != "live"]
    return Question.objects.select_related("collection", "live").only(
        "number", "collection__slug", "live__number", "live__question", *state
    )


@dataclass
class Verdict:
    """The result of `verify`: numbers of log entries and editions, the hash of the last entry, and sentences about
    problems."""

    entries: int
    editions: int
    head: str
    problems: list


def verify(known_hash="", using="default"):
    """Replay the whole log, compare the result with all questions, editions and checks, and return a `Verdict`.

    If you pass `known_hash`, a hash that was kept outside of the database, an entry must have it."""
    with _snapshot(using):
        try:
            logged, entries, head, problems = _replay(known_hash, using)
            editions, differences = _compare(logged, using)
        except (AttributeError, TypeError, ValueError) as error:
            # SQLite stores any value in any column, so a row that was written by hand may be unreadable.
            return Verdict(0, 0, "", [f"The log, or a row that it describes, has an unreadable value: {error}."])
    return Verdict(entries, editions, head, problems + differences)


@contextmanager
def _snapshot(using):
    """Read a consistent snapshot in this block, while other connections write. Inside a transaction, use that one."""
    database = connections[using]
    if database.in_atomic_block:
        yield
    elif database.vendor == "postgresql":
        with transaction.atomic(using):
            with database.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    else:
        with database.cursor() as cursor:
            cursor.execute("BEGIN")  # `transaction.atomic` takes the write lock here (BEGIN IMMEDIATE)
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


def _replay(known_hash, using):
    """Check the hash chain and apply each entry.

    Returns `_LoggedQuestion` objects by (slug, number), the number of entries, the last hash, and problems."""
    logged, problems, expected, previous, found = defaultdict(_LoggedQuestion), [], 1, "", not known_hash
    for event in Event.objects.using(using).order_by("number").iterator(_BATCH_SIZE):
        if event.number != expected:
            problems.append(f"Entries {expected} to {event.number - 1} are missing.")
        elif event.previous != previous:
            problems.append(f"Entry {event.number} does not follow from the one before it.")
        if hash_of(event) != event.hash:
            problems.append(f"Entry {event.number} was changed after it was written.")
        if event.act in _PUBLIC_ACTS:
            try:
                logged[event.collection, event.question].apply(event)
            except (AttributeError, TypeError):
                problems.append(f"Entry {event.number} is malformed: this site never writes such an entry.")
        expected, previous, found = event.number + 1, event.hash, found or event.hash == known_hash
    if not found:
        problems.append(f"No entry has the hash {known_hash}: this is not the log that the hash was kept from.")
    return logged, expected - 1, previous, problems


def _compare(logged, using):
    """Compare the database with the replayed log. Returns the number of editions, and sentences about differences."""
    problems, editions, wrong_checks = [], 0, {}
    fields = ["number", "approved_by", "change_note", "published_at", "stored", *_SEALED_FIELDS]
    rows = Edition.objects.using(using).annotate(stored=Cast("content", TextField())).order_by("pk")
    rows = rows.values_list("question__collection__slug", "question__number", *fields, named=True)
    for edition in rows.iterator(_BATCH_SIZE):
        editions += 1
        question = edition[:2]
        sealed = logged[question].editions.pop(edition.number, None)
        if sealed is None:
            problems.append(f"Edition {edition.number} of {_name(question)} is in no entry of the log.")
        elif sealed != _fingerprint(edition_details(edition), _EDITION_KEYS) or not _matches_digest(edition):
            problems.append(f"Edition {edition.number} of {_name(question)} is not what was sealed.")
    checks = Check.objects.using(using).select_related("edition__question__collection").only(
        "number", "by", "on", "comment", "edition__number", "edition__question__number",
        "edition__question__collection__slug",
    )  # fmt: skip
    for check in checks.order_by("pk").iterator(_BATCH_SIZE):
        row, numbers = check.edition.question, (check.edition.number, check.number)
        question = row.collection.slug, row.number
        if logged[question].checks.pop(numbers, None) != _fingerprint(check_details(check), _CHECK_KEYS):
            wrong_checks[question, check.edition.number] = True
    # SQLite can store text in a date column that Django reads as None, or as a date in another spelling, and that
    # compares as a later date.
    texts = {f"stored_{name}": Cast(name, TextField()) for name in _STORED_AS_TEXT}
    for row in _questions().annotate(**texts).using(using).order_by("pk").iterator(_BATCH_SIZE):
        question = row.collection.slug, row.number
        actual, expected = public_state(row), logged[question].state
        actual |= _unusual_spellings(row)
        problems += [
            f"The {description} of {_name(question)} does not follow from the log: it is {_display(actual[name])}, and "
            f"must be {_display(expected.get(name))}."
            for name, description in _STATE_FIELDS.items()
            if actual[name] != expected.get(name)
        ]
    for question, unmatched in logged.items():
        problems += [f"Edition {number} of {_name(question)} is missing." for number in unmatched.editions]
        wrong_checks |= {(question, edition): True for edition, _ in unmatched.checks}
    for question, edition in wrong_checks:
        problems.append(f"The checks of edition {edition} of {_name(question)} do not follow from the log.")
    return editions, problems


def _matches_digest(edition):
    """Whether the stored content is valid and has the edition's digest."""
    try:
        return contents.digest(contents.from_dict(json.loads(edition.stored))) == edition.digest
    except (ValueError, AttributeError):
        return False


def _unusual_spellings(row):
    """Return the stored texts of dates and times that are not spelled as Django writes them, by field name."""
    spellings = {name: str(getattr(row, name)) for name in ("checked_on", "check_due")}
    moment = row.withdrawn_at
    if connections[row._state.db].vendor == "sqlite" or moment is None:
        spellings["withdrawn_at"] = str(moment and moment.replace(tzinfo=None))
    stored = {name: getattr(row, f"stored_{name}") for name in spellings}
    return {name: text for name, text in stored.items() if text is not None and text != spellings[name]}


def _name(question):
    slug, number = question
    return f"{slug} {number}"


def _display(value):
    return "not set" if value in (None, "", False) else "set" if value is True else f"“{value}”"
