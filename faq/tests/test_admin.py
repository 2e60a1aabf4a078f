"""Editing and publishing a question on the pages of the admin."""

import re

import pytest
from django.urls import reverse

from faq.models import AnswerPoint, Edition, Question
from faq.tests.conftest import check, logged_in, name_sources, submit
from faq.workflow import working_copy

pytestmark = pytest.mark.django_db


def question(number=2):
    return Question.objects.select_related("collection", "live").get(number=number)


def page_of(row, verb="change"):
    return reverse(f"admin:faq_question_{verb}", args=[row.pk])


def form_data(client, row):
    """The fields of the question page as a browser would send them back."""
    response = client.get(page_of(row))
    form = response.context["adminform"].form
    formset = response.context["inline_admin_formsets"][0].formset
    data = {}
    nested = [part for point in formset.forms for part in [point.citations.management_form, *point.citations.forms]]
    for part in [form, formset.management_form, *formset.forms, *nested]:
        for bound in part:
            value = bound.value()
            if isinstance(value, list):
                data[bound.html_name] = [getattr(item, "pk", item) for item in value]
            elif bound.name == "tags":
                data[bound.html_name] = ", ".join(tag.name for tag in row.tags.all())
            elif value is not None and value is not False:
                data[bound.html_name] = getattr(value, "pk", value)
    return data


def save(client, row, data):
    response = client.post(page_of(row), {**data, "_continue": "1"})
    assert response.status_code == 302, response.context["errors"]
    return client.get(response.url)


def test_an_editor_changes_adds_removes_moves_and_nests_points(library, editor):
    client, row = logged_in(editor), question(1)
    data = form_data(client, row)
    assert data["points-TOTAL_FORMS"] == 5
    data["points-0-text"] = "Anyone in Springfield. Bring one of these:"
    data["points-1-position"] = 3  # the card after the day pass and its bullets
    data["points-2-position"] = 2
    data["points-3-DELETE"] = "on"
    data["points-4-position"] = 2
    data |= {
        "points-TOTAL_FORMS": 6, "points-5-kind": "bullet", "points-5-depth": 1, "points-5-text": "Bring: a photo",
        "points-5-position": "", "points-5-question": row.pk,
    }  # fmt: skip
    save(client, row, data)
    points = question(1).points.values_list("key", "position", "kind", "depth", "label", "text")
    assert list(points) == [
        (1, 1, "paragraph", 0, "", "Anyone in Springfield. Bring one of these:"),
        (3, 2, "numbered", 0, "Day pass, for visitors", ""),
        (5, 3, "bullet", 1, "", "one book only"),
        (2, 4, "numbered", 0, "Library card", "free at the desk."),
        (6, 5, "bullet", 1, "Bring", "a photo"),
    ]
    assert question(1).state == "changed"


def test_saving_without_a_change_leaves_the_working_copy_as_it_is(library, editor):
    client = logged_in(editor)
    for row in Question.objects.all():
        before = row.digest, list(row.points.values())
        save(client, row, form_data(client, row))
        row.refresh_from_db()
        assert (row.digest, list(row.points.values())) == before
        assert question(row.number).state == "public"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("points-0-text", "one\n\ntwo", "This has a line break: put each paragraph in a point of its own."),
        ("points-0-text", "", "This is empty: write something, or remove it."),
        ("points-0-text", "1. like a point", "A paragraph cannot start with “1.”"),
        ("points-0-text", "– like a bullet", "A paragraph cannot start with “–”"),
        ("points-0-text", "x" * 10_001, "at most 10000 characters"),
        ("points-0-text", "bell \x07", "the control character U+0007 cannot be shown"),
        ("points-0-depth", "1", "Only a bullet can be nested."),
        ("points-0-label", "Not. A label", "A label is a few words"),
        ("points-0-position", "-1", "greater than or equal to 0"),
        ("text", " ", "This field is required."),
        ("short_answer", "one\n\ntwo", "This has a line break"),
    ],
)
def test_invalid_input_is_refused_next_to_the_field_and_nothing_typed_is_lost(library, editor, field, value, message):
    client, row = logged_in(editor), question()
    data = form_data(client, row) | {"points-0-text": "Kept as typed."} | {field: value}
    response = client.post(page_of(row), data)
    html = response.content.decode()
    assert response.status_code == 200
    assert message in html
    if field != "points-0-text":
        assert "Kept as typed." in html
    assert question().state == "public"


