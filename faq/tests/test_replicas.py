"""Replicas: public reads go to them, nothing older than before is shown, and no reader notices one that is gone."""

import secrets

import pytest
from django.db import DatabaseError, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.http import HttpResponse

from faq import backups, drafts, publishing, version, views
from faq.models import MissedSearch
from faq.tests.conftest import logged_in
from faq.tests.surfaces import public_addresses
from faq.tests.test_settings import manage
from faq.tests.test_workflow import change, question
from kb_site import replicas

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _scratch(settings, tmp_path, monkeypatch, transactional_db, django_db_blocker):
    """A folder of its own, nothing known of any database, and leave to connect to those that a test makes."""
    settings.VAR_DIR = tmp_path
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "kb_site.replicas.Readers"]
    monkeypatch.setattr(BaseDatabaseWrapper, "ensure_connection", django_db_blocker._real_ensure_connection)
    monkeypatch.setattr(replicas, "_gone", set())
    monkeypatch.setattr(replicas, "_lost_at", None)
    monkeypatch.setattr(replicas, "_watch", lambda alias: None)
    replicas.newest.cache_clear()
    version.close()
    yield
    version.close()
    replicas.newest.cache_clear()


@pytest.fixture
def copies(tmp_path):
    """Makes copies of the database as it is now, each with an alias. They lag behind from then on."""
    made = {}

    def copy(alias):
        name = path = backups.make(tmp_path / alias)
        if connection.vendor == "postgresql":
            name = f"kb_{secrets.token_hex(6)}"
            backups._run("createdb", name)
            backups._run("pg_restore", "--no-owner", "--dbname", name, path)
        made[alias] = name
        connections.databases[alias] = {**connections.databases["default"], "NAME": name}
        connections[alias].ensure_connection()  # Django asks about types once, on a connection of its own
        connections[alias].close()

    yield copy
    version.close()
    for alias in made:  # all of them, before anything can fail that would leave one to the next test
        connections[alias].close()
        del connections[alias], connections.databases[alias]
    if connection.vendor == "postgresql":
        for name in made.values():
            backups._run("dropdb", name)


class Asked:
    """Which databases the block asks for anything. (Their content version is asked for on connections apart.)"""

    def __enter__(self):
        self.aliases, self.stack = [], []
        for alias in connections:
            wrapper = connections[alias].execute_wrapper(self.note)
            wrapper.__enter__()
            self.stack.append(wrapper)
        return self

    def note(self, execute, sql, params, many, context):
        self.aliases.append(context["connection"].alias)
        return execute(sql, params, many, context)

    def __exit__(self, *error):
        for wrapper in self.stack:
            wrapper.__exit__(*error)


def gone(alias, monkeypatch):
    """From now on nobody can connect to this database."""
    version.close()
    connections[alias].close()
    monkeypatch.setitem(connections[alias].settings_dict, "NAME", "/nowhere/at all")


def end(connection):
    """Let the server end a connection that is being used. (A file has none, so there it is only said.)"""
    if connection.vendor == "sqlite":
        raise OperationalError("the connection was ended")
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])


def read(client, address="/", **options):
    """The page's text, and the databases that it was read from."""
    with Asked() as asked:
        response = client.get(address, **options)
    assert response.status_code == 200, (address, response.status_code)
    return response.content.decode(), set(asked.aliases)


def address_of(number=2):
    return question(number).get_absolute_url()


def test_every_public_page_is_read_from_replicas_in_turn_and_from_nothing_else(library, copies, client):
    for alias in ("replica1", "replica2"):
        copies(alias)
    pages = [*public_addresses(), "/questions/?q=library+card", "/es/"]
    with Asked() as asked:
        for address in pages:
            assert client.get(address).status_code == 200, address
        assert client.get("/nowhere/").status_code == 404
    assert set(asked.aliases) == {"replica1", "replica2"}


def test_an_editor_and_what_is_not_for_everybody_is_served_by_the_primary(library, copies, client, editor, publisher):
    change(editor)
    copies("replica1")
    assert read(logged_in(editor))[1] == {"default"}
    report = "/answers/library/2/report/"
    assert read(client, "/admin/login/")[1] <= {"default"}
    for address in (report, f"/drafts/{drafts.token(question())}/"):
        assert read(client, address)[1] == {"default"}
    with Asked() as asked:
        sent = client.post(report, {"text": "This is wrong."})
        assert client.get(sent["Location"]).status_code == 200
    assert set(asked.aliases) == {"default"}


