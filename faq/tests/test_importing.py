"""Importing a seed file into working copies, and merging it with editors' changes."""

import io
from random import Random
from time import process_time

import pytest
from django.contrib.auth.models import Permission
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction
from taggit.models import Tag

from faq.answers import manifest, seedfile
from faq.models import AnswerPoint, Collection, Edition, Note, Question, Topic
from faq.tests.conftest import ABOUT, LIBRARY, import_text
from faq.workflow import importing, publishing, working_copy

pytestmark = pytest.mark.django_db

NEWER = LIBRARY.replace("Three weeks.", "Four weeks.")


def question(number=2):
    return Question.objects.select_related("collection", "live").get(collection__slug="library", number=number)


def words(number=2):
    return [str(point) for point in question(number).points.all()]


def edit(number=2, text="Two weeks, or three."):
    """What an editor does: change the first point of an answer."""
    point = question(number).points.first()
    point.text = text
    point.full_clean()
    point.save()
    working_copy.refresh(question(number))


def test_imports_points_in_order_with_kind_depth_label_and_key():
    import_text()
    rows = question(1).points.values_list("key", "kind", "depth", "label", "text")
    assert list(rows) == [
        (1, "paragraph", 0, "", "Anyone who lives in Springfield. You need one of these:"),
        (2, "numbered", 0, "Library card", "free at the desk."),
        (3, "numbered", 0, "Day pass, for visitors", ""),
        (4, "bullet", 1, "", "valid until closing time"),
        (5, "bullet", 1, "", "one book only"),
    ]


def test_imports_drafts_unless_asked_to_publish():
    report = import_text()
    assert str(report) == "3 questions: 3 new."
    assert not Question.objects.public().exists()
    assert not Edition.objects.exists()


def test_imported_drafts_are_published_by_importing_again():
    import_text()
    report = import_text(publish=True)
    assert str(report) == "3 questions: 3 unchanged. 3 published."
    assert [edition.change_note for edition in Edition.objects.all()] == [publishing.IMPORTED] * 3
    assert all(edition.imported for edition in Edition.objects.all())


def test_importing_twice_changes_nothing():
    import_text(publish=True)
    before = list(Question.objects.values()), list(AnswerPoint.objects.values()), list(Edition.objects.values())
    report = import_text(publish=True)
    assert str(report) == "3 questions: 3 unchanged."
    after = list(Question.objects.values()), list(AnswerPoint.objects.values()), list(Edition.objects.values())
    assert after == before


def test_reimport_updates_what_only_the_seed_changed():
    import_text(publish=True)
    report = import_text(NEWER, publish=True)
    assert str(report) == "3 questions: 1 updated, 2 unchanged. 1 published."
    assert words() == ["Four weeks. A reminder is sent before."]
    assert question().live.number == 2


def test_reimport_keeps_what_the_editor_wrote():
    import_text(publish=True)
    edit()
    report = import_text(publish=True)
    assert report.outcomes == [(1, "unchanged"), (2, "kept as edited"), (3, "unchanged")]
    assert words() == ["Two weeks, or three."]
    assert report.published == [] and question().live.number == 1


def test_reimport_keeps_the_editors_words_and_reports_a_conflict_when_both_changed():
    import_text(publish=True)
    edit()
    report = import_text(NEWER, publish=True)
    assert str(report) == "3 questions: 2 unchanged, 1 conflict kept as edited."
    assert words() == ["Two weeks, or three."]
    assert question().seed_conflict == "2. How long may I keep a book?\nFour weeks. A reminder is sent before.\n"
    assert question().live.number == 1


def test_a_conflict_stays_until_it_is_settled_and_is_not_reported_again_after():
    import_text()
    edit()
    import_text(NEWER)
    assert import_text(NEWER).outcomes[1] == (2, "conflict kept as edited")
    publishing.settle_conflict(question())
    assert question().seed_conflict == ""
    assert import_text(NEWER).outcomes[1] == (2, "kept as edited")
    assert words() == ["Two weeks, or three."]


