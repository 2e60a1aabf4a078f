"""Exporting questions as a spreadsheet, and importing their topics and keywords."""

import csv
import io
import re
import tempfile
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from faq.models import Event, Topic
from faq.tests.conftest import logged_in, submit
from faq.tests.test_admin import page_of, question
from faq.workflow import working_copy

pytestmark = pytest.mark.django_db


COLUMNS = (
    "collection", "number", "question", "short_answer", "topics", "keywords", "labels_version", "state", "review",
    "edition", "published", "unconfirmed", "checked_on", "check_due", "check_every", "findings", "unsourced",
)  # fmt: skip


def exported(client):
    chosen = {f"deskresource_{name}": "on" for name in COLUMNS}
    response = client.post("/admin/faq/question/export/", {"format": "0", "resource": "0", **chosen})
    assert response["Content-Type"] == "text/csv", response.content.decode()[:2000]
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


def upload(client, text, name="desk.csv"):
    data = {"import_file": SimpleUploadedFile(name, text.encode()), "format": "0", "resource": "0"}
    return client.post("/admin/faq/question/import/", data)


def confirm(client, preview):
    form = preview.context["confirm_form"]
    return client.post("/admin/faq/question/process_import/", form.initial, follow=True)


def test_the_exported_spreadsheet_contains_no_formulas(library, editor):
    row = question()
    row.short_answer = "=HYPERLINK(1)"
    row.save()
    working_copy.refresh(row, editor)
    rows = exported(logged_in(editor))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert re.fullmatch("v[0-9a-f]{12}", rows[1]["labels_version"])
    assert rows[1] | {"published": "", "labels_version": ""} == {
        "collection": "library", "number": "2", "question": "How long may I keep a book?",
        "short_answer": "'=HYPERLINK(1)", "topics": "Visits", "keywords": "", "labels_version": "",
        "state": "Changed, not published",
        "review": "–", "public edition": "1", "published": "", "unconfirmed": "0", "checked_on": "", "check_due": "",
        "check_every": "180", "findings": "0", "unsourced": "1",
    }  # fmt: skip


