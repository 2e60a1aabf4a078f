"""Editors who save and publish, and readers who read, all at once: nothing is lost, and nobody is turned away."""

import json
import random
import threading
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from .actor import Actor
from .people import PAGES, Editor, was_published, was_saved
from .site import Browser

SHARED = (0, 1)
"""Questions that everybody saves, so that a save over somebody else's is refused."""
PASSWORD = "a long password for the load"
STALE = "somebody else saved this question after you had opened it"

_ACCOUNTS = """
from django.contrib.auth.models import Group, User
for number in range({editors}):
    name = f"load{{number}}"
    user = User.objects.create_user(name, password="{password}", is_staff=True, first_name=name)
    user.groups.set(Group.objects.filter(name__in=["Editors", "Publishers"]))
"""
_FACTS = """
import json
from faq.models import Edition, Event, Question
facts = {}
for question in Question.objects.in_order():
    saves = Event.objects.filter(act="saved", question=question.number).count()
    editions = [e.content["blocks"][0]["text"] for e in question.editions.order_by("number")]
    facts[question.pk] = [question.points.order_by("position").first().text, saves, editions]
print(json.dumps(facts))
"""
_PKS = "from faq.models import Question; print(*Question.objects.in_order().values_list('pk', flat=True))"


@dataclass
class Record:
    """What happened, from all threads."""

    counts: Counter = field(default_factory=Counter)
    saves: dict = field(default_factory=lambda: defaultdict(list))
    published: Counter = field(default_factory=Counter)
    wrong: list = field(default_factory=list)
    seconds: list = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, what, question=None, words=None):
        with self.lock:
            self.counts[what] += 1
            if what == "saved":
                self.saves[question].append(words)
            elif what == "published":
                self.published[question] += 1

    def is_wrong(self, what):
        with self.lock:
            self.wrong.append(what)


def run(ground, seconds=60, editors=10, readers=50, seed=1, tell=print):
    """Let all of them work for so long. Prints the counts; returns sentences about everything that went wrong."""
    site, record = ground.sqlite_site(), Record()
    with Actor(site) as actor, site.running():
        actor.ask(_ACCOUNTS.format(editors=editors, password=PASSWORD))
        pks = [int(pk) for pk in actor.ask(_PKS).split()]
        people = [Editor(site.port, timeout=60) for _ in range(editors)]
        for number, person in enumerate(people):
            if "Log out" not in person.log_in(f"load{number}", PASSWORD).text:
                return [f"load{number} cannot log in"]
        until = time.monotonic() + seconds
        work = [
            (_edit, person, number, pks, editors, until, record, random.Random(seed + number))
            for number, person in enumerate(people)
        ]
        work += [(_read, site.port, until, record, random.Random(seed + 100 + number)) for number in range(readers)]
        threads = [threading.Thread(target=what, args=arguments) for what, *arguments in work]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        facts = {int(pk): fact for pk, fact in json.loads(actor.ask(_FACTS)).items()}
        record.wrong += _compare(facts, record)
        record.wrong += actor.look()["broken"]
        text = site.log.read_text()
        locked = text.count("database is locked")
        if locked:
            record.wrong.append(f"“database is locked” stands {locked} times in the server's log")
        if record.wrong:
            record.wrong += [f"in the log: {line}" for line in site.errors()]
    _print(record, seconds, editors, readers, locked, tell)
    return [f"load: {what}" for what in record.wrong]


def _edit(person, number, pks, editors, until, record, chance):
    """Save one's own question, publish a colleague's, save one that all share."""
    own = pks[len(SHARED) + number]
    others = pks[len(SHARED) + (number + 1) % editors]
    turn = 0
    while time.monotonic() < until:
        turn += 1
        _save(person, own, f"Words {turn} of editor {number}.", record, may_be_stale=False)
        _publish(person, others, record)
        shared = pks[chance.choice(SHARED)]
        _save(person, shared, f"Shared words {turn} of editor {number}.", record, may_be_stale=True)


def _save(person, pk, words, record, may_be_stale):
    opened = person.open(pk)
    if opened.status != 200:
        record.is_wrong(f"a question's page: {opened.status} {opened.words or opened.text[:80]}")
        return
    answer = person.save(pk, opened, words)
    if was_saved(answer):
        record.note("saved", pk, words)
    elif answer.status == 200 and STALE in answer.text and may_be_stale:
        record.note("refused as stale, with both texts")
    else:
        record.is_wrong(f"a save: {answer.status} {answer.words or answer.text[:80]}")


def _publish(person, pk, record):
    page = person.get(f"/admin/faq/question/{pk}/publish/")
    if page.status != 200:
        record.is_wrong(f"a page to publish: {page.status} {page.words or page.text[:80]}")
        return
    answer = person.publish(pk, page, "Other words.")
    if was_published(answer):
        record.note("published", pk)
    elif answer.status == 200 and "The public sees exactly this already" in answer.text:
        record.note("had nothing to publish")
    elif answer.status == 200 and "changed after you had opened this page" in answer.text:
        record.note("would have published what they had not seen, and were told")
    else:
        record.is_wrong(f"publishing: {answer.status} {answer.words or answer.text[:80]}")


def _read(port, until, record, chance):
    browser, addresses = Browser(port, timeout=60), list(PAGES.values())
    while time.monotonic() < until:
        began = time.monotonic()
        answer = browser.get(chance.choice(addresses))
        took = time.monotonic() - began
        with record.lock:
            record.seconds.append(took)
        if answer.status != 200:
            record.is_wrong(f"a reader: {answer.status} {answer.words or answer.text[:80]}")


def _compare(facts, record):
    """Every save that was taken is in the log and none else, the last one is what stands there, and so is every
    edition."""
    wrong = []
    for pk, (text, saves, editions) in facts.items():
        taken = record.saves[pk]
        if saves != len(taken):
            wrong.append(f"question {pk}: {len(taken)} saves were taken, the log tells of {saves}")
        if taken and text not in taken[-3:]:  # the order in which two answers arrived need not be that of the saves
            wrong.append(f"question {pk}: the last save is not what stands there")
        if len(editions) != 1 + record.published[pk]:
            wrong.append(
                f"question {pk}: {record.published[pk]} editions were published, {len(editions) - 1} are there"
            )
        if set(editions[1:]) - set(taken):
            wrong.append(f"question {pk}: an edition has words that nobody saved")
    return wrong


def _print(record, seconds, editors, readers, locked, tell):
    tell(f"LOAD: {editors} editors and {readers} readers for {seconds} seconds on SQLite, two workers\n")
    for what, count in record.counts.most_common():
        tell(f"  editors {what}: {count}")
    times = sorted(record.seconds) or [0]
    middle, late = times[len(times) // 2], times[int(len(times) * 0.99)]
    tell(f"  readers read {len(times)} pages; half within {middle:.3f} s, 99 of 100 within {late:.3f} s")
    tell(f"  “database is locked”: {locked}; what went wrong: {len(record.wrong) or 'nothing'}")
    for what, count in Counter(record.wrong).items():
        tell(f"  WRONG {what} ({count}×)")
    tell("")