def test_a_conflict_is_over_when_the_seed_goes_back():
    import_text()
    edit()
    import_text(NEWER)
    import_text(LIBRARY)
    assert question().seed_conflict == ""
    assert words() == ["Two weeks, or three."]


def test_an_editor_who_wrote_what_the_seed_now_says_has_no_conflict():
    import_text()
    edit(text="Four weeks. A reminder is sent before.")
    assert import_text(NEWER).outcomes[1] == (2, "unchanged")
    assert import_text(LIBRARY).outcomes[1] == (2, "kept as edited")
    assert words() == ["Four weeks. A reminder is sent before."]


def exported(working_copy=False):
    written = io.StringIO()
    call_command("export_seed", "library", working_copy=working_copy, stdout=written)
    return written.getvalue()


def publish(user, note="Shorter.", **options):
    return publishing.publish(question(), by=user, note=note, **options)


@pytest.mark.parametrize("settled", [False, True])
def test_an_import_never_replaces_words_that_were_exported_and_imported_again(publisher, settled):
    import_text(publish=True)
    edit()
    publish(publisher)
    edited = exported()
    assert str(import_text(edited, publish=True)) == "3 questions: 3 unchanged."
    if settled:
        publishing.settle_conflict(question())
    assert str(import_text(publish=True)) == "3 questions: 2 unchanged, 1 kept as edited."
    assert str(import_text(NEWER, publish=True)) == "3 questions: 2 unchanged, 1 conflict kept as edited."
    assert words() == ["Two weeks, or three."] and question().live.number == 2


def test_an_import_never_replaces_unpublished_words_that_were_exported_and_imported_again():
    import_text(publish=True)
    edit()
    import_text(exported(working_copy=True), publish=True)
    assert import_text(publish=True).outcomes[1] == (2, "kept as edited")
    assert words() == ["Two weeks, or three."]


def test_settling_a_conflict_never_lets_an_import_replace_published_words(publisher):
    import_text(publish=True)
    edit()
    publish(publisher)
    edited = exported()
    edit(text="One week.")
    assert import_text(edited).outcomes[1] == (2, "conflict kept as edited")
    publishing.settle_conflict(question())
    publishing.discard(question())
    assert import_text(publish=True).outcomes[1] == (2, "kept as edited")
    assert import_text(NEWER, publish=True).outcomes[1] == (2, "conflict kept as edited")
    assert words() == ["Two weeks, or three."]


@pytest.mark.parametrize("change", ["words", "short answer", "nothing"])
def test_an_import_never_replaces_an_answer_that_people_published(publisher, change):
    import_text(publish=change != "nothing")
    row = question()
    if change == "words":
        edit()
        publish(publisher)
        edit(text="Three weeks. A reminder is sent before.")
    elif change == "short answer":
        row.short_answer = "Yes."
        row.save()
        working_copy.refresh(row)
    publish(publisher)
    assert import_text(NEWER, publish=True).outcomes[1] == (2, "conflict kept as edited")
    assert words() == ["Three weeks. A reminder is sent before."]


def test_an_import_never_replaces_discarded_words_that_came_back_with_an_export(editor):
    import_text(publish=True)
    point = question().points.first()
    point.text = "Two weeks, or three."
    point.save()
    working_copy.refresh(question(), editor)
    edited = exported(working_copy=True)
    publishing.discard(question(), by=editor)
    assert import_text(edited).outcomes[1] == (2, "updated")
    assert import_text(NEWER, publish=True).outcomes[1] == (2, "conflict kept as edited")
    assert words() == ["Two weeks, or three."]


def test_an_import_that_brings_back_published_words_does_not_own_them(publisher):
    import_text(publish=True)
    edit()
    publish(publisher)
    edited = exported()
    edit(text="Three weeks. A reminder is sent before.")
    assert import_text(edited, publish=True).outcomes[1] == (2, "conflict kept as edited")
    assert import_text(NEWER, publish=True).outcomes[1] == (2, "conflict kept as edited")
    assert words() == ["Three weeks. A reminder is sent before."]