def test_a_page_that_needs_no_database_asks_none_for_its_version(library, copies, client, monkeypatch):
    copies("replica1")
    monkeypatch.setattr(replicas, "_choose", None)
    assert client.get("/healthz").status_code == 200 == client.get("/robots.txt").status_code


def test_words_searched_in_vain_are_noted_on_the_primary(library, copies, client):
    copies("replica1")
    read(client, "/questions/?q=hovercraft")
    assert MissedSearch.objects.get().words == "hovercraft"


def test_a_replica_that_is_late_is_passed_over_so_nobody_reads_what_was_before(library, copies, client, publisher):
    copies("replica1")
    assert read(client, address_of())[1] == {"replica1"}
    publishing.withdraw(question(2), because="A mistake.", by=publisher)
    with Asked() as asked:
        assert client.get("/answers/library/2/").status_code == 410
    assert set(asked.aliases) == {"default"}
    copies("replica2")  # has it
    assert read(client)[1] == {"replica2"}


def test_a_replica_that_is_gone_is_passed_over_and_left_alone_until_it_answers(library, copies, client, monkeypatch):
    for alias in ("replica1", "replica2"):
        copies(alias)
    name = connections["replica1"].settings_dict["NAME"]
    gone("replica1", monkeypatch)
    tries, connect = [], BaseDatabaseWrapper.connect

    def noted(self):
        tries.append(self.alias)
        return connect(self)

    monkeypatch.setattr(BaseDatabaseWrapper, "connect", noted)
    assert [read(client)[1] for _ in range(4)] == [{"replica2"}] * 4
    assert tries.count("replica1") == 1
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            monkeypatch.setitem(connections["replica1"].settings_dict, "NAME", name)

    monkeypatch.setattr(replicas, "sleep", pause)
    replicas._wait_for("replica1")  # what its thread does
    assert tries.count("replica1") == 4 and pauses == [replicas.PAUSE] * 3
    assert {"replica1"} in [read(client)[1] for _ in range(2)]


def test_a_connection_that_ends_while_it_is_made_is_closed(library, copies, client):
    copies("replica1")
    made = []

    def dies(connection, **kwargs):
        made.append(connection)
        raise OperationalError("the connection was ended")

    connection_created.connect(dies)
    try:
        with pytest.raises(OperationalError):
            version.current("replica1")
    finally:
        connection_created.disconnect(dies)
    assert [one.connection for one in made] == [None]


def test_a_replica_that_dies_in_the_middle_of_a_page_is_followed_by_another(library, copies, client):
    for alias in ("replica1", "replica2"):
        copies(alias)
    assert read(client)[1] | read(client)[1] == {"replica1", "replica2"}  # whatever is asked of a new connection, was
    hit = []

    def dies(execute, sql, params, many, context):
        if not hit:
            hit.append(context["connection"].alias)
            end(context["connection"])
        return execute(sql, params, many, context)

    with connections["replica1"].execute_wrapper(dies), connections["replica2"].execute_wrapper(dies):
        text, asked = read(client, address_of())
    assert "Three weeks." in text and len(hit) == 1 and asked - {"default", *hit}


def test_readers_go_on_without_the_primary_and_are_never_shown_less_than_before(
    library, copies, client, publisher, monkeypatch
):
    copies("replica1")
    publishing.withdraw(question(2), because="A mistake.", by=publisher)
    assert client.get("/answers/library/2/").status_code == 410
    copies("replica2")
    gone("default", monkeypatch)
    for _ in range(4):
        with Asked() as asked:
            assert client.get("/answers/library/2/").status_code == 410
        assert set(asked.aliases) == {"replica2"}
    assert read(client, "/questions/?q=hovercraft")[1] == {"replica2"}
    # Where only a late one is left, the answer that was withdrawn does not come back.
    gone("replica2", monkeypatch)
    monkeypatch.setattr(replicas, "PATIENCE", 0)
    client.raise_request_exception = False
    assert client.get("/answers/library/2/").status_code >= 500


