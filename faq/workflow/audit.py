"""The log of what people did: adding to it, and proving that nobody changed it.

Each entry's hash is SHA-256 over its own facts and the hash of the entry before it. Whoever knows one hash can prove
everything that came before: keep the last one, which `manage.py verify_log` prints, somewhere else.

The entries of the acts in `_TELLING` hold all facts from which it follows what the public sees of a question: its
editions, their checks, and its state. `verify` compares that with the database.
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

_LOCK = 0x5EA1ED  # of PostgreSQL's advisory locks; any number that nothing else here uses
_BATCH = 1000

_TELLING = [Event.Act.PUBLISHED, Event.Act.WITHDRAWN, Event.Act.CHECKED, Event.Act.LOADED]
_SEALED = ["digest", "meaning_changed", "imported", "contributors", "second_check"]
_OF_EDITION = ["edition", "by", "note", "at", *_SEALED]
_OF_CHECK = ["edition", "check", "by", "on", "comment"]
_STATE = {
    "live": "public edition",
    "withdrawn_at": "time of withdrawal",
    "withdrawn_because": "reason for the withdrawal",
    "checked_on": "day of the last check",
    "check_due": "day of the next check",
    "unconfirmed": "mark that nobody else has checked it",
}
_NEVER_PUBLIC = dict.fromkeys(_STATE) | {"withdrawn_because": "", "unconfirmed": False}


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


def of_edition(edition):
    """The facts of an edition that its entry holds (JSON). What they do not hold, its content, has a digest."""
    facts = {name: getattr(edition, name) for name in _SEALED}
    at = edition.published_at.isoformat()
    return {"edition": edition.number, "by": edition.approved_by, "note": edition.change_note, "at": at, **facts}


def of_check(check):
    """The same for a check."""
    facts = {"by": check.by, "on": str(check.on), "comment": check.comment}
    return {"edition": check.edition.number, "check": check.number, **facts}


def of_question(question):
    """What the public sees of a question beside its editions and checks (JSON): values of the fields in `_STATE`."""
    live = question.live and question.live.number
    if live and question.live.question_id != question.pk:
        live = f"edition {live} of another question"
    facts = {name: getattr(question, name) for name in _STATE}
    days = {name: facts[name] and str(facts[name]) for name in ("checked_on", "check_due")}
    return {**facts, "live": live, "withdrawn_at": facts["withdrawn_at"] and facts["withdrawn_at"].isoformat(), **days}


@dataclass(slots=True)
class _Told:
    """What the log tells of one question: its state, and fingerprints of its editions (by number) and of their checks
    (by the numbers of both). Neither changes after its first entry."""

    state: dict = field(default_factory=_NEVER_PUBLIC.copy)
    editions: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)

    def follow(self, event):
        """Take over what an entry tells. Raises `AttributeError` or `TypeError` if none was ever written like that."""
        facts = {**event.details, "by": event.by}
        match event.act:
            case Event.Act.PUBLISHED:
                self._edition(facts)
                self.state = _NEVER_PUBLIC | {"live": facts.get("edition"), "unconfirmed": "override" in facts}
            case Event.Act.WITHDRAWN:
                because = {"withdrawn_at": facts.get("at"), "withdrawn_because": facts.get("because")}
                self.state = _NEVER_PUBLIC | because
            case Event.Act.CHECKED:
                self._check(facts)
                due = {"check_due": facts.get("due"), "unconfirmed": facts.get("unconfirmed")}
                self.state = self.state | {"checked_on": facts.get("on"), **due}
            case Event.Act.LOADED:
                for edition in facts.get("editions", ()):
                    self._edition(edition)
                for check in facts.get("checks", ()):
                    self._check(check)
                self.state = self.state | facts.get("state", {})

    def _edition(self, facts):
        self.editions.setdefault(facts.get("edition"), _fingerprint(facts, _OF_EDITION))

    def _check(self, facts):
        self.checks.setdefault((facts.get("edition"), facts.get("check")), _fingerprint(facts, _OF_CHECK))


def _fingerprint(facts, names):
    """What stands in memory for the facts of an edition or a check: there can be a hundred thousand of them."""
    known = json.dumps([facts.get(name) for name in names], sort_keys=True)
    return sha256(known.encode()).digest()


def note_loaded(loaded):
    """Add an entry for each question of which a fixture brought something that does not follow from the log.

    `loaded` has the keys of what the fixture brought, as sets by model: `Question`, `Edition`, `Check`. Entries tell of
    nothing else, so that loading a fixture covers no change that was made by hand."""
    editions, checks = defaultdict(list), defaultdict(list)
    for edition in _with_keys(Edition.objects.defer("content"), loaded[Edition]):
        editions[edition.question_id].append(edition)
    for check in _with_keys(Check.objects.select_related("edition").defer("edition__content"), loaded[Check]):
        checks[check.edition.question_id].append(check)
    questions = list(_with_keys(_questions(), loaded[Question] | editions.keys() | checks.keys()))
    told = defaultdict(_Told)
    slugs = {question.collection.slug for question in questions}
    for event in Event.objects.filter(act__in=_TELLING, collection__in=slugs).iterator(_BATCH):
        told[event.collection, event.question].follow(event)
    entries = []
    for question in questions:
        known, state = told[question.collection.slug, question.number], of_question(question)
        facts = {
            "editions": [of_edition(row) for row in editions[question.pk] if row.number not in known.editions],
            "checks": [
                of_check(row) for row in checks[question.pk] if (row.edition.number, row.number) not in known.checks
            ],
            "state": state if question.pk in loaded[Question] and state != known.state else {},
        }
        if facts := {name: some for name, some in facts.items() if some}:
            entries.append(Entry(Event.Act.LOADED, question, details=facts))
    if entries:
        append(*entries)


def _with_keys(queryset, keys):
    """The rows with these keys, in their order, as many at once as a statement can name."""
    keys = sorted(keys)
    for start in range(0, len(keys), _BATCH):
        yield from queryset.filter(pk__in=keys[start : start + _BATCH]).order_by("pk")


def _questions():
    state = [name for name in _STATE if name != "live"]
    facts = ["number", "collection__slug", "live__number", "live__question", *state]
    return Question.objects.select_related("collection", "live").only(*facts)


@dataclass
class Verdict:
    """`problems` are sentences; `head` is the last entry's hash."""

    entries: int
    editions: int
    head: str
    problems: list


