"""One fault, tried on the running site: what readers saw, what editors saw, what was lost."""

import json
import secrets
from dataclasses import dataclass, field

from .actor import Actor
from .people import Editor, Readers, told_badly, was_published, was_saved
from .site import wait_for

SAVED, PUBLISHED = 2, 3
"""The questions that are saved and published while something is missing."""

_PKS = "from faq.models import Question; print(*Question.objects.in_order().values_list('pk', flat=True))"
_STATE = """
import hashlib, json
from django.db import connection
left_out = {"faq_presence", "faq_missedsearch", "faq_backupproof"}
tables = sorted(t for t in connection.introspection.table_names() if t.startswith("faq_") and t not in left_out)
tables = [t for t in tables if not t.startswith("faq_search")]
state = {}
with connection.cursor() as cursor:
    for table in tables:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        state[table] = hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()
print(json.dumps(state))
"""
_WORDS = "from faq.models import Question; print(Question.objects.get(pk={pk}).points.first().text)"
_LIVE = "from faq.models import Question; print(Question.objects.get(pk={pk}).live.content['blocks'][0]['text'])"


@dataclass
class Outcome:
    """A row of the table. `wrong` is what must not be; the fault was borne if there is none."""

    fault: str
    done: str = ""
    readers: str = ""
    editors: str = ""
    lost: str = "nothing"
    wrong: list = field(default_factory=list)


def try_out(name, case, rounds=3):
    """Take away what `case` is about, look, give it back, and look whether all is as it was. Returns an `Outcome`."""
    outcome = Outcome(name)
    with Actor(case.site) as actor, case.site.running() as site:
        readers = Readers(site.port, rounds)
        editor, publisher = Editor(site.port), Editor(site.port)
        for person, account in ((editor, "editor"), (publisher, "publisher")):
            assert "Log out" in person.log_in(account, site.passwords[account]).text, f"{account} cannot log in"
        pks = [int(pk) for pk in actor.ask(_PKS).split()]
        saved, published = pks[SAVED], pks[PUBLISHED]
        ready = f"Ready words {secrets.token_hex(4)}."
        assert was_saved(editor.save(published, editor.open(published), ready))
        # Both have their pages open when it happens.
        to_save, to_publish = editor.open(saved), publisher.get(f"/admin/faq/question/{published}/publish/")
        before = _state(actor)

        outcome.done = case.take() or ""
        walk = readers.walk()
        outcome.readers = str(walk)
        outcome.wrong += [f"readers: {what}" for what in dict.fromkeys(walk.wrong)]
        seen = {"desk": editor.get("/admin/"), "question's page": editor.open(saved)}
        new = Editor(site.port)
        seen["log-in"] = new.log_in("editor", site.passwords["editor"])
        words, accepted = "", ""
        for attempt in range(case.saves):
            words = f"Words {attempt} {case.more_words()}".strip()
            seen["save"] = answer = editor.save(saved, to_save, words)
            if not was_saved(answer):
                break
            accepted, to_save = words, answer
            outcome.done += f" ({attempt + 1} saves went in before)" if case.saves > 1 and attempt == 0 else ""
        seen["publish"] = publisher.publish(published, to_publish, "Tried.")
        outcome.editors = _told(seen, outcome)

        case.give_back()
        went_live = was_published(seen["publish"])
        wait_for(lambda: readers.all_is_well(went_live), "readers see every page as before", 30)
        _compare(outcome, actor, before, seen, accepted, ready, saved, published)
        _go_on(outcome, actor, editor, publisher, seen, (saved, words), (published, ready), to_publish)
        outcome.wrong += actor.look()["broken"]
        if outcome.wrong:
            outcome.wrong += [f"in the log: {line}" for line in site.errors()]
    if outcome.wrong and outcome.lost == "nothing":
        outcome.lost = "see below"
    return outcome


def _state(actor):
    return json.loads(actor.ask(_STATE))


def _told(seen, outcome):
    """What editors saw, as a sentence; what they should not have seen goes to the outcome's `wrong`."""
    works, told = [], {}
    for act, answer in seen.items():
        if answer.status == 200 and _did(act, answer):
            works.append(act)
            continue
        told.setdefault(answer.words or answer.text[:80], []).append(act)
        outcome.wrong += [f"{act}: {what}" for what in told_badly(answer, answer)]
        if act in ("save", "publish") and answer.status == 503 and "Send it again" not in answer.text:
            outcome.wrong.append(f"{act}: what was typed is not on the page")
    parts = [f"{', '.join(acts)}: “{words}”" for words, acts in told.items()]
    return "; ".join([*([f"{', '.join(works)} as always"] if works else []), *parts])


def _did(act, answer):
    return {"save": was_saved, "publish": was_published}.get(act, lambda answer: "Log out" in answer.text)(answer)


def _compare(outcome, actor, before, seen, accepted, ready, saved, published):
    """Right after it was given back: what was refused left no trace, what was accepted is there."""
    went_live = was_published(seen["publish"])
    if not accepted and not went_live:
        after = _state(actor)
        changed = [table for table in before if before[table] != after.get(table)]
        if changed:
            outcome.lost = f"half written: {', '.join(changed)}"
            outcome.wrong.append(outcome.lost)
    if accepted and actor.ask(_WORDS.format(pk=saved)) != accepted:
        outcome.wrong.append("a save that was accepted is not there")
        outcome.lost = "a save"
    if went_live and actor.ask(_LIVE.format(pk=published)) != ready:
        outcome.wrong.append("an edition that was published is not there")
        outcome.lost = "an edition"


def _go_on(outcome, actor, editor, publisher, seen, save, publish, to_publish):
    """Without a restart: what was refused is sent again, and goes in."""
    if not was_saved(seen["save"]):
        answer = editor.send_again(seen["save"]) if seen["save"].status == 503 else seen["save"]
        if not was_saved(answer) or actor.ask(_WORDS.format(pk=save[0])) != save[1]:
            outcome.wrong.append(f"sent again, the save was not taken ({answer.status} {answer.words})")
    if not was_published(seen["publish"]):
        answer = publisher.send_again(seen["publish"]) if seen["publish"].status == 503 else seen["publish"]
        if not was_published(answer) or actor.ask(_LIVE.format(pk=publish[0])) != publish[1]:
            outcome.wrong.append(f"sent again, the answer was not published ({answer.status} {answer.words})")