def test_an_upload_is_stored_in_the_shared_cache(library, editor, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    client = logged_in(editor)
    preview = upload(client, "collection,number,keywords\nlibrary,3,señal")
    assert list(tmp_path.iterdir()) == []  # what is in its files is a node's own
    confirm(client, preview)
    assert list(question(3).tags.names()) == ["señal"]
    again = confirm(client, preview).content.decode()  # it is gone once it was used
    assert "Nothing was imported: the uploaded file has expired" in again and "Import finished" not in again


def test_topics_and_keywords_come_back_in_after_a_preview(library, editor):
    client = logged_in(editor)
    rows = ['library,1,Library cards; visits,"card, loan"', "library,3,Visits,bicycle"]
    preview = upload(client, "\ufeff" + "\n".join(["collection,number,topics,keywords", *rows]))
    html = preview.content.decode()
    assert "Update" in html and "Skipped" in html
    assert sorted(question(1).tags.names()) == ["card"]  # nothing yet
    confirm(client, preview)
    assert sorted(question(1).tags.names()) == ["card", "loan"]
    assert [topic.name for topic in question(1).topics.all()] == ["Library cards", "Visits"]
    last = Event.objects.of(question(1)).first()
    assert (last.act, last.by["name"], last.details) == (
        "saved",
        "Erin",
        {"changed": ["topics", "tags"], "tags": ["card", "loan"]},
    )
    assert Event.objects.of(question(3)).first().act == "published"


def written(rows):
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def test_an_exported_spreadsheet_imports_without_a_change(library, editor):
    client = logged_in(editor)
    html = upload(client, written(exported(client))).content.decode()
    assert html.count("Skipped") == 3 and "Update" not in html


def labels(number):
    row = question(number)
    return sorted(row.topics.values_list("name", flat=True)), sorted(row.tags.names())


def test_a_file_that_is_older_than_the_labels_on_the_desk_is_refused_with_both_versions(library, editor, publisher):
    client = logged_in(editor)
    rows = exported(client)
    rows[0]["keywords"] = "card, loan"
    submit(logged_in(publisher), page_of(question(2)), {"tags": "weeks"})
    response = upload(client, written(rows))
    assert not response.context.get("confirm_form")
    html = unescape(response.content.decode())
    assert "Another user changed the labels of question 2 after this file was exported." in html
    assert "In the file: topics “Visits”; keywords “”. Now in the database: topics “Visits”; keywords “weeks”." in html
    assert labels(1) == (["Library cards"], ["card"]) and labels(2) == (["Visits"], ["weeks"])
    rows[1] |= {"keywords": "weeks, loan", "labels_version": ""}  # replacing them is meant
    confirm(client, upload(client, written(rows)))
    assert labels(1) == (["Library cards"], ["card", "loan"]) and labels(2) == (["Visits"], ["loan", "weeks"])
    assert "Update" not in upload(client, written(rows)).content.decode()  # the labels are those of the file by now


@pytest.mark.parametrize("change", [{"tags": "roof"}, {"topics": []}], ids=["keywords", "topics"])
@pytest.mark.parametrize("columns", [["number", "collection", "keywords"], None], ids=["three columns", "exported"])
def test_labels_that_somebody_changes_after_the_preview_are_not_replaced(library, editor, publisher, change, columns):
    client = logged_in(editor)
    rows = [row | {"keywords": "loan"} for row in exported(client)]
    rows = [{name: row[name] for name in columns or row} for row in rows]
    preview = upload(client, written(rows))
    assert preview.content.decode().count("Update") == 3
    submit(logged_in(publisher), page_of(question(3)), change)
    before = labels(1), labels(2), labels(3)
    html = confirm(client, preview).content.decode()
    assert "Nothing was imported. Another user changed topics or keywords of these questions" in html
    assert "Import finished" not in html
    assert (labels(1), labels(2), labels(3)) == before
    html = confirm(client, upload(client, written([row for row in rows if row["number"] != "3"]))).content.decode()
    assert "2 updated" in html and labels(1)[1] == labels(2)[1] == ["loan"]


def test_a_confirmation_without_its_seen_field_is_refused(library, editor):
    client = logged_in(editor)
    preview = upload(client, "collection,number,keywords\nlibrary,3,loan")
    preview.context["confirm_form"].initial.pop("seen")
    assert "Nothing was imported." in confirm(client, preview).content.decode()
    assert labels(3)[1] == ["bicycle"]


def test_a_row_that_no_longer_fits_when_it_is_confirmed_stops_the_whole_file(library, editor):
    client = logged_in(editor)
    preview = upload(client, "collection,number,topics\nlibrary,1,Visits\nlibrary,3,Library cards")
    Topic.objects.filter(slug="cards").update(name="Cards")
    html = confirm(client, preview).content.decode()
    assert "Nothing was imported. There is no topic “Library cards”." in html and "Import finished" not in html
    assert labels(1)[0] == ["Cards"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n1;2\n", "Needed are collection, number, and topics or keywords"),
        ("collection,number\nlibrary,1\n", "Needed are collection, number, and topics or keywords"),
        (
            "collection,number,topics,tags,Notes\nlibrary,3,,bicycle,x\n",
            "unknown columns: “tags”, “Notes”. Remove them",
        ),
        ("collection,number,topics,\nlibrary,3,Visits,x\n", "unknown columns: (without a name)."),
        ("collection,number,topics,\nlibrary,9,,\n", "There is no question 9 in a collection “library”."),
        ("collection,number,topics\nlibrary,x,\n", "“x” is not the number of a question."),
        ("collection,number,topics\nlibrary,99999999999999999999,\n", "is not the number of a question."),
        (
            "collection,number,topics\nlibrary,1,Boats\n",
            "no topic “Boats”. Topics are: Library cards; Visits.",
        ),
        ("collection,number,keywords\nlibrary,1,?!\n", "has no letter or digit"),
        ("", ""),
    ],
)
def test_a_spreadsheet_that_does_not_fit_is_refused_with_the_reason(library, editor, text, message):
    response = upload(logged_in(editor), text)
    assert response.status_code == 200 and message in response.content.decode().replace("&#x27;", "'")
    assert not response.context.get("confirm_form")
