"""Search as readers and editors meet it: results, passages, what is said when little is found, and the index behind."""

import io
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import Sum
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from taggit.models import Tag

from faq.answers import manifest
from faq.models import MissedSearch, Question, QuestionTag, SearchText, SearchWord, Synonym, Topic
from faq.search import query_parser, rebuilding, search, zero_results
from faq.search.search import Search
from faq.tests.conftest import import_text, logged_in
from faq.tests.relevance import measure, queries
from faq.tests.test_promises import SECRET, half_hidden  # noqa: F401  (a fixture)
from faq.tests.test_views import numbers, shape, words
from faq.workflow import publishing, working_copy

pytestmark = pytest.mark.django_db

TOWN = """\
1. Where may I ride a bicycle?
1. Lanes: ride in the bicycle lanes of the main streets.
2. Parks: bicycles are welcome in every park, but slowly.
– at the pond, please walk
2. How do I get a library card?
Bring a photograph to the front desk.
1. Children: a parent signs for them.
2. Visitors: a day pass costs nothing.
3. What does the market sell?
Fruit, bread and old books, each Saturday.
4. May I fish in the pond?
Yes, with a permit from the front desk.
"""


@pytest.fixture
def town(db):
    """The collection `town`, with four public questions."""
    return import_text(TOWN, manifest.Manifest(title="Town"), slug="town", publish=True).collection


def find(text, **options):
    search = Search(text, **options)
    return [question.number for question in search.ranked(search.within(Question.objects.public().for_list()))]


def results(client, query):
    """The results on the page as (address, question's words, passage) with the marks as they are."""
    page = shape(client.get("/questions/", {"q": query}).content)
    return [
        (item.find("a").get("href"), item.find("a").text_content(), item.find("p").text_content())
        for item in page.xpath("//ol[@class='questions']/li")
    ]


def test_a_result_shows_its_passage_with_marked_words_and_links_to_it(town, client):
    response = client.get("/questions/", {"q": "walk with my bicycle at the pond"})
    page = shape(response.content)
    first = page.xpath("//ol[@class='questions']/li")[0]
    assert first.find("a").get("href") == "/answers/town/1/where-may-i-ride-a-bicycle/#p3"
    assert first.find("p").text_content() == "at the pond, please walk"
    assert [mark.text for mark in first.find("p").xpath(".//mark")] == ["pond", "walk"]
    assert [mark.text for mark in first.find("a").xpath(".//mark")] == ["bicycle"]
    assert "Not checked yet" in words(response)
    anchor = first.find("a").get("href").partition("#")[2]
    assert shape(client.get("/answers/town/1/where-may-i-ride-a-bicycle/").content).xpath(f"//*[@id='{anchor}']")


def test_the_short_answer_is_shown_where_it_fits_best(town, publisher, client):
    row = Question.objects.get(number=3)
    row.short_answer = "Vegetables and flowers."
    row.save()
    working_copy.refresh(row)
    publishing.publish(row, by=publisher, note="Shorter.")
    assert results(client, "flowers")[0] == (
        "/answers/town/3/what-does-the-market-sell/", "What does the market sell?", "Vegetables and flowers."
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("library cards", 2), ("Will they take a photo of my children if I want to get a card?", 2), ("BICYCLES", 1),
        ("riding", 1), ("Fishing permits!", 4), ("where can I buy some bread on saturdays", 3), ("lanes", 1),
        ("what is the market", 3), ("fish -market", 4), ("“day pass”", 2),
    ],
)  # fmt: skip
def test_plain_words_find_what_they_mean(town, query, first):
    assert find(query)[0] == first


def test_a_phrase_and_a_minus_are_kept_to(town):
    assert find("front desk") == [2, 4]
    assert find("front desk -card") == [4]
    assert find('"front desk" market') == [2, 4]
    assert find('desk -"front desk"') == []
    assert find('"desk front"') == []


def test_where_the_conditions_leave_nothing_the_plain_words_are_tried_and_that_is_said(town, client):
    response = client.get("/questions/", {"q": '"desk front"'})
    assert numbers(response) == []
    assert "No answer has the words just as you asked. These have some of them:" in words(response)
    assert [question.number for question in response.context["suggestions"]["questions"]] == [2, 4]
    assert not MissedSearch.objects.exists()


