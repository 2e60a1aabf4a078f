"""No form of the admin overwrites, and no confirmation deletes, another person's save."""

from types import SimpleNamespace

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.urls import reverse
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from taggit.models import Tag

from faq.models import Collection, Event, Note, Question, Report, SiteText, Source, Synonym, Topic
from faq.tests.conftest import fields_of, logged_in, submit
from faq.tests.test_admin import form_data, page_of, question, save
from faq.tests.test_simultaneous_changes import at_once

pytestmark = pytest.mark.django_db


def note_on(row):
    note = Note.objects.create(collection=row.collection, kind="contradiction", text="1 against 2.")
    note.questions.add(row)
    return note


# Of each model: a row, one field of its form, and what the first and the second person write there.
ROWS = {
    Group: (lambda: Group.objects.create(name="Helpers"), "name", "Volunteers", "Interns"),
    User: (lambda: User.objects.get(username="erin"), "last_name", "Poe", "Roe"),
    Collection: (lambda: Collection.objects.create(slug="lanes", title="Lanes"), "description", "All lanes.", "Lanes."),
    Topic: (lambda: Topic.objects.get(slug="cards"), "description", "Where they are.", "What they cost."),
    Tag: (lambda: Tag.objects.get(name="card"), "name", "library card", "borrower card"),
    Question: (question, "short_answer", "Three weeks.", "Four weeks."),
    Note: (lambda: note_on(question()), "text", "A gap in 2.", "A gap in 3."),
    Report: (lambda: Report.objects.create(edition=question().live, text="Unclear."), "state", "in_work", "closed"),
    SiteText: (lambda: SiteText.objects.create(name="help", text="Ask."), "text", "Ask at the desk.", "Ask by phone."),
    Synonym: (lambda: Synonym.objects.create(words="bike", means="bicycle"), "means", "bicycle, lane", "bicycle, path"),
    Source: (lambda: Source.objects.create(title="Rules"), "title", "Rules of 2026", "Rules of 2027"),
    TOTPDevice: (lambda: TOTPDevice.objects.create(user=User.objects.get(username="erin"), name="app"), "name",
                 "phone", "tablet"),
    StaticDevice: (lambda: StaticDevice.objects.create(user=User.objects.get(username="erin"), name="codes"), "name",
                   "paper", "card"),
}  # fmt: skip
IN_WORDS = {"in_work": "in work", "closed": "closed without a change"}

_superuser = SimpleNamespace(user=User(is_superuser=True))
CHANGED_IN_FORMS = [
    model for model, model_admin in admin.site._registry.items() if model_admin.has_change_permission(_superuser)
]


def address_of(row, verb="change"):
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_{verb}", args=[row.pk])


@pytest.fixture
def people(editor):
    """Two clients of two superusers."""
    return [logged_in(User.objects.create_superuser(name)) for name in ("anna", "ben")]


def test_no_list_saves_many_rows_at_once():
    assert [str(each) for each in admin.site._registry.values() if each.list_editable] == []


@pytest.mark.parametrize("model", CHANGED_IN_FORMS, ids=lambda model: model.__name__)
def test_a_save_over_another_save_is_refused_shows_both_and_loses_nothing(library, people, model):
    mine, theirs = people
    make, field, their_words, my_words = ROWS[model]
    row = make()
    address = address_of(row)
    opened = fields_of(mine.get(address))
    assert submit(theirs, address, {field: their_words}).status_code == 302
    page = mine.post(address, opened | {field: my_words})
    html = page.content.decode()
    assert page.status_code == 200
    assert f"Nothing was saved: somebody else saved this {model._meta.verbose_name}" in html
    assert f"Now in the database: {IN_WORDS.get(their_words, their_words)}" in html
    assert f"Yours: {IN_WORDS.get(my_words, my_words)}" in html
    row.refresh_from_db()
    assert getattr(row, field) == their_words
    assert [value.strip() for value in fields_of(page)[field]] == [my_words]
    assert mine.post(address, fields_of(page)).status_code == 302  # saving once more is meant
    row.refresh_from_db()
    assert getattr(row, field) == my_words


def test_a_save_over_a_change_of_another_field_is_refused_too(people):
    mine, theirs = people
    row = Source.objects.create(title="Rules", publisher="Library")
    opened = fields_of(mine.get(address_of(row)))
    submit(theirs, address_of(row), {"publisher": "Town library"})
    html = mine.post(address_of(row), opened | {"title": "Rules of 2027"}).content.decode()
    assert "Now in the database: Town library" in html and "Yours: Library" in html
    row.refresh_from_db()
    assert (row.title, row.publisher) == ("Rules", "Town library")


def test_rows_that_a_field_names_are_compared_and_shown_by_their_names(library, people, editor):
    mine, theirs = people
    publishers = Group.objects.get(name="Publishers")
    opened = fields_of(mine.get(address_of(editor)))
    submit(theirs, address_of(editor), {"groups": [*opened["groups"], publishers.pk]})
    html = mine.post(address_of(editor), opened).content.decode()
    assert "Now in the database: Editors, Publishers" in html and "Yours: Editors" in html
    assert editor.groups.count() == 2
    note = note_on(question())
    opened = fields_of(mine.get(address_of(note)))
    submit(theirs, address_of(note), {"questions": f"{question(1).pk},{question(2).pk}"})
    html = mine.post(address_of(note), opened | {"questions": f"{question(3).pk}"}).content.decode()
    assert f"Now in the database: {question(1)}, {question(2)}" in html and f"Yours: {question(3)}" in html
    assert note.questions.count() == 2


