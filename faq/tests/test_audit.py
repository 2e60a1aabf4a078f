"""verify_log: the public state of every question must follow from the log, and a change by hand is found."""

import json
import random
import threading
from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from faq.models import Check, Collection, Edition, Event, Question, triggers
from faq.tests.conftest import check, import_text
from faq.tests.test_sources import cite
from faq.tests.test_workflow import change, may_override, question
from faq.workflow import audit, fixtures, publishing, working_copy

pytestmark = pytest.mark.django_db

DRAFT = "1. Where are the bicycle lanes?\nOn Main Street.\n"


def execute(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        assert cursor.rowcount == 1, sql


@pytest.fixture
def used(library, editor, publisher):
    """Question 1 was published twice, by its writer alone; 2 twice, and checked; 3 was withdrawn; a draft."""
    publisher = may_override(publisher)
    change(publisher, "Anyone.", 1)
    publishing.publish(question(1), by=publisher, note="Anyone.", override="Nobody else was there.")
    row = change(editor)
    cite(row.points.first())
    working_copy.refresh(row, editor)
    publishing.publish(row, by=publisher, note="Four.")
    publishing.check(question(), by=publisher, comment="Compared.", on=date(2026, 3, 1))
    publishing.withdraw(question(3), because="It was wrong.", by=publisher)
    import_text(DRAFT, slug="lanes")
    assert audit.verify().problems == []


def row(where):
    """A condition that one row of the collection `library` fulfils, or that of the draft."""
    slug, number = where
    return f"collection_id = (SELECT id FROM faq_collection WHERE slug = '{slug}') AND number = {number}"


def edition(number, of):
    return f"(SELECT id FROM faq_edition WHERE number = {number} AND question_id = {key(of)})"


def key(where):
    return f"(SELECT id FROM faq_question WHERE {row(where)})"


ONE, TWO, THREE, LANES = ("library", 1), ("library", 2), ("library", 3), ("lanes", 1)
COPIED = "content, digest, change_note, meaning_changed, imported, contributors, approved_by, second_check"


def new_edition(number, of, published_at="published_at"):
    return (
        f"INSERT INTO faq_edition (question_id, number, published_at, {COPIED}) SELECT {key(of)}, {number}, "
        f"{published_at}, {COPIED} FROM faq_edition WHERE id = {edition(1, TWO)}"
    )


def new_check(number, by="by"):
    return (
        f"INSERT INTO faq_check (edition_id, number, by, \"on\", comment) SELECT edition_id, {number}, {by}, \"on\", "
        "comment FROM faq_check"
    )  # fmt: skip


def mark(where, values):
    return f"UPDATE faq_question SET {values} WHERE {row(where)}"


WITHDRAWN = "live_id = NULL, state = 'withdrawn', withdrawn_at = '2026-01-02 10:00:00+00:00', withdrawn_because = 'No.'"
FORGERIES = {
    "an edition": ([new_edition(3, TWO)], "Edition 3 of library 2 is in no entry of the log."),
    "an edition with a time of its own": (
        [new_edition(3, TWO, "'2020-01-02 10:00:00+00:00'"), mark(TWO, f"live_id = {edition(3, TWO)}")],
        "Edition 3 of library 2 is in no entry of the log.",
    ),
    "a draft made public": (
        [new_edition(1, LANES), mark(LANES, f"live_id = {edition(1, LANES)}, state = 'public'")],
        "The public edition of lanes 1 does not follow from the log: it is “1”, and must be not set.",
    ),
    "an earlier edition made public": (
        [mark(TWO, f"live_id = {edition(1, TWO)}")],
        "The public edition of library 2 does not follow from the log: it is “1”, and must be “2”.",
    ),
    "another question's edition": (
        [mark(TWO, f"live_id = {edition(1, ONE)}")],
        "The public edition of library 2 does not follow from the log: it is “edition 1 of another question”, and",
    ),
    "an answer taken away": (
        [mark(TWO, "live_id = NULL, state = 'draft'")],
        "The public edition of library 2 does not follow from the log: it is not set, and must be “2”.",
    ),
    "an answer withdrawn": ([mark(TWO, WITHDRAWN)], "The time of withdrawal of library 2 does not follow from the log"),
    "a withdrawn answer brought back": (
        [mark(THREE, f"live_id = {edition(1, THREE)}, state = 'public', withdrawn_at = NULL, withdrawn_because = ''")],
        "The public edition of library 3 does not follow from the log: it is “1”, and must be not set.",
    ),
    "another time of withdrawal": (
        [mark(THREE, "withdrawn_at = '2020-01-02 10:00:00+00:00'")],
        "The time of withdrawal of library 3 does not follow from the log: it is “2020-01-02",
    ),
    "another reason": (
        [mark(THREE, "withdrawn_because = 'It was right.'")],
        "The reason for the withdrawal of library 3 does not follow from the log: it is “It was right.”, and must be "
        "“It was wrong.”.",
    ),
    "a reason for a draft": ([mark(LANES, "withdrawn_because = 'x'")], "The reason for the withdrawal of lanes 1 does"),
    "a check's days": (
        [mark(ONE, "checked_on = '2026-01-02', check_due = '2030-01-02'")],
        "The day of the last check of library 1 does not follow from the log: it is “2026-01-02”, and must be not set.",
    ),
    "a later day for the next check": (
        [mark(TWO, "check_due = '2030-01-02'")],
        "The day of the next check of library 2 does not follow from the log: it is “2030-01-02”, and must be "
        "“2026-08-28”.",
    ),
    "no check": (
        [mark(TWO, "checked_on = NULL, check_due = NULL")],
        "The day of the last check of library 2 does not follow from the log: it is not set, and must be “2026-03-01”.",
    ),
    "a second person": (
        [mark(ONE, "unconfirmed = false")],
        "The mark that nobody else has checked it of library 1 does not follow from the log: it is not set, and must "
        "be set.",
    ),
    "no second person": ([mark(TWO, "unconfirmed = true")], "The mark that nobody else has checked it of library 2"),
    "another check": ([new_check(2)], "The checks of edition 2 of library 2 do not follow from the log."),
    "a check by nobody": ([new_check(9, "'{}'")], "The checks of edition 2 of library 2 do not follow from the log."),
    "another collection": (
        ["UPDATE faq_collection SET slug = 'other' WHERE slug = 'library'"],
        "Edition 1 of other 1 is in no entry of the log.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_change_by_hand_does_not_follow_from_the_log(used, forgery):
    statements, problem = FORGERIES[forgery]
    for statement in statements:
        execute(statement)
    assert any(found.startswith(problem) for found in audit.verify().problems), audit.verify().problems


def test_a_log_entry_of_an_unknown_form_is_reported(library):
    for details in ([], {"editions": 5}, {"checks": ["x"]}, {"state": ["live"]}, {"editions": [{"edition": []}]}):
        with transaction.atomic():
            audit.append(audit.Entry(Event.Act.LOADED, question(), None, details))
        number = Event.objects.last().number
        assert f"Entry {number} is malformed: this site never writes such an entry." in audit.verify().problems


@pytest.mark.django_db(transaction=True)
def test_publishing_during_the_verification_is_not_reported(library, monkeypatch):
    """The walk reads one table after the other, and the site goes on."""
    walk, errors = audit._replay, []

    def and_publish(*arguments):
        told = walk(*arguments)
        writer = threading.Thread(target=publish)
        writer.start()
        writer.join(30)
        return told

    def publish():
        try:
            import_text(DRAFT, slug="lanes", publish=True)
            publishing.withdraw(question(3), because="It was wrong.")
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    monkeypatch.setattr(audit, "_replay", and_publish)
    assert audit.verify().problems == [] and errors == []
    assert Edition.objects.count() == 4
    monkeypatch.undo()
    assert audit.verify().problems == []


# Fixtures


def dump(path, slug="library"):
    with path.open("w") as file:
        fixtures.dump(Collection.objects.get(slug=slug), file)
    return path


def load(path, *keep):
    """Load a fixture, or of it only the models that are named."""
    if keep:
        path.write_text(json.dumps([row for row in json.loads(path.read_text()) if row["model"] in keep]))
    call_command("loaddata", path, verbosity=0)


def loaded():
    return list(Event.objects.filter(act="loaded").order_by("number"))


@pytest.fixture
def elsewhere(used, tmp_path):
    """A fixture of a site that was used, and an empty site to load it into."""
    path = dump(tmp_path / "library.json")
    with connection.cursor() as cursor:
        triggers.remove()
        tables = ["faq_event", "faq_check"]
        for table in tables:
            cursor.execute(f"DELETE FROM {table}")
        Question.objects.update(live=None, state="draft", withdrawn_at=None)
        cursor.execute("DELETE FROM faq_edition")
        Question.objects.all().delete()
        Collection.objects.all().delete()
        triggers.install()
    assert audit.verify().entries == audit.verify().editions == 0
    return path


def test_loading_a_fixture_is_logged_once(elsewhere):
    load(elsewhere)
    assert [(event.collection, event.question) for event in loaded()] == [ONE, TWO, THREE]
    assert [event.by for event in loaded()] == [None] * 3
    facts = loaded()[1].details
    assert [one["edition"] for one in facts["editions"]] == [1, 2]
    assert facts["editions"][1] == audit.edition_details(question().live)
    assert facts["checks"] == [audit.check_details(Check.objects.get())]
    assert facts["state"] == audit.public_state(question())
    assert audit.verify().problems == [] and audit.verify().editions == 5
    load(elsewhere)
    assert len(loaded()) == 3 and audit.verify().problems == []


def test_a_fixture_that_sets_back_what_is_public_is_in_the_log(library, editor, publisher, tmp_path):
    path = dump(tmp_path / "library.json")
    publishing.publish(change(editor), by=publisher, note="Four.")
    publishing.withdraw(question(3), because="It was wrong.", by=publisher)
    load(path)
    assert question().live.number == question(3).live.number == 1
    assert [(event.question, list(event.details)) for event in loaded()] == [(2, ["state"]), (3, ["state"])]
    assert audit.verify().problems == []
    check(question(), publisher)
    assert audit.verify().problems == []


def test_a_fixture_of_drafts_leaves_no_entry(drafts, tmp_path):
    count = Event.objects.count()
    load(dump(tmp_path / "library.json"))
    assert Event.objects.count() == count and audit.verify().problems == []


@pytest.mark.parametrize("brought", ["faq.question", "faq.edition"])
def test_loading_a_fixture_covers_no_forgery_beyond_what_it_brings(library, tmp_path, brought):
    path = dump(tmp_path / "library.json")
    execute(new_edition(7, TWO))
    execute(mark(TWO, f"live_id = {edition(7, TWO)}, checked_on = '2026-01-02', check_due = '2030-01-02'"))
    load(path, brought)
    problems = audit.verify().problems
    assert "Edition 7 of library 2 is in no entry of the log." in problems
    assert any("day of the next check of library 2" in problem for problem in problems) == (brought == "faq.edition")


def test_a_fixture_that_fails_half_way_leaves_no_entry(elsewhere):
    rows = json.loads(elsewhere.read_text())
    rows[-1]["fields"]["number"] = -1
    elsewhere.write_text(json.dumps([*rows, {"model": "faq.question", "fields": {"collection": ["no"], "number": 1}}]))
    with pytest.raises(Exception, match="Problem installing fixture"):
        load(elsewhere)
    assert not Event.objects.exists() and not Edition.objects.exists()


# Random acts in any order


class Desk:
    """Does random acts of editors one after the other. A refused act is ignored."""

    def __init__(self, chance, people, path):
        self.chance, self.people, self.path, self.made = chance, people, path, 0

    def act(self):
        number, by = self.chance.randint(1, 3), self.chance.choice(self.people)
        acts = ["publish", "override", "check", "withdraw", "restore", "discard", "again", "dump", "load"]
        name = self.chance.choice([*acts, "publish", "check"])
        try:
            with transaction.atomic():
                getattr(self, name)(question(number), by)
        except publishing.CannotPublish:
            return None
        return name, number

    def change(self, row, by):
        self.made += 1
        change(by, f"The answer number {self.made}.", row.number)

    def publish(self, row, by):
        self.change(row, by)
        others = [person for person in self.people if person != by]
        publishing.publish(question(row.number), by=self.chance.choice(others), note="New.")

    def override(self, row, by):
        self.change(row, by)
        publishing.publish(question(row.number), by=by, note="New.", override="Nobody else was there.")

    def check(self, row, by):
        check(row, by, comment="Compared.", on=date(2026, 1, 1) + timedelta(self.made))

    def withdraw(self, row, by):
        publishing.withdraw(row, because="It was wrong.", by=by)

    def restore(self, row, by):
        publishing.restore(row, self.chance.choice(list(row.editions.all())), by=by)

    def discard(self, row, by):
        publishing.discard(row, by=by)

    def again(self, row, by):
        self.made += 1
        text = f"1. A?\nPart {self.made}.\n2. B?\nPart {self.chance.random()}.\n3. C?\nYes.\n"
        import_text(text, publish=True)

    def dump(self, row, by):
        dump(self.path)

    def load(self, row, by):
        if self.path.exists():
            load(self.path)


@pytest.fixture
def people(db):
    found = []
    for name in ("ann", "ben", "cat"):
        user = User.objects.create_user(name, is_staff=True, first_name=name.title())
        user.groups.add(Group.objects.get(name="Publishers"))
        user.user_permissions.add(Permission.objects.get(codename="override_second_check"))
        found.append(User.objects.get(pk=user.pk))
    return found


@pytest.mark.parametrize("seed", range(3))
def test_whatever_people_do_follows_from_the_log_and_one_change_by_hand_does_not(library, people, tmp_path, seed):
    desk = Desk(random.Random(seed), people, tmp_path / "library.json")
    done = [desk.act() for _ in range(40)]
    assert audit.verify().problems == [], done
    row = desk.chance.choice(list(Question.objects.filter(collection=library)))
    facts = audit.public_state(row)
    editions = [edition.pk for edition in row.editions.all() if edition.pk != row.live_id] or [None]
    other = {
        "live": desk.chance.choice(editions),
        "withdrawn_because": "Forged.", "unconfirmed": not row.unconfirmed,
        "checked_on": date(2020, 1, 1), "check_due": date(2039, 1, 1), "withdrawn_at": timezone.now(),
    }  # fmt: skip
    name = desk.chance.choice(list(other))
    values = {name: other[name]}
    if name in ("checked_on", "check_due"):
        values = {"checked_on": row.checked_on or other["checked_on"], "check_due": other["check_due"]} | values
    elif name == "withdrawn_at":
        values |= {"live": None, "state": "withdrawn"}
    elif name == "live":
        values |= {"withdrawn_at": None, "state": "changed" if other["live"] else "draft"}
    Question.objects.filter(pk=row.pk).update(**values)
    problems = audit.verify().problems
    assert any(f"of library {row.number} does not follow from the log" in problem for problem in problems), (
        done, facts, values,
    )  # fmt: skip


ENTRY_WITHOUT_TIME = (
    "INSERT INTO faq_event (number, at, by, act, collection, question, details, previous, hash) "
    "SELECT number + 1, 'x', by, act, collection, question, details, hash, 'x' FROM faq_event "
    "ORDER BY number DESC LIMIT 1"
)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        (mark(ONE, "checked_on = 'x', check_due = 'x'"), "The day of the last check of library 1 does not follow from"),
        (mark(TWO, "check_due = '2026-W35-5'"), "The day of the next check of library 2 does not follow from the log"),
        ("UPDATE faq_question SET withdrawn_at = 'x' WHERE withdrawn_at IS NOT NULL", "The time of withdrawal of"),
        (ENTRY_WITHOUT_TIME, "The log, or a row that it describes, has an unreadable value"),
    ],
)
def test_a_value_that_no_type_allows_does_not_stop_the_proof(used, statement, problem):
    """SQLite stores any value in any column."""
    execute(statement)
    assert any(found.startswith(problem) for found in audit.verify().problems), audit.verify().problems