def test_a_mistyped_word_is_mended_and_said_and_can_be_kept(town, client):
    response = client.get("/questions/", {"q": "Libary <card>"})
    assert numbers(response) == [2]
    assert "Showing results for library <card> ." in words(response)
    [link] = shape(response.content).xpath("//a[contains(., 'Search for')]")
    assert " ".join(link.text_content().split()) == "Search for “Libary <card>” instead"
    instead = client.get(f"/questions/{link.get('href')}")
    assert "Showing results for" not in words(instead) and numbers(instead) == [2]
    assert "exact" not in shape(instead.content).xpath("//input/@name")


def test_a_word_that_is_only_near_to_unpublished_ones_is_not_mended(town, client):
    draft = Question.objects.create(collection=town, number=9, text="Where is the xylophone?")
    draft.points.create(text="In the xylophone room.", position=1)
    assert Search("xylofone").corrections == {}


def test_synonyms_work_at_once_also_as_beginnings_and_for_groups_of_words(town, editor):
    desk = logged_in(editor)
    assert find("velo") == find("pedal bike") == find("anglers") == []
    for typed, means in (("Vélo", "bicycle"), ("pedal bike", "bicycle, lanes"), ("angl*", "fish")):
        answer = desk.post("/admin/faq/synonym/add/", {"words": typed, "means": means})
        assert answer.status_code == 302
    assert find("velo")[0] == find("my pedal bike please")[0] == 1
    assert find("anglers") == find("angling?") == [4]
    assert find("velos") == [1] and find("veloz") == [1]  # a form of the word, and a mistyped one
    Synonym.objects.filter(means="fish").delete()
    assert find("anglers") == []


def test_a_synonym_that_is_there_in_another_form_or_has_no_word_is_refused(town, editor):
    Synonym.objects.create(words="pedal bike", means="bicycle")
    desk = logged_in(editor)
    page = desk.post("/admin/faq/synonym/add/", {"words": "Pedal BIKES", "means": "lane"})
    assert "“pedal bike” is the same to the search." in page.content.decode()
    page = desk.post("/admin/faq/synonym/add/", {"words": "…", "means": "lane"})
    assert "There is no word in this." in page.content.decode()


def test_the_site_starts_with_synonyms_that_are_the_editors_from_then_on(db):
    assert Synonym.objects.filter(key="la migra", means="ICE").exists()
    assert Synonym.objects.count() > 300
    assert [row for row in Synonym.objects.all() if row.key != row._key() or not query_parser.words(row.means)] == []


def test_filters_and_counts_work_on_results(town, client):
    topic = Topic.objects.create(slug="outside", name="Outside", position=9)
    topic.questions.set(Question.objects.filter(number__in=[1, 4]))
    response = client.get("/questions/?q=pond+desk&topic=outside")
    assert sorted(numbers(response)) == [1, 4]
    counts = {facet["name"]: {c["value"]: c["count"] for c in facet["choices"]} for facet in response.context["facets"]}
    assert counts["topic"] == {"outside": 2} and counts["checked"] == {"no": 2}
    counts = client.get("/questions/?q=pond+desk").context["facets"]
    assert [(c["value"], c["count"]) for c in counts[0]["choices"]] == [("outside", 2)]
    assert len(numbers(client.get("/questions/?q=pond+desk"))) == 3


def test_where_the_choices_leave_nothing_the_words_alone_are_shown(town, client):
    response = client.get("/questions/?q=bread&checked=yes")
    assert numbers(response) == []
    assert "Without the choices there are these:" in words(response)
    assert [question.number for question in response.context["suggestions"]["questions"]] == [3]


def test_nothing_found_comes_with_topics_and_questions_and_is_counted_for_the_editors(library, client):
    response = client.get("/questions/", {"q": "Zeppelin rides for jane@example.org, 12 Elm 4b www.example.org!"})
    assert numbers(response) == []
    page = shape(response.content)
    assert "/topics/cards/" in page.xpath("//main//section//a/@href")
    assert len(page.xpath("//ol[@class='questions']/li")) == 3
    client.get("/questions/?q=zeppelin+rides+for+elm")
    client.head("/questions/?q=zeppelin+rides+for+elm")
    client.get("/questions/?q=zeppelin&topic=cards")
    client.get("/questions/?q=12345")
    [row] = MissedSearch.objects.all()
    assert (row.words, row.day, row.count) == ("zeppelin rides for elm", timezone.localdate(), 2)
    assert {field.name for field in MissedSearch._meta.get_fields()} == {"id", "words", "day", "count"}
    assert not response.cookies