def test_a_question_shows_both_versions_of_its_topics_and_keywords(library, people):
    mine, theirs = people
    row = question()
    opened = form_data(mine, row)
    save(theirs, row, form_data(theirs, row) | {"topics": [], "tags": "loan, book"})
    html = mine.post(page_of(row), opened | {"tags": "card"}).content.decode()
    assert "Now in the database: (empty)" in html and "Yours: Visits" in html
    assert "Now in the database: book, loan" in html and "Yours: card" in html


def test_a_form_without_its_seen_field_is_refused(people):
    row = Source.objects.create(title="Rules")
    opened = fields_of(people[0].get(address_of(row)))
    del opened["seen"]
    html = people[0].post(address_of(row), opened | {"title": "Rules of 2027"}).content.decode()
    assert "Nothing was saved" in html
    row.refresh_from_db()
    assert row.title == "Rules"


def test_a_log_in_is_no_change_of_an_account(people, editor):
    opened = fields_of(people[0].get(address_of(editor)))
    logged_in(editor)
    assert people[0].post(address_of(editor), opened | {"last_name": "Poe"}).status_code == 302
    before = editor.last_login
    editor.refresh_from_db()
    assert editor.last_name == "Poe" and editor.last_login == before


def test_a_form_that_can_only_be_read_shows_no_digest(library, editor):
    html = logged_in(editor).get(address_of(Topic.objects.first())).content.decode()
    assert "Library cards" in html and 'name="seen"' not in html and "Seen:" not in html


# Deleting


@pytest.mark.parametrize("model", [Question, Topic, Note, Synonym], ids=lambda model: model.__name__)
@pytest.mark.parametrize("many", [False, True], ids=["one", "selected"])
def test_a_row_saved_after_the_confirmation_page_opened_is_not_deleted(people, drafts, model, many):
    mine, theirs = people
    make, field, their_words, _ = ROWS[model]
    row = make()
    address = reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_changelist") if many else None
    asked = {"action": "delete_selected", "_selected_action": [row.pk]}
    page = mine.post(address, asked) if many else mine.get(address_of(row, "delete"))
    assert submit(theirs, address_of(row), {field: their_words}).status_code == 302
    answer = mine.post(address or address_of(row, "delete"), fields_of(page), follow=True)
    html = answer.content.decode()
    assert "Nothing was deleted: “" in html and "Are you sure you want to delete" in html
    assert getattr(model.objects.get(pk=row.pk), field) == their_words
    assert not Event.objects.filter(act="discarded").exists()
    again = mine.post(address or address_of(row, "delete"), fields_of(answer), follow=True).content.decode()
    assert "deleted" in again and not model.objects.filter(pk=row.pk).exists()


def test_a_draft_whose_point_was_written_meanwhile_is_not_deleted(people, drafts):
    mine, theirs = people
    row = question()
    page = mine.get(page_of(row, "delete"))
    save(theirs, row, form_data(theirs, row) | {"points-0-text": "Four weeks."})
    mine.post(page_of(row, "delete"), fields_of(page))
    assert question().points.get().text == "Four weeks."


# At the same time


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", [Source, Topic, SiteText, Note], ids=lambda model: model.__name__)
def test_of_two_saves_at_once_one_is_refused_and_none_is_lost(library, people, model):
    make, field, *words = ROWS[model]
    row = make()
    opened = [fields_of(client.get(address_of(row))) for client in people]
    results = at_once(
        *(
            lambda client=client, data=data, text=text: client.post(address_of(row), data | {field: text})
            for client, data, text in zip(people, opened, words, strict=True)
        )
    )
    assert sorted(response.status_code for response in results) == [200, 302]
    row.refresh_from_db()
    refused = next(response for response in results if response.status_code == 200)
    assert {getattr(row, field), fields_of(refused)[field][0].strip()} == set(words)
    assert f"Now in the database: {getattr(row, field)}" in refused.content.decode()


@pytest.mark.django_db(transaction=True)
def test_of_a_save_and_a_deletion_at_once_none_loses_what_was_saved(people, drafts):
    mine, theirs = people
    row = question()
    page, data = fields_of(mine.get(page_of(row, "delete"))), form_data(theirs, row) | {"points-0-text": "Four weeks."}
    deleted, saved = at_once(
        lambda: mine.post(page_of(row, "delete"), page, follow=True),
        lambda: theirs.post(page_of(row), data, follow=True),
    )
    if Question.objects.filter(pk=row.pk).exists():
        assert "Nothing was deleted" in deleted.content.decode()
        assert question().points.get().text == "Four weeks."
    else:
        assert "Perhaps it was deleted?" in saved.content.decode()
