"""The desk: the work queue, who may do what, the pages of the workflow, and sources on the question page."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone

from faq.admin import site
from faq.models import Citation, Collection, Event, MissedSearch, Note, Question, Source, Topic
from faq.site import reports
from faq.tests.conftest import _person, check, import_text, logged_in, submit
from faq.tests.test_admin import form_data, page_of, question, save
from faq.tests.test_sources import cite
from faq.workflow import collection_texts, publishing, working_copy

pytestmark = pytest.mark.django_db


@pytest.fixture
def busy(library, editor, publisher):
    """Work of every kind."""
    import_text(
        "".join(f"{number}. Question {number}?\nText {number}.\n" for number in range(1, 8)), slug="more", publish=True
    )
    more = {row.number: row for row in Question.objects.filter(collection__slug="more").select_related("collection")}
    today = timezone.localdate()

    def change(number, by, text="Changed."):
        more[number].points.update(text=text)
        working_copy.refresh(more[number], by)

    change(1, editor)
    publishing.submit(more[1], by=editor)
    change(2, publisher)
    publishing.submit(more[2], by=publisher)
    change(3, editor)
    publishing.submit(more[3], by=editor)
    publishing.send_back(more[3], by=publisher, note="More.")
    check(more[4], publisher, on=today - timedelta(days=200))
    check(more[5], publisher, on=today - timedelta(days=170))
    Question.objects.filter(pk=more[6].pk).update(seed_conflict="6. Other?\nText.\n", unconfirmed=True)
    change(7, editor, "As of my last update, it is open.")
    Source.objects.create(title="Gone", address="https://example.org/", fails_since=timezone.now())
    reports.store(Question.objects.public().first().live, None, "Unclear.")
    Question.objects.create(collection=library, number=9, text="Draft?")
    MissedSearch.objects.create(words="submarine", day=today)
    return library


def lines(user):
    return {line.label: line.count for line in site.queue(user)}


def test_the_queue_counts_what_waits_for_this_person(busy, editor, publisher):
    manager = User.objects.create_user("max", is_staff=True)
    collection_texts.save(Collection.objects.get(slug="library"), {"title": "Library"}, by=manager)
    collection_texts.save(Collection.objects.get(slug="more"), {"title": "More"}, by=publisher)
    everybody = {
        "Check overdue": 1, "Check due within 14 days": 1, "Published without a second check": 1,
        "Seed has a newer text": 1, "Changed, not published": 4, "Never checked": 8,
        "With points without a source": 8, "With wording findings": 1, "Never public": 1, "Reports by readers": 1,
        "Sources whose address does not answer": 1, "Searches that found nothing": 1,
    }  # fmt: skip
    assert lines(editor) == {"Sent back to me": 1, "Submitted by me, not reviewed yet": 1, **everybody}
    assert lines(publisher) == {
        "Waiting for my review": 1, "Submitted by me, not reviewed yet": 1, "Collection texts to confirm": 1,
        **everybody,
    }  # fmt: skip


def test_each_line_leads_to_a_list_of_as_many_rows(busy, editor, publisher):
    collection_texts.save(Collection.objects.get(slug="library"), {"title": "Library"}, by=editor)
    for user in (editor, publisher):
        client = logged_in(user)
        html = client.get("/admin/").content.decode()
        for line in site.queue(user):
            assert line.address.replace("&", "&amp;") in html
            assert client.get(line.address).context["cl"].result_count == line.count, line.label


def test_the_desk_says_so_when_nothing_waits(db, editor):
    assert "Nothing waits for you." in logged_in(editor).get("/admin/").content.decode()


def test_the_desk_shows_nothing_of_the_questions_to_an_account_without_a_group(busy):
    client = logged_in(User.objects.create_user("newcomer", is_staff=True))
    page = client.get("/admin/")
    html = page.content.decode()
    assert page.context["queue"] == [] and page.context["progress"] == [] and page.context["app_list"] == []
    assert "Ask a site manager to add it to a group" in html and "Everything is published" not in html
    for words in ("Library cards", "Visits", "All questions", "faq/question"):
        assert words not in html


def test_progress_counts_topic_by_topic(library, editor, publisher):
    row = question(1)
    for point in row.points.all():
        cite(point)
    working_copy.refresh(row, editor)
    publishing.publish(row, by=publisher, note="Sources.")
    check(question(2), publisher)
    rows = [[row[name] for name in ("name", "all", "public", "sourced", "checked")] for row in site.progress()]
    assert rows == [["Library cards", 1, 1, 1, 0], ["Visits", 2, 2, 1, 1], ["All questions", 3, 3, 2, 1]]


def test_the_desk_and_the_list_need_as_many_queries_for_many_questions_as_for_few(
    busy, publisher, django_assert_max_num_queries
):
    client = logged_in(publisher)
    counts = []
    for more in (0, 30):
        collection = Collection.objects.get(slug="more")
        Question.objects.bulk_create(
            Question(collection=collection, number=100 + number, text=f"Question {number}?") for number in range(more)
        )
        for address in ("/admin/", "/admin/faq/question/"):
            client.get(address)
            with django_assert_max_num_queries(40) as captured:
                client.get(address)
            counts.append(len(captured))
    assert counts[:2] == counts[2:]


# Permissions

ANONYMOUS, STAFF, EDITORS, PUBLISHERS, MANAGERS, SUPERUSER = range(6)
EVERYBODY = {EDITORS, PUBLISHERS, MANAGERS, SUPERUSER}
PUBLISHING = {PUBLISHERS, SUPERUSER}
MANAGING = {MANAGERS, SUPERUSER}
ADDRESSES = [
    (EVERYBODY, (
        "faq/question/", "faq/question/add/", "faq/question/{q}/change/", "faq/question/{q}/history/",
        "faq/question/{q}/preview/", "faq/question/{q}/compare/", "faq/question/{q}/submit/",
        "faq/question/{q}/discard/", "faq/question/{q}/restore/", "faq/question/{q}/settle/",
        "faq/question/{q}/link/", "faq/question/export/", "faq/question/import/", "faq/source/", "faq/source/add/",
        "faq/source/{s}/change/", "faq/synonym/", "faq/synonym/add/", "faq/missedsearch/", "faq/note/",
        "faq/note/add/", "faq/report/", "faq/topic/", "taggit/tag/", "taggit/tag/add/", "faq/collection/",
        "faq/collection/{c}/change/", "faq/collection/{c}/history/", "faq/sitetext/",
    )),
    (PUBLISHING, (
        "faq/question/{q}/send-back/", "faq/question/{q}/publish/", "faq/question/{q}/withdraw/",
        "faq/question/{q}/check/", "faq/collection/{c}/confirm/",
    )),
    (MANAGING, (
        "faq/topic/add/", "faq/topic/{t}/delete/", "faq/collection/add/", "faq/sitetext/add/", "auth/user/",
        "auth/user/add/", "auth/group/",
    )),
    ({SUPERUSER}, (
        "faq/question/{q}/delete/", "faq/source/{s}/delete/", "auth/group/add/",
    )),
    (set(), (
        "faq/missedsearch/add/",
    )),
]  # fmt: skip
PERMISSIONS = {"/admin/": {STAFF, *EVERYBODY}} | {
    f"/admin/{address}": people for people, addresses in ADDRESSES for address in addresses
}


@pytest.fixture
def people(editor, publisher):
    return {
        ANONYMOUS: None,
        STAFF: User.objects.create_user("newcomer", is_staff=True),
        EDITORS: editor,
        PUBLISHERS: publisher,
        MANAGERS: _person("max", "Site managers"),
        SUPERUSER: User.objects.create_superuser("boss"),
    }


def test_every_page_opens_for_those_who_may_and_for_nobody_else(library, people, client):
    row = question()
    row.points.update(text="Changed.")
    working_copy.refresh(row)
    collection_texts.save(library, {"title": "Library"}, by=people[MANAGERS])
    places = {"q": row.pk, "s": cite(row.points.first()).pk, "t": Topic.objects.first().pk, "c": library.pk}
    wrong = []
    for who, user in people.items():
        visitor = logged_in(user) if user else client
        for address, allowed in PERMISSIONS.items():
            status = visitor.get(address.format(**places)).status_code
            expected = 302 if user is None else 200 if who in allowed else 403
            if status != expected:
                wrong.append((who, address, status))
    assert wrong == []


@pytest.mark.parametrize(
    ("verb", "answer"),
    [("publish", {"note": "x"}), ("withdraw", {"because": "x"}), ("check", {}), ("send-back", {"note": "x"})],
)
def test_a_form_is_refused_where_its_page_is_refused(library, people, verb, answer, client):
    row = question()
    row.points.update(text="Changed.")
    working_copy.refresh(row)
    publishing.submit(row, by=people[SUPERUSER])
    before = Event.objects.count()
    for who in (ANONYMOUS, STAFF, EDITORS, MANAGERS):
        visitor = logged_in(people[who]) if people[who] else client
        assert visitor.post(page_of(row, verb), answer).status_code == (403 if people[who] else 302)
    assert Event.objects.count() == before and question().live.number == 1


# The pages of the workflow


def test_two_people_take_a_change_to_the_public(library, editor, publisher, client):
    writing, reading, row = logged_in(editor), logged_in(publisher), question()
    save(writing, row, form_data(writing, row) | {"points-0-text": "Four weeks."})
    assert page_of(row, "publish") not in writing.get(page_of(row)).content.decode()
    html = writing.post(page_of(row, "submit"), {"note": "Please read."}, follow=True).content.decode()
    assert "Publishers see it on their desk" in html
    assert "Please read." in reading.get("/admin/faq/question/?review=mine").context["cl"].result_list[0].review_note
    publish = reading.get(page_of(row, "publish")).content.decode()
    assert "<ins" in publish and "Four" in publish and "Please read." in publish and "Unpublished text by" in publish
    reading.post(page_of(row, "publish"), {"note": "Longer."})
    assert "Four weeks." in client.get(row.get_absolute_url()).content.decode()
    assert question().live.second_check


def test_the_page_of_your_own_text_offers_no_publishing_and_says_why(library, publisher):
    desk_of, row = logged_in(publisher), question()
    html = save(desk_of, row, form_data(desk_of, row) | {"points-0-text": "Four weeks."}).content.decode()
    assert page_of(row, "publish") not in html and "another publisher must approve it" in html
    html = desk_of.post(page_of(row, "publish"), {"note": "Mine."}).content.decode()
    assert "somebody else with the right to publish must read them" in html
    assert question().live.number == 1


def test_somebody_who_may_override_is_asked_for_a_reason(library, people):
    desk_of, row = logged_in(people[SUPERUSER]), question()
    save(desk_of, row, form_data(desk_of, row) | {"points-0-text": "Four weeks."})
    response = desk_of.post(page_of(row, "publish"), {"note": "Mine."})
    assert "This field is required." in response.content.decode() and question().live.number == 1
    desk_of.post(page_of(row, "publish"), {"note": "Mine.", "override": "Nobody is there."})
    assert question().unconfirmed


def test_the_comparison_is_with_what_is_public_or_with_any_edition(library, editor, publisher):
    client, row = logged_in(editor), question()
    save(client, row, form_data(client, row) | {"points-0-text": "Four weeks."})
    publishing.publish(row, by=publisher, note="Four.")
    row = question()
    save(client, row, form_data(client, row) | {"points-0-text": "Five weeks."})

    def changed(query=""):
        lines = client.get(page_of(row, "compare") + query).context["lines"]
        return [line.parts for line in lines if line.changed]

    assert changed() == [(("removed", "Four "), ("added", "Five "), ("same", "weeks."))]
    assert changed("?edition=1")[0][0] == ("removed", "Three weeks. A reminder is sent before.")
    assert client.get(page_of(row, "compare") + "?edition=99").status_code == 404


def test_the_comparison_of_a_draft_shows_everything_as_new(drafts, editor):
    html = logged_in(editor).get(page_of(question(), "compare")).content.decode()
    assert "all text is new" in html and "<ins" in html


def test_somebody_who_has_the_page_open_is_mentioned(library, editor, publisher):
    logged_in(editor).get(page_of(question()))
    html = logged_in(publisher).get(page_of(question())).content.decode()
    assert "<strong>Erin</strong> opened this page" in html
    client, row = logged_in(editor), question()
    save(client, row, form_data(client, row))  # done
    row.presences.filter(user=editor).delete()  # the page that opened after the save
    assert "opened this page" not in logged_in(publisher).get(page_of(question())).content.decode()
    assert "opened this page" not in logged_in(publisher).get(page_of(question(3))).content.decode()


def test_the_log_stands_on_the_page_and_in_the_history_even_when_the_person_is_gone(library, editor, publisher):
    client, row = logged_in(editor), question()
    save(client, row, form_data(client, row) | {"points-0-text": "Four weeks.", "tags": "loan"})
    editor.delete()
    for address in (page_of(row), page_of(row, "history")):
        html = logged_in(publisher).get(address).content.decode()
        assert "Erin" in html and "saved: words, tags" in html


# Sources on the question page


def citation(index, row=0, **values):
    return {f"points-{index}-citations-{row}-{name}": value for name, value in values.items()}


def test_a_point_gets_sources_on_the_question_page_and_loses_them_there(library, editor):
    client, row = logged_in(editor), question(1)
    source = Source.objects.create(title="Rules")
    data = form_data(client, row)
    data |= citation(1, source=source.pk, place="§ 2", consulted="2026-05-04", quotation="  A card\nis needed. ")
    save(client, row, data)
    assert list(Citation.objects.values_list("point__key", "place", "quotation")) == [(2, "§ 2", "A card is needed.")]
    assert question(1).state == "changed" and question(1).unsourced == 4
    data = form_data(client, row) | citation(1, 1, source=source.pk, place="§ 3", consulted="2026-05-05")
    save(client, row, data)
    data = form_data(client, row)
    assert data["points-1-citations-INITIAL_FORMS"] == 2
    data |= citation(1, 0, place="§ 3") | citation(1, 1, place="§ 2")  # exchanged
    save(client, row, data)
    assert list(Citation.objects.values_list("place", "quotation")) == [("§ 3", "A card is needed."), ("§ 2", "")]
    save(client, row, form_data(client, row) | citation(1, 0, DELETE="on") | citation(1, 1, DELETE="on"))
    assert not Citation.objects.exists() and question(1).state == "public"


def test_a_new_point_is_saved_together_with_its_source(library, editor):
    client, row = logged_in(editor), question(3)
    source = Source.objects.create(title="Rules")
    data = form_data(client, row) | {
        "points-TOTAL_FORMS": 2, "points-1-kind": "numbered", "points-1-depth": 0, "points-1-text": "And a roof.",
        "points-1-position": "", "points-1-citations-TOTAL_FORMS": 1, "points-1-citations-INITIAL_FORMS": 0,
    } | citation(1, source=source.pk, place="p. 1", consulted="2026-05-04")  # fmt: skip
    save(client, row, data)
    assert Citation.objects.get().point.text == "And a roof."


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"place": "§ 2"}, "This field is required."),
        ({"source": "999"}, "Select a valid choice"),
        ({"source": "{source}", "consulted": "yesterday"}, "Enter a valid date."),
        ({"source": "{source}", "quotation": "one\n\ntwo", "consulted": "2026-05-04"}, "This has a line break"),
    ],
)
def test_a_source_that_cannot_be_saved_is_refused_beside_it_and_nothing_is_lost(library, editor, values, message):
    client, row = logged_in(editor), question(1)
    source = Source.objects.create(title="Rules")
    values = {name: value.format(source=source.pk) for name, value in values.items()}
    data = form_data(client, row) | {"points-0-text": "Kept as typed."} | citation(1, **values)
    response = client.post(page_of(row), data)
    html = response.content.decode()
    assert response.status_code == 200 and message in html and "One of its sources has an error" in html
    assert "Kept as typed." in html and not Citation.objects.exists() and question(1).state == "public"


def test_a_source_without_a_point_is_not_dropped_in_silence(library, editor):
    client, row = logged_in(editor), question(3)
    source = Source.objects.create(title="Rules")
    data = form_data(client, row) | {
        "points-TOTAL_FORMS": 2, "points-1-kind": "paragraph", "points-1-depth": 0, "points-1-text": "",
        "points-1-citations-TOTAL_FORMS": 1, "points-1-citations-INITIAL_FORMS": 0,
    } | citation(1, source=source.pk, consulted="2026-05-04")  # fmt: skip
    assert "This is empty: write something" in client.post(page_of(row), data).content.decode()


def test_changing_a_source_makes_its_answers_wait_for_a_second_person(library, editor, publisher):
    row = question()
    source = cite(row.points.first())
    working_copy.refresh(row, editor)
    publishing.publish(row, by=publisher, note="A source.")
    address = reverse("admin:faq_source_change", args=[source.pk])
    data = {"title": "Rules of 2027", "publisher": "", "kind": "law", "address": "", "archived": ""}
    assert submit(logged_in(publisher), address, data).status_code == 302
    assert question().state == "changed" and question().contributors == [{"id": publisher.pk, "name": "Pat"}]
    assert question().live.sources[0].source.title == "Rules of the library"
    html = logged_in(publisher).get(address).content.decode()
    assert page_of(question()) in html


def test_one_source_is_registered_once(library, editor):
    data = {"title": "Rules", "publisher": "", "kind": "law", "address": "https://example.org/", "archived": ""}
    client = logged_in(editor)
    assert client.post("/admin/faq/source/add/", data).status_code == 302
    assert "registered already" in client.post("/admin/faq/source/add/", data).content.decode()


# A stale page whose points are gone


def test_points_that_somebody_else_removed_come_back_with_the_second_save(library, editor, publisher):
    mine, theirs, row = logged_in(editor), logged_in(publisher), question(1)
    source = cite(row.points.get(key=3))
    working_copy.refresh(row)
    data = form_data(mine, row) | {"points-2-label": "Day pass for everybody", "points-0-text": "x" * 10_001}
    save(
        theirs,
        row,
        form_data(theirs, row) | {"points-2-DELETE": "on", "points-3-DELETE": "on", "points-4-DELETE": "on"},
    )
    response = mine.post(page_of(row), data)
    assert "Nothing was saved" in response.content.decode()
    assert any("x" * 10_001 in text for line in response.context["differences"] for _, text in line.parts)
    data |= {"seen": response.context["adminform"].form["seen"].value(), "points-0-text": "Anyone."}
    save(mine, row, data)
    points = [(point.key, str(point), point.citations.count()) for point in question(1).points.all()]
    assert points == [
        (1, "Anyone.", 0), (2, "Library card: free at the desk.", 0), (6, "Day pass for everybody:", 1),
        (7, "valid until closing time", 0), (8, "one book only", 0),
    ]  # fmt: skip
    assert Citation.objects.get().source == source


def test_a_point_of_another_question_is_never_touched(library, editor):
    client, row = logged_in(editor), question(2)
    other = question(3).points.get()
    save(client, row, form_data(client, row) | {"points-0-id": other.pk, "points-0-text": "Mine."})
    other.refresh_from_db()
    assert other.text == "Yes, at the back door."
    assert "Mine." in [point.text for point in question(2).points.all()]


# Malformed input


@pytest.mark.parametrize(
    "address",
    [
        "/admin/faq/question/add/?related=%00", "/admin/faq/question/add/?topics=99999999999999999999",
        "/admin/faq/question/add/?related=99999999999999999999", "/admin/faq/question/?q=%00",
        "/admin/faq/question/?topics__id__exact=99999999999999999999", "/admin/faq/question/?collection__id__exact=x",
        "/admin/autocomplete/?app_label=faq&model_name=question&field_name=related&term=%00",
        "/admin/autocomplete/?app_label=faq&model_name=citation&field_name=source&term=%00",
        "/admin/faq/question/99999999999999999999/change/", "/admin/faq/question/99999999999999999999/publish/",
        "/admin/faq/source/?q=%00", "/admin/faq/question/add/?related=10000-01-01",
        "/admin/faq/question/add/?related=1,x", "/admin/faq/question/add/?related=,",
    ],
)  # fmt: skip
def test_malformed_admin_addresses_cause_no_server_error(library, people, address):
    assert logged_in(people[SUPERUSER]).get(address).status_code < 500


@pytest.mark.parametrize(
    ("tags", "message"),
    [("k" * 101, "too long"), ("?!", "no letter or digit"), ("bell\x07", "control character")],
)
def test_a_keyword_that_nobody_could_find_is_refused(library, editor, tags, message):
    client, row = logged_in(editor), question()
    assert message in client.post(page_of(row), form_data(client, row) | {"tags": tags}).content.decode()
    assert not question().tags.exists()


def test_a_number_that_a_seed_file_could_not_hold_is_refused(library, editor):
    data = {"collection": library.pk, "number": 4_000_000_000, "text": "Why?", "check_every": 180,
            "points-TOTAL_FORMS": 0, "points-INITIAL_FORMS": 0}  # fmt: skip
    assert (
        "less than or equal to 999999999" in logged_in(editor).post("/admin/faq/question/add/", data).content.decode()
    )


def test_a_note_stands_on_its_questions_until_it_is_settled(library, editor):
    note = Note.objects.create(collection=library, kind="contradiction", text="1 against 2.")
    note.questions.set([question()])
    client = logged_in(editor)
    assert "1 against 2." in client.get(page_of(question())).content.decode()
    assert "1 against 2." not in client.get(page_of(question(3))).content.decode()
    assert submit(client, reverse("admin:faq_note_change", args=[note.pk]), {"settled": "on"}).status_code == 302
    assert not client.get(page_of(question())).context["notes"]


def test_many_notes_are_settled_at_once_and_keep_their_words(library, editor):
    notes = [Note.objects.create(collection=library, kind="gap", text=f"Gap {number}.") for number in range(3)]
    data = {"action": "settle", "_selected_action": [note.pk for note in notes[:2]]}
    html = logged_in(editor).post("/admin/faq/note/", data, follow=True).content.decode()
    assert "2 notes were marked as settled." in html
    assert list(Note.objects.order_by("pk").values_list("text", "settled")) == [
        ("Gap 0.", True), ("Gap 1.", True), ("Gap 2.", False),
    ]  # fmt: skip