def test_missed_searches_are_few_a_day_and_deleted_after_90_days(library, client, monkeypatch, capsys):
    monkeypatch.setattr(zero_results, "MAX_A_DAY", 2)
    for word in ("zeppelin", "xylophon", "quagga"):
        client.get(f"/questions/?q={word}")
    assert set(MissedSearch.objects.values_list("words", flat=True)) == {"zeppelin", "xylophon"}
    MissedSearch.objects.filter(words="zeppelin").update(day=timezone.localdate() - timedelta(days=91))
    call_command("purge_reports")
    assert capsys.readouterr().out == (
        "The words of 0 reports were deleted.\n1 search that had found nothing: deleted.\n"
    )
    assert [row.words for row in MissedSearch.objects.all()] == ["xylophon"]


def test_a_search_works_where_a_missed_search_cannot_be_recorded(library, client):
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE faq_missedsearch")
    assert b"zeppelin" in client.get("/questions/?q=zeppelin").content


def test_editors_see_missed_searches_and_come_from_one_to_a_synonym(library, client, editor):
    client.get("/questions/?q=zeppelin+rides")
    desk = logged_in(editor)
    page = shape(desk.get("/admin/faq/missedsearch/").content)
    [link] = page.xpath("//a[starts-with(., 'Add a synonym for')]/@href")
    form = shape(desk.get(link).content)
    assert form.xpath("//input[@name='words']/@value") == ["zeppelin rides"]
    assert desk.get("/admin/faq/missedsearch/add/").status_code == 403
    assert "delete_selected" not in desk.get("/admin/faq/missedsearch/").content.decode()


# The index


def test_1_no_unpublished_word_is_indexed_found_or_offered(half_hidden, client):  # noqa: F811
    """Every word of every working copy and old edition that the public does not see is searched for."""

    def words_of(questions, contents):
        rows = [row for model in (Topic, Tag) for row in model.objects.all() if _of(row) & set(questions)]
        names = [text for row in rows for text in (row.name, getattr(row, "description", ""))]
        texts = [[c.question, c.short_answer, *(t for b in c.blocks for t in (b.label, b.text))] for c in contents]
        return set(query_parser.words(" ".join([*names, *(text for some in texts for text in some)])))

    def _of(row):
        return set(row.questions.all() if isinstance(row, Topic) else Question.objects.filter(tags=row))

    every, public = Question.objects.all(), Question.objects.public()
    shown = words_of(public, [question.live.content for question in public])
    hidden = words_of(every, [working_copy.content(question) for question in every]) - shown
    hidden |= set(query_parser.words("Three weeks. A reminder is sent before.")) - shown  # of the withdrawn one
    assert {SECRET, "weeks", "reminder"} <= hidden
    assert {word for row in SearchText.objects.all() for word in row.words.split()} == shown
    counted = SearchWord.objects.values_list("word").annotate(Sum("questions"))
    indexed = {word for word, number in counted if number}
    assert indexed == shown | {""}
    assert not hidden & indexed
    for word in hidden:
        for typed in (word, word[:-1] + "q", f'"{word}"', f"{word} book"):
            search = Search(typed)
            assert word not in search.corrections.values()
            assert all(question.live_id for question in search.ranked(search.within(Question.objects.all())))
        page = shape(client.get("/questions/", {"q": word}).content).xpath("//section[@class='results']")[0]
        assert word not in query_parser.words(" ".join(page.xpath(".//ol//text()"))), word


def test_the_index_follows_publishing_and_withdrawing(town, publisher):
    row = Question.objects.get(number=3)
    row.points.update(text="Cheese and wool.")
    working_copy.refresh(row)
    assert find("bread") == [3] and find("cheese") == []
    publishing.publish(row, by=publisher, note="New.")
    assert find("bread") == [] and find("cheese") == [3]
    publishing.withdraw(row, because="Closed.")
    assert find("cheese") == [] and Search("cheeze").corrections == {}
    assert rebuilding.drift() == []