def test_what_one_worker_has_shown_the_others_on_its_node_hold_too(tmp_path):
    one, other = replicas.Newest(tmp_path / "newest"), replicas.Newest(tmp_path / "newest")
    assert one.follow(lambda: 7) == 7 and other.get() == 7
    assert other.raise_to(9) == 9 and one.raise_to(8) == 9
    answers = iter([5, 6])  # asked again where it is news, and the last word holds: a backup was put back
    assert one.follow(lambda: next(answers)) == 6 == other.get()
    assert one.follow(lambda: None) is None and one.get() == 6


def test_a_node_that_cannot_write_its_file_answers_all_the_same(tmp_path):
    newest = replicas.Newest(tmp_path / "no such folder" / "newest")
    assert newest.follow(lambda: 7) == 7 and newest.get() == 7 and newest.raise_to(9) == 9


def test_a_reader_waits_a_moment_for_a_replica_to_catch_up_when_the_primary_is_lost(
    library, copies, client, publisher, monkeypatch
):
    copies("replica1")
    publishing.withdraw(question(2), because="A mistake.", by=publisher)
    assert client.get("/answers/library/2/").status_code == 410
    copies("caught up")
    gone("default", monkeypatch)
    waits = []

    def catch_up(seconds):
        waits.append(seconds)
        version.close()
        connections["replica1"].close()
        connections["replica1"].settings_dict["NAME"] = connections["caught up"].settings_dict["NAME"]

    monkeypatch.setattr(replicas, "sleep", catch_up)
    assert client.get("/answers/library/2/").status_code == 410
    assert len(waits) == 1


def test_ready_says_how_the_replicas_are_and_stays_ready_for_readers_without_the_primary(
    library, copies, client, publisher, monkeypatch
):
    assert "replica" not in client.get("/readyz").content.decode()
    copies("replica1")
    publishing.withdraw(question(2), because="A mistake.", by=publisher)
    copies("replica2")
    copies("replica3")
    gone("replica3", monkeypatch)
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.content.decode().splitlines()[3:] == ["replica1: late", "replica2: ok", "replica3: gone"]
    gone("default", monkeypatch)
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.content.decode().splitlines()[-1] == "readers: ok"
    gone("replica2", monkeypatch)
    assert client.get("/readyz").status_code == 503


def test_a_public_page_that_writes_would_not_write_to_the_primary(library, copies, client, monkeypatch):
    copies("replica1")

    def writes(request):
        MissedSearch.objects.create(words="hovercraft", day="2026-01-01")
        return HttpResponse("done")

    monkeypatch.setattr(views, "render", lambda request, *rest: writes(request))
    assert client.get("/accessibility/").content == b"done"
    assert not MissedSearch.objects.exists()


def test_a_mistake_of_ours_is_not_taken_for_a_database_that_is_gone(library, copies, client, monkeypatch):
    copies("replica1")
    asked = []

    def wrong(request, *rest):
        asked.append(connection.alias)
        connection.cursor().execute("SELECT wrong FROM nowhere")

    monkeypatch.setattr(views, "render", wrong)
    with pytest.raises(DatabaseError, match="nowhere"):
        client.get("/accessibility/")
    assert asked == ["replica1", "default"] and not replicas.is_gone("replica1") and not replicas.is_gone("default")


@pytest.mark.commands
def test_replicas_are_named_in_the_environment_and_only_postgresql_has_them(tmp_path):
    primary, replica = "postgres://a@one/kb", "postgres://a@two/kb,postgres://a@three:5433/kb?connect_timeout=4"
    script = (
        "from django.conf import settings\n"
        "for alias, one in settings.DATABASES.items():\n"
        "    print(alias, one['HOST'], one['OPTIONS']['connect_timeout'])"
    )
    done = manage(tmp_path, "shell", "-v0", "-c", script, DATABASE_URL=primary, DATABASE_REPLICA_URLS=replica)
    assert done.stdout.splitlines() == ["default one 2", "replica1 two 2", "replica2 three 4"], done.stderr
    done = manage(tmp_path, "check", DATABASE_REPLICA_URLS=replica)
    assert done.returncode and "only PostgreSQL has replicas" in done.stderr