def test_a_save_over_somebody_elses_save_is_refused_shows_both_and_loses_nothing(library, editor, publisher):
    row = question()
    mine, theirs = logged_in(editor), logged_in(publisher)
    my_data, their_data = form_data(mine, row), form_data(theirs, row)
    save(theirs, row, their_data | {"points-0-text": "Three weeks, or four."})
    response = mine.post(page_of(row), my_data | {"points-0-text": "Three weeks for adults.", "short_answer": "Three."})
    html = response.content.decode()
    assert response.status_code == 200 and "Nothing was saved: somebody else saved this question" in html
    assert question().points.get().text == "Three weeks, or four." and question().short_answer == ""
    assert "Three weeks for adults.</textarea>" in html
    [short, point] = response.context["differences"]
    assert short.parts == (("added", "Three."),)
    assert point.parts == (
        ("same", "Three "), ("removed", "weeks, or four."), ("added", "weeks for adults.")
    )  # fmt: skip
    again = my_data | {
        "points-0-text": "Three weeks for adults.",
        "seen": response.context["adminform"].form["seen"].value(),
    }
    save(mine, row, again)
    assert question().points.get().text == "Three weeks for adults."


@pytest.mark.parametrize(
    "change", [{"tags": "other"}, {"topics": []}, {"check_every": "30"}, {"points-0-DELETE": "on"}, {"text": "Other?"}]
)
def test_every_kind_of_change_by_somebody_else_is_noticed(library, editor, publisher, change):
    row = question()
    mine, theirs = logged_in(editor), logged_in(publisher)
    my_data = form_data(mine, row)
    save(theirs, row, form_data(theirs, row) | change)
    response = mine.post(page_of(row), my_data)
    assert response.status_code == 200 and "Nothing was saved" in response.content.decode()


def test_a_question_form_without_its_seen_field_is_refused(library, editor):
    client, row = logged_in(editor), question()
    data = form_data(client, row)
    data.pop("seen")
    assert "Nothing was saved" in client.post(page_of(row), data).content.decode()


def test_saving_warns_about_what_could_not_be_published(library, editor):
    client, row = logged_in(editor), question(1)
    data = form_data(client, row) | {"points-3-depth": "0"}
    html = save(client, row, data).content.decode()
    assert "Saved, but it cannot be published yet. Block 4 is a bullet right after a numbered point" in html


def test_the_preview_shows_the_working_copy_and_publishes_nothing(library, editor):
    client, row = logged_in(editor), question()
    save(client, row, form_data(client, row) | {"points-0-text": "Four weeks."})
    response = client.get(page_of(row, "preview"))
    assert "Four weeks." in response.content.decode()
    assert "draft" in response.content.decode().lower()
    assert Edition.objects.filter(question=row).count() == 1
    assert "Four weeks." not in client.get(row.get_absolute_url()).content.decode()


def test_publishing_without_a_note_is_refused_in_the_form(library, publisher):
    row = question()
    desk = logged_in(publisher)
    save(desk, row, form_data(desk, row) | {"points-0-text": "Four weeks."})
    response = desk.post(page_of(row, "publish"), {"note": " "})
    assert response.status_code == 200 and "This field is required." in response.content.decode()
    assert question().live.number == 1


def test_publishing_without_a_change_is_refused_with_the_reason(library, publisher):
    response = logged_in(publisher).post(page_of(question(), "publish"), {"note": "Nothing."})
    assert "there is nothing to publish" in response.content.decode()


def test_withdraw_check_restore_and_settle_from_the_desk(library, publisher):
    desk, row = logged_in(publisher), question()
    name_sources(Question.objects.filter(pk=row.pk))
    assert "The next check is due on" in desk.post(page_of(row, "check"), {}, follow=True).content.decode()
    assert question().checked_on
    save(desk, row, form_data(desk, row) | {"points-0-text": "Four weeks."})
    desk.post(page_of(row, "restore"), {"edition": 1}, follow=True)
    assert question().points.get().text == "Three weeks. A reminder is sent before."
    desk.post(page_of(row, "withdraw"), {"because": "It was wrong."}, follow=True)
    assert question().withdrawn_because == "It was wrong."
    Question.objects.filter(pk=row.pk).update(seed_conflict="2. New?\nText.\n")
    assert "The seed has a newer text" in desk.get(page_of(row)).content.decode()
    desk.post(page_of(row, "settle"), follow=True)
    assert (question().seed_conflict, question().seed_settled) == ("", "2. New?\nText.\n")


def test_a_check_is_offered_only_for_an_answer_that_names_a_source(library, publisher):
    desk, row = logged_in(publisher), question()
    assert page_of(row, "check") not in desk.get(page_of(row)).content.decode()
    refused = desk.post(page_of(row, "check"), {"comment": "Compared."})
    assert "names no source" in refused.content.decode() and question().checked_on is None
    name_sources(Question.objects.filter(pk=row.pk))
    assert page_of(row, "check") in desk.get(page_of(row)).content.decode()