def test_the_index_follows_tags_and_topics_however_they_change(town):
    row = Question.objects.get(number=3)
    row.tags.add("cheese")
    assert find("cheese") == [3]
    Tag.objects.get(name="cheese").delete()
    assert find("cheese") == []
    row.tags.set(["wool", "honey"])
    assert find("wool") == find("honey") == [3]
    tag = Tag.objects.get(name="wool")
    tag.name = "linen"
    tag.save()
    assert find("wool") == [] and find("linen") == [3]
    row.tags.clear()
    assert find("linen") == find("honey") == []
    topic = Topic.objects.create(slug="stalls", name="Stalls")
    topic.questions.add(row)
    assert find("stalls") == [3]
    topic.name, topic.description = "Booths", "Where sellers stand."
    topic.save()
    assert find("stalls") == [] and find("booths") == find("sellers") == [3]
    topic.questions.clear()
    assert find("booths") == []
    row.topics.set([topic])
    assert find("booths") == [3]
    topic.delete()
    assert find("booths") == []
    assert rebuilding.drift() == []


def test_the_index_is_changed_in_the_same_transaction(town, publisher):
    row = Question.objects.get(number=3)
    row.points.update(text="Cheese and wool.")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        publishing.publish(row, by=publisher, note="New.")
        assert find("cheese") == [3]
        raise ZeroDivisionError
    assert find("cheese") == [] and find("bread") == [3]
    assert rebuilding.drift() == []


def test_an_outdated_index_never_shows_an_unpublished_answer(town):
    Question.objects.filter(number=3).update(live=None, withdrawn_at=timezone.now())
    assert find("bread") == []
    other = Question.objects.get(number=1)
    again = Question.objects.select_related("collection", "live").get(pk=other.pk)
    publishing.seal_imported([(again, working_copy.content(again))])
    SearchText.objects.filter(question=other).update(edition=other.live_id)
    assert find("bicycle") == []


def check():
    out = io.StringIO()
    call_command("rebuild_search", check=True, stdout=out)
    return out.getvalue()


def test_a_check_finds_drift_of_every_kind_and_a_rebuild_mends_it(town, publisher):
    assert check() == "The search index agrees with the public answers.\n"
    spoil = [
        lambda: SearchText.objects.filter(question__number=1).delete(),
        lambda: SearchText.objects.filter(question__number=2).update(points="other words"),
        lambda: Question.objects.filter(number=4).update(live=None, withdrawn_at=timezone.now()),
        lambda: SearchWord.objects.create(word="ghost", stem="ghost", questions=1, firsts=1),
        lambda: QuestionTag.objects.bulk_create(
            [QuestionTag(content_object=Question.objects.get(number=1), tag=Tag.objects.create(name="wheels"))]
        ),
    ]
    told = ["1 public and not in the index: town 1.", "in the index with other words than the public sees: town 2.",
            "1 in the index and not public: town 4.", "The word counts are wrong.", "town 1"]  # fmt: skip
    for damage, sentence in zip(spoil, told, strict=True):
        damage()
        with pytest.raises(CommandError, match=re.escape(sentence)):
            check()
        out = io.StringIO()
        call_command("rebuild_search", stdout=out)
        assert re.fullmatch(r"\d questions indexed\.\n", out.getvalue())
        assert check() == "The search index agrees with the public answers.\n"
    assert find("wheels") == [1] and find("ghost") == []


DAMAGE = {
    "sqlite": [
        "INSERT INTO faq_search(rowid, title) VALUES (999, 'ghost')",
        "INSERT INTO faq_search(faq_search) VALUES ('delete-all')",
        "DROP TRIGGER faq_search_update; UPDATE faq_searchtext SET title = 'ghost'",
    ],
    "postgresql": ["SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE faq_searchtext DROP COLUMN vector"],
}