def verify(known_hash="", using="default"):
    """Walk the whole log, and compare what follows from it with all questions, editions and checks. `known_hash` is one
    that was kept elsewhere and must be in the chain."""
    with _at_one_moment(using):
        told, entries, head, problems = _walk(known_hash, using)
        editions, wrong = _misfits(told, using)
    return Verdict(entries, editions, head, problems + wrong)


@contextmanager
def _at_one_moment(using):
    """All that is read in this block is of one moment, while others go on writing. (In a transaction, it is its.)"""
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
            cursor.execute("BEGIN")  # Django's own transactions keep others from writing
            try:
                yield
            finally:
                cursor.execute("ROLLBACK")


def _walk(known_hash, using):
    """Whether each entry follows from the one before. Returns what they tell, as `_Told` by slug and number; how many
    there are; the last hash; and problems."""
    told, problems, expected, previous, seen = defaultdict(_Told), [], 1, "", not known_hash
    for event in Event.objects.using(using).order_by("number").iterator(_BATCH):
        if event.number != expected:
            problems.append(f"Entries {expected} to {event.number - 1} are missing.")
        elif event.previous != previous:
            problems.append(f"Entry {event.number} does not follow from the one before it.")
        if hash_of(event) != event.hash:
            problems.append(f"Entry {event.number} was changed after it was written.")
        if event.act in _TELLING:
            try:
                told[event.collection, event.question].follow(event)
            except (AttributeError, TypeError):
                problems.append(f"Entry {event.number} is none that this site writes.")
        expected, previous, seen = event.number + 1, event.hash, seen or event.hash == known_hash
    if not seen:
        problems.append(f"No entry has the hash {known_hash}: the log is not the one that you knew.")
    return told, expected - 1, previous, problems


def _misfits(told, using):
    """How many editions there are, and what in the database does not follow from what the log told (sentences)."""
    problems, editions, checked = [], 0, {}
    of = "question__collection__slug", "question__number"
    facts = ["number", "approved_by", "change_note", "published_at", "stored", *_SEALED]
    rows = Edition.objects.using(using).annotate(stored=Cast("content", TextField()))
    for edition in rows.order_by("pk").values_list(*of, *facts, named=True).iterator(_BATCH):
        editions += 1
        place = edition[:2]
        known = told[place].editions.pop(edition.number, None)
        if known is None:
            problems.append(f"Edition {edition.number} of {_name(place)} is in no entry of the log.")
        elif known != _fingerprint(of_edition(edition), _OF_EDITION) or not _reads_as_sealed(edition):
            problems.append(f"Edition {edition.number} of {_name(place)} is not what was sealed.")
    checks = Check.objects.using(using).select_related("edition__question__collection").only(
        "number", "by", "on", "comment", "edition__number", "edition__question__number",
        "edition__question__collection__slug",
    )  # fmt: skip
    for check in checks.order_by("pk").iterator(_BATCH):
        question = check.edition.question
        place, numbers = (question.collection.slug, question.number), (check.edition.number, check.number)
        if told[place].checks.pop(numbers, None) != _fingerprint(of_check(check), _OF_CHECK):
            checked[place, check.edition.number] = True
    for question in _questions().using(using).order_by("pk").iterator(_BATCH):
        place = question.collection.slug, question.number
        state, known = of_question(question), told[place].state
        problems += [
            f"The {what} of {_name(place)} does not follow from the log: it is {_plain(state[name])}, and must be "
            f"{_plain(known.get(name))}."
            for name, what in _STATE.items()
            if state[name] != known.get(name)
        ]
    for place, known in told.items():
        problems += [f"Edition {number} of {_name(place)} is gone." for number in known.editions]
        checked |= {(place, edition): True for edition, _ in known.checks}
    for place, edition in checked:
        problems.append(f"The checks of edition {edition} of {_name(place)} are not what was noted.")
    return editions, problems


def _reads_as_sealed(edition):
    """Whether the stored content is one, and has the digest that the edition says."""
    try:
        return contents.digest(contents.from_dict(json.loads(edition.stored))) == edition.digest
    except (ValueError, AttributeError):
        return False


def _name(place):
    slug, number = place
    return f"{slug} {number}"


def _plain(value):
    return "not set" if value in (None, "", False) else "set" if value is True else f"“{value}”"