def test_an_import_holds_back_an_answer_that_waits_for_its_second_check(publisher):
    publisher.user_permissions.add(Permission.objects.get(codename="override_second_check"))
    publisher = type(publisher).objects.get(pk=publisher.pk)
    import_text(publish=True)
    row = question()
    row.short_answer = "Three weeks."
    row.save()
    working_copy.refresh(row, publisher)
    publish(publisher, override="Nobody else is here.")
    report = import_text(NEWER, publish=True)
    assert report.outcomes[1] == (2, "conflict kept as edited") and report.published == []
    assert question().unconfirmed and question().live.number == 2
    assert [one["id"] for one in publishing.writers(question())] == [publisher.pk]


def test_a_question_that_an_editor_added_is_not_overwritten():
    import_text()
    added = Question.objects.create(collection=question().collection, number=4, text="May I sing?")
    added.points.create(text="No.", position=1)
    working_copy.refresh(added)
    report = import_text(LIBRARY + "4. Is there tea?\nYes.\n")
    assert report.outcomes[3] == (4, "conflict kept as edited")
    assert question(4).text == "May I sing?" and words(4) == ["No."]


def test_questions_that_left_the_file_stay_and_are_named():
    import_text()
    report = import_text(LIBRARY[: LIBRARY.index("3. Is there")], manifest.Manifest(title=ABOUT.title))
    assert "Not in the file, and left as they are: question 3." in report.notices
    assert question(3).text == "Is there a bicycle stand?"


def test_import_never_publishes_an_editors_unpublished_short_answer(publisher):
    import_text(publish=True)
    row = question()
    row.short_answer = "Three weeks."
    row.save()
    working_copy.refresh(row)
    report = import_text(NEWER, publish=True)
    assert report.held == {2: "its short answer was edited and not published yet"}
    assert question().live.number == 1


def test_import_never_brings_a_withdrawn_answer_back():
    import_text(publish=True)
    publishing.withdraw(question(), because="It was wrong.")
    report = import_text(NEWER, publish=True)
    assert report.held == {2: "it was withdrawn"}
    assert question().live is None
    assert words() == ["Four weeks. A reminder is sent before."]


def test_a_dry_run_reports_like_the_real_run_and_writes_nothing():
    report = import_text(publish=True, dry_run=True)
    assert str(report) == "3 questions: 3 new. 3 published."
    assert not Collection.objects.exists() and not Topic.objects.exists() and not Tag.objects.exists()
    import_text(publish=True)
    edit()
    before = list(Question.objects.values())
    assert import_text(NEWER, dry_run=True).outcomes[1] == (2, "conflict kept as edited")
    assert list(Question.objects.values()) == before


def test_points_keep_their_keys_when_the_seed_moves_them():
    import_text()
    moved = LIBRARY.replace(
        "– valid until closing time\n– one book only\n", "– one book only\n– ends at closing time\n"
    )
    import_text(moved.replace("You need one", "Bring this or that:\nYou need one"))
    keys = {str(point): point.key for point in question(1).points.all()}
    assert keys["one book only"] == 5
    assert keys["Library card: free at the desk."] == 2
    assert question(1).last_key == max(keys.values())
    assert len(set(keys.values())) == len(keys)


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ([(1, "a b c d"), (2, "x")], ["x", "a b c d"], [2, 1]),
        ([(1, "a b c d")], ["a b c e"], [1]),
        ([(1, "a b c d")], ["w x y z"], [None]),
        ([(1, "same"), (2, "same")], ["same", "same", "same"], [1, 2, None]),
        ([(1, "a b c d"), (2, "a b c d e f")], ["a b c d e"], [2]),
        ([], ["a"], [None]),
    ],
)
def test_carry_keys(old, new, keys):
    assert importing.carry_keys(old, new) == keys


def test_keys_are_carried_in_bounded_time_when_hundreds_of_points_changed():
    random = Random(1)
    old, new = ([" ".join(random.choices("abcdefgh", k=60)) for _ in range(200)] for _ in range(2))
    new[7] = f"{old[9]} more"
    begun = process_time()
    keys = importing.carry_keys(list(enumerate(old, start=1)), new)
    assert process_time() - begun < 3
    assert keys[7] == 10
    assert len({key for key in keys if key}) == len([key for key in keys if key])