@pytest.mark.parametrize("damage", DAMAGE[connection.vendor])
def test_a_full_text_index_that_is_not_in_line_is_found_and_mended(town, damage):
    with connection.cursor() as cursor:
        for statement in damage.split("; "):
            cursor.execute(statement)
    assert "The database's full-text index is not in line with the texts." in rebuilding.drift()
    rebuilding.install()
    rebuilding.rebuild()
    assert rebuilding.drift() == [] and find("bread") == [3]


def test_a_database_that_had_another_search_is_filled_when_it_is_migrated(town):
    SearchText.objects.all().delete()
    SearchWord.objects.all().delete()
    rebuilding.install()
    assert find("bread") == [3] and rebuilding.drift() == []


# Bounds


def test_only_so_many_are_ranked_and_filters_look_among_all(db, client, monkeypatch):
    monkeypatch.setattr(search, "MAX_RESULTS", 10)
    monkeypatch.setattr(search, "MAX_RANKED", 30)
    text = "".join(f"{n}. Question {n} about pond and desk?\nText of {n}.\n" for n in range(1, 61))
    import_text(text, slug="many", publish=True)
    topic = Topic.objects.create(slug="late", name="Late")
    topic.questions.set(Question.objects.filter(number__gt=40))
    response = client.get("/questions/?q=pond")
    assert response.context["page"].paginator.count == 10 and "The 10 best answers" in words(response)
    late = numbers(client.get("/questions/?q=pond&topic=late"))
    assert len(late) == 10 and min(late) > 40
    assert len(numbers(client.get("/questions/?q=pond+desk+about"))) == 10
    assert numbers(client.get("/questions/?q=pond+17"))[0] == 17
    assert numbers(client.get("/questions/?q=17&topic=late")) == []


def test_a_search_needs_few_queries_however_much_there_is(library, client, django_assert_max_num_queries):
    with django_assert_max_num_queries(16) as few:
        client.get("/questions/?q=how+to+borrow+a+libary+book")
    more = "".join(f"{n}. More {n} books to borrow?\nText {n}.\n" for n in range(1, 12))
    import_text(more, slug="library-2", publish=True)
    with django_assert_max_num_queries(len(few)):
        client.get("/questions/?q=how+to+borrow+a+libary+book")


def test_the_page_is_whole_in_spanish_too(town, client):
    response = client.get("/es/questions/", {"q": "bycicle"})
    text = words(response)
    assert "Se muestran resultados de bicycle ." in text and "Showing" not in text
    page = shape(response.content)
    assert page.xpath("//ol[@class='questions']/li/a/@lang") == ["en"]
    assert page.xpath("//ol[@class='questions']/li/a/@href")[0].startswith("/es/answers/town/1/")


# Any input

ODD = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="\"-*()'^:%_\\ \0ab&|!<>~", max_size=40),
    st.lists(
        st.sampled_from(
            ["bicycle", "pond", '"', "-", "-pond", '"front desk"', "AND", "NEAR(", "title:", "*", "''", "día", "日本",
             "ﬁsh", "\0", "🚲", "libary", "the", "-\"", "“", "ş", "İ", "½", "a" * 300]
        ), max_size=12,
    ).map(" ".join),
)  # fmt: skip


@settings(
    max_examples=int(os.environ.get("FUZZ", "60")), deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(text=ODD)
def test_any_input_gives_an_answer(town, client, text):
    """Few here; ``FUZZ=10000 pytest -k any_input`` tries many."""
    response = client.get("/questions/", {"q": text})
    assert response.status_code == 200 and not response.cookies
    html = response.content.decode()
    assert html.count("<mark>") == html.count("</mark>") and "<script" not in html
    find(text, as_typed=True)


@pytest.mark.parametrize("half", ["tuned", "untouched"])
def test_the_search_stays_as_good_as_it_was(db, half):
    """A floor below what is measured (see `make relevance`), so that a change which makes it worse is noticed."""
    seed = Path(__file__).resolve().parents[2] / "seeds" / "wyoming-courts-ice"
    about = manifest.parse(seed.with_suffix(".toml").read_bytes())
    import_text(seed.with_suffix(".txt").read_text(), about, "ice", publish=True)
    figures = measure(queries(half), lambda words: find(words)[:10])
    assert figures["success@3"] >= 0.93 and figures["MRR"] >= 0.86
