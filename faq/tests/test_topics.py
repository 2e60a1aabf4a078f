"""Topics: when they become public, and what their addresses answer from then on."""

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from faq.models import Collection, Edition, Question, RetiredTopic, Topic
from faq.tests.conftest import ABOUT, import_text, logged_in, submit
from faq.tests.test_admin import form_data, question, save
from faq.tests.test_bulk import bulk
from faq.tests.test_spreadsheet import confirm, upload
from faq.tests.test_views import shape, words
from faq.workflow import fixtures, publishing

pytestmark = pytest.mark.django_db

LANES = "/topics/lanes/"


@pytest.fixture
def lanes(library):
    """A topic on no question."""
    return Topic.objects.create(slug="lanes", name="Bicycle lanes", description="Where to ride.")


def test_a_topic_that_comes_off_its_last_question_keeps_its_address(library, client):
    Topic.objects.get(slug="cards").questions.clear()
    page = client.get("/topics/cards/")
    assert page.status_code == 200 and "There are no public answers on this topic now." in words(page)
    assert "?topic=cards" not in page.content.decode()
    assert "Ahora no hay respuestas públicas sobre este tema." in words(client.get("/es/topics/cards/"))


def test_a_topic_whose_answers_are_all_withdrawn_keeps_its_address(library, client):
    publishing.withdraw(question(1), because="Wrong.")
    assert "There are no public answers on this topic now." in words(client.get("/topics/cards/"))


def test_only_topics_with_public_answers_stand_in_the_sitemap_and_the_lists(library, client):
    publishing.withdraw(question(1), because="Wrong.")
    assert "/topics/visits/" in client.get("/sitemap.xml").content.decode()
    for address in ("/sitemap.xml", "/", "/questions/"):
        assert "cards" not in client.get(address).content.decode().lower(), address


def _by_admin(topic, user):
    user.is_superuser = True
    user.save()
    address = reverse("admin:faq_topic_delete", args=[topic.pk])
    assert submit(logged_in(user), address).status_code == 302


@pytest.mark.parametrize(
    "delete",
    [
        lambda topic, user: topic.delete(), lambda topic, user: Topic.objects.filter(pk=topic.pk).delete(),
        lambda topic, user: Topic.objects.all().delete(), _by_admin,
    ],
)  # fmt: skip
def test_a_deleted_topic_leaves_an_explanation_at_its_address(library, editor, client, delete):
    delete(Topic.objects.get(slug="cards"), editor)
    page = client.get("/topics/cards/")
    assert page.status_code == 410 and "The topic “ Library cards ” was removed from this site on" in words(page)
    assert shape(page.content).xpath("//main//form[@role='search'] | //main//a[@href='/']")
    spanish = client.get("/es/topics/cards/")
    assert spanish.status_code == 410 and "Este tema fue eliminado" in words(spanish)
    assert client.get("/answers/library/1/who-may-borrow-a-book/").status_code == 200


def test_a_topic_that_was_never_public_leaves_nothing(lanes, client):
    lanes.delete()
    assert not RetiredTopic.objects.exists() and client.get(LANES).status_code == 404


def test_a_topic_that_is_made_again_gets_the_address_once_it_is_public(library, client):
    Topic.objects.get(slug="cards").delete()
    again = Topic.objects.create(slug="cards", name="Cards of all kinds")
    page = client.get("/topics/cards/")
    assert page.status_code == 410 and "of all kinds" not in words(page)
    again.questions.add(question(1))
    page = client.get("/topics/cards/")
    assert page.status_code == 200 and "Cards of all kinds" in words(page)
    again.delete()
    page = client.get("/topics/cards/")
    assert page.status_code == 410 and "Cards of all kinds" in words(page)


def test_a_topic_on_a_withdrawn_answer_alone_is_not_public(lanes, client):
    publishing.withdraw(question(), because="Wrong.")
    question().topics.add(lanes)
    assert client.get(LANES).status_code == 404
    for address in ("/questions/?topic=lanes", "/questions/?topic=lanes&q=book"):
        assert "Bicycle lanes" not in words(client.get(address))
    lanes.delete()
    assert client.get(LANES).status_code == 404


