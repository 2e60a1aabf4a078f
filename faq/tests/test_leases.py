"""Leases of the content version, on PostgreSQL: used while they last, and run out before anybody sees what is new."""

from contextlib import contextmanager

import pytest
from django.db import connection, connections, transaction
from django.db.utils import OperationalError

from faq import version
from faq.models import Topic, triggers

CHANGES = {
    "a change": "UPDATE faq_topic SET position = position + 1; SET CONSTRAINTS ALL IMMEDIATE",
    "the number itself": "UPDATE faq_contentversion SET version = version + 1 WHERE id = 1",
    "what is taken back": "SAVEPOINT a; UPDATE faq_topic SET position = 7; SET CONSTRAINTS ALL IMMEDIATE; "
    "ROLLBACK TO a; UPDATE faq_topic SET position = 8; SET CONSTRAINTS ALL IMMEDIATE",
}


@pytest.fixture
def topic(transactional_db):
    yield Topic.objects.create(slug="cards", name="Cards")
    version.close()


@pytest.fixture
def clock(monkeypatch):
    """Stands still; what it shows is in a list, to be moved."""
    now = [1000.0]
    monkeypatch.setattr(version, "monotonic", lambda: now[0])
    return now


@contextmanager
def another():
    """A second connection to the database, in a transaction."""
    wrapper = connections.create_connection("default")
    try:
        with wrapper.cursor() as cursor:
            cursor.execute("BEGIN")
            yield cursor
    finally:
        wrapper.close()


def lease():
    with connection.cursor() as cursor:
        cursor.execute(version.SQL_WITH_LEASE)
        return cursor.fetchone()[1]


def test_nothing_is_asked_while_a_lease_lasts_and_then_it_is(topic, clock):
    number, reader = version.current(), version._mine.readers["default"]
    reader._wrapper.connection.close()  # whoever asks on it now needs another one
    clock[0] += 0.99 * triggers.LEASE
    assert version.current() == number and version._mine.readers["default"] is reader
    clock[0] += 0.01 * triggers.LEASE
    assert version.current() == number and version._mine.readers["default"] is not reader


class Slow:
    """A server whose answers take as long as a lease lasts."""

    def __init__(self, server, clock):
        self.server, self.clock, self.asked = server, clock, 0

    def exec_prepared(self, *arguments):
        self.asked += 1
        self.clock[0] += triggers.LEASE
        return self.server.exec_prepared(*arguments)


def test_a_lease_counts_from_before_the_question(topic, clock):
    version.current()
    reader = version._mine.readers["default"]
    reader._server = slow = Slow(reader._server, clock)
    clock[0] += triggers.LEASE
    assert version.current() == version.current() and slow.asked == 2


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
def test_nothing_is_lent_from_when_somebody_raises_the_version_until_they_are_done(topic, clock, change, end):
    version.close()
    with another() as cursor:
        cursor.execute("UPDATE faq_topic SET name = 'Card'")
        assert lease() == triggers.LEASE  # nobody waits for the rest of a long transaction
        cursor.execute(change)
        assert lease() == 0
        before = version.current()  # with the clock standing still, a lease would never run out
        cursor.execute(end)
        assert lease() == triggers.LEASE
    assert (version.current() > before) == (end == "COMMIT")


def test_who_raises_the_version_waits_for_who_is_being_told_it(topic):
    with another() as cursor:
        cursor.execute(version.SQL_WITH_LEASE)
        with pytest.raises(OperationalError, match="lock timeout"), transaction.atomic():
            connection.cursor().execute("SET LOCAL lock_timeout = '1ms'")
            Topic.objects.update(name="Card")
        cursor.execute("COMMIT")
        Topic.objects.update(name="Card")


@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_nothing_is_lent_to_who_may_have_looked_before_the_lock_was_had(topic, level):
    with transaction.atomic():
        connection.cursor().execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        assert lease() == 0


def test_a_database_that_was_not_migrated_yet_is_asked_each_time(topic, clock):
    before = version.current()
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION faq_ask_version()")
    clock[0] += triggers.LEASE
    assert version.current() == before
    Topic.objects.update(name="Card")
    assert version.current() > before
    triggers.install()
    version.close()
    number = version.current()
    assert version._mine.readers["default"]._lent_until == clock[0] + triggers.LEASE and number > before


def test_an_earlier_release_that_migrates_leaves_the_wait_where_it_is(topic):
    with connection.cursor() as cursor:
        cursor.execute(triggers._FUNCTIONS_OF_POSTGRESQL)  # as it installed them
    with another() as cursor:
        cursor.execute(CHANGES["a change"])
        assert lease() == 0