def test_topics_and_tags_come_from_the_manifest_for_new_questions_only():
    import_text()
    assert [topic.slug for topic in question(1).topics.all()] == ["cards"]
    question(1).topics.clear()
    question(1).tags.set(["visitor"])
    import_text(NEWER)
    assert not question(1).topics.exists()
    assert [tag.name for tag in question(1).tags.all()] == ["visitor"]


def test_an_editors_changes_of_collection_and_topics_are_kept_and_reported():
    import_text()
    Collection.objects.update(title="Town library")
    Topic.objects.filter(slug="cards").update(name="Cards")
    report = import_text()
    assert report.notices == [
        "The title of “Town library” differs from the manifest's and was kept.",
        "The name of “Cards” differs from the manifest's and was kept.",
    ]
    assert Collection.objects.get().title == "Town library"


def test_a_tag_that_exists_in_other_letters_is_used():
    Tag.objects.create(name="Bicycle")
    import_text()
    assert [tag.name for tag in question(3).tags.all()] == ["Bicycle"]


def test_notes_are_for_editors_and_stand_at_their_questions():
    note = manifest.Note("contradiction", "One says “free”, the other does not.", (1, 2))
    about = manifest.Manifest(title="Library", notes=(note,))
    import_text(about=about)
    import_text(about=about)
    assert [(n.kind, [q.number for q in n.questions.all()]) for n in Note.objects.all()] == [("contradiction", [1, 2])]


@pytest.mark.parametrize(
    "text",
    [
        "1. A?\n1. x\n2. y\npara\n1. again\n2. b\npara\n3. resumed\n2. B?\n– c\n– d\n1. e\n– f\n2. g\n",
        "1. Label only?\n1. Fees:\n– ten: or so\n- not: twice\n2. Web?\nSee https://example.org/a: it is there\n",
        "1. Colons?\nA:\u00a0nbsp\nB : spaced\n12:30 is late\nA. b: c\n::\nx:\n",
        "1. Restart?\n1. a\n1. b\n1. c\n2. d\n",
    ],
)
def test_the_working_copy_keeps_every_character_of_the_text(text):
    about = manifest.Manifest(title="Any")
    import_text(text, about)
    written = io.StringIO()
    call_command("export_seed", "library", working_copy=True, stdout=written)
    assert written.getvalue() == seedfile.render(seedfile.parse(text))
    assert {outcome for _, outcome in import_text(text, about).outcomes} == {"unchanged"}
    for point in AnswerPoint.objects.all():
        point.full_clean()  # an editor can save every point as it was imported


def test_the_database_itself_refuses_what_the_rules_forbid(drafts):
    row = question(1)
    for change in (
        lambda: Question.objects.create(collection=drafts, number=1, text="Again?"),
        lambda: Question.objects.filter(pk=row.pk).update(number=0),
        lambda: Question.objects.filter(pk=row.pk).update(text=""),
        lambda: AnswerPoint.objects.filter(question=row).update(key=1),
        lambda: row.points.filter(kind="paragraph").update(depth=1),
        lambda: row.points.update(text="", label=""),
        lambda: row.points.update(kind="poem"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            change()
    with pytest.raises(ValidationError):
        AnswerPoint(question=row, kind="paragraph", text="1. looks like a point").full_clean()


def test_a_bullet_that_an_editor_took_out_is_an_edit_and_is_never_published_by_an_import():
    import_text(publish=True)
    question(1).points.filter(key=4).update(depth=0)
    working_copy.refresh(question(1))
    assert import_text(publish=True).outcomes[0] == (1, "kept as edited")
    assert question(1).live.number == 1
    changed = LIBRARY.replace("free at the desk", "free of charge")
    assert import_text(changed, publish=True).outcomes[0] == (1, "conflict kept as edited")
    assert question(1).points.get(key=4).depth == 0