def _form(topic, user):
    client, row = logged_in(user), question()
    save(client, row, form_data(client, row) | {"topics": [topic.pk]})


def _spreadsheet(topic, user):
    client = logged_in(user)
    confirm(client, upload(client, "collection,number,topics\nlibrary,2,Bicycle lanes\n"))


@pytest.mark.parametrize(
    "put",
    [
        lambda topic, user: question().topics.add(topic),
        lambda topic, user: topic.questions.set(Question.objects.all()),
        lambda topic, user: bulk(
            logged_in(user), "add_topic", Question.objects.filter(number=2), confirmed="yes", topic=topic.pk
        ),
        _form,
        _spreadsheet,
    ],
)
def test_a_topic_becomes_public_where_it_is_put_on_a_public_answer(lanes, editor, client, put):
    put(lanes, editor)
    assert question().topics.filter(pk=lanes.pk).exists()
    assert client.get(LANES).status_code == 200
    # The row that was read before knows nothing of it.
    lanes.name = "Lanes"
    lanes.save()
    question().topics.clear()
    page = client.get(LANES)
    assert page.status_code == 200 and "Lanes" in words(page)


def test_a_topic_becomes_public_with_its_first_public_answer_and_once(drafts, publisher, client):
    assert client.get("/topics/visits/").status_code == 404
    publishing.publish(question(), by=publisher, note="First.")
    since = Topic.objects.get(slug="visits").public_since
    assert since and Topic.objects.get(slug="cards").public_since is None
    publishing.publish(question(3), by=publisher, note="First.")
    assert Topic.objects.get(slug="visits").public_since == since
    assert client.get("/topics/visits/").status_code == 200


def test_an_import_that_publishes_makes_its_topics_public(drafts, client):
    import_text(publish=True)
    assert not Topic.objects.filter(public_since=None).exists()
    assert client.get("/topics/cards/").status_code == 200
    import_text("1. Where?\nHere.\n", about=ABOUT, slug="other")
    assert [client.get(f"/topics/{slug}/").status_code for slug in ("cards", "visits")] == [200, 200]


def test_a_topic_edited_in_the_admin_stays_public(library, admin_client, client):
    topic = Topic.objects.get(slug="cards")
    data = {"name": "Cards", "description": "", "position": 4}
    assert submit(admin_client, reverse("admin:faq_topic_change", args=[topic.pk]), data).status_code == 302
    assert "Cards" in words(client.get("/topics/cards/"))


def written(collection, folder, without=""):
    """Write a collection's fixture, without one of the fields; returns a function that loads it."""
    out = StringIO()
    fixtures.dump(collection, out)
    rows = [row for row in json.loads(out.getvalue()) if row["model"] != "faq.edition"]  # sealed, and there already
    for row in rows:
        row["fields"].pop(without, None)
    (folder / "fixture.json").write_text(json.dumps(rows))

    def load():
        call_command("loaddata", folder / "fixture.json", verbosity=0)

    return load


@pytest.mark.parametrize("without", ["", "public_since"])
def test_a_fixture_takes_the_public_topics_along(library, client, tmp_path, without):
    """Also one of an earlier version, which does not say when they became public."""
    load = written(library, tmp_path, without)
    Topic.objects.update(public_since=None)
    load()
    assert [client.get(f"/topics/{slug}/").status_code for slug in ("cards", "visits")] == [200, 200]


def test_a_fixture_that_does_not_know_of_a_public_topic_leaves_it_public(library, tmp_path):
    load = written(library, tmp_path, "public_since")
    since = list(Topic.objects.values_list("public_since", flat=True))
    load()
    assert list(Topic.objects.values_list("public_since", flat=True)) == since


def test_a_collection_whose_answers_are_all_withdrawn_leaks_nothing(library, client):
    for row in Question.objects.all():
        publishing.withdraw(row, because="Gone.")
    assert client.get("/answers/library/").status_code == 200
    assert "Springfield library" not in words(client.get("/questions/?collection=library"))
    Collection.objects.create(slug="lanes", title="Bicycle lanes")
    assert client.get("/answers/lanes/").status_code == 404
    assert Edition.objects.count() == 3 and "Who may borrow" not in words(client.get("/changes/"))