def test_restoring_an_edition_that_does_not_exist_is_refused(library, editor):
    assert logged_in(editor).post(page_of(question(), "restore"), {"edition": 9}).status_code == 404


def test_nobody_without_an_account_gets_in(library, client):
    for address in ("/admin/", page_of(question()), page_of(question(), "preview"), page_of(question(), "publish")):
        response = client.get(address)
        assert response.status_code == 302 and response.url.startswith("/admin/login/")


def test_number_and_collection_of_a_question_never_change(library, editor):
    client, row = logged_in(editor), question()
    save(client, row, form_data(client, row) | {"number": 77, "collection": 99})
    row.refresh_from_db()
    assert (row.number, row.collection.slug) == (2, "library")


def test_an_editor_adds_a_question_with_points(library, editor):
    client = logged_in(editor)
    data = {
        "collection": library.pk, "number": 4, "text": "May I sing?", "short_answer": "", "tags": "singing, noise",
        "topics": [], "check_every": 180, "points-TOTAL_FORMS": 1, "points-INITIAL_FORMS": 0,
        "points-0-kind": "paragraph", "points-0-depth": 0, "points-0-numbering": "", "points-0-text": "Please don't.",
    }  # fmt: skip
    response = client.post(reverse("admin:faq_question_add"), data)
    assert response.status_code == 302, response.context["errors"]
    row = question(4)
    assert row.state == "draft" and row.digest
    assert [(p.key, p.position, p.text) for p in row.points.all()] == [(1, 1, "Please don't.")]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("", [1, 2, 3]), ("state=public", [1, 3]), ("state=changed", [2]), ("state=draft", []), ("check=no", [2, 3]),
        ("check=yes", [1]), ("check=overdue", []), ("seed=conflict", []), ("q=bicycle", [3]), ("q=closing+time", [1]),
        ("topics__id__exact={topic}", [1]), ("state=nonsense", [1, 2, 3]),
    ],
)  # fmt: skip
def test_the_list_finds_what_needs_work(library, editor, publisher, query, numbers):
    check(question(1), publisher)
    AnswerPoint.objects.filter(question=question(2)).update(text="Four weeks.")
    working_copy.refresh(question(2))
    query = query.format(topic=question(1).topics.get().pk)
    response = logged_in(editor).get(f"/admin/faq/question/?{query}")
    assert sorted(row.number for row in response.context["cl"].result_list) == numbers


def test_editions_are_nowhere_in_the_admin_to_be_changed(library, publisher):
    publisher.is_superuser = True
    publisher.save()
    client = logged_in(publisher)
    assert not re.search(r"/admin/faq/edition/", client.get("/admin/").content.decode())
    assert client.get(f"/admin/faq/edition/{Edition.objects.first().pk}/change/").status_code == 404


def test_a_question_that_was_ever_public_cannot_be_deleted(library, publisher):
    publisher.is_superuser = True
    publisher.save()
    response = logged_in(publisher).post(page_of(question(), "delete"), {"post": "yes"})
    assert response.status_code == 200 and "would require deleting the following protected" in response.content.decode()
    assert Question.objects.count() == 3


def test_a_verb_on_a_page_that_is_out_of_date_is_refused(library, editor, publisher):
    desk, writing, row = logged_in(publisher), logged_in(editor), question()
    save(writing, row, form_data(writing, row) | {"points-0-text": "Four weeks."})
    seen = desk.get(page_of(row, "publish")).context["seen"]
    save(writing, row, form_data(writing, row) | {"points-0-text": "Unseen words."})
    response = desk.post(page_of(row, "publish"), {"note": "Longer.", "seen": seen})
    assert "the question changed after you had opened this page" in response.content.decode()
    assert question().live.number == 1


def test_a_site_manager_cannot_become_or_change_a_superuser(db, publisher):
    from django.contrib.auth.models import Group, User

    publisher.groups.add(Group.objects.get(name="Site managers"))
    boss = User.objects.create_superuser("boss")
    desk = logged_in(publisher)
    own = f"/admin/auth/user/{publisher.pk}/change/"
    assert desk.get(own).status_code == 200
    assert submit(desk, own, {"is_superuser": "on", "last_name": "Poe"}).status_code == 302
    publisher.refresh_from_db()
    assert not publisher.is_superuser and publisher.last_name == "Poe"
    assert desk.post(f"/admin/auth/user/{boss.pk}/change/", {"username": "gone"}).status_code == 403
