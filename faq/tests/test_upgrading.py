"""A database that was filled by an earlier version comes through every later migration, and back again."""

import json
from contextlib import contextmanager
from pathlib import Path

from faq.tests.installations import installation

ROOT = Path(__file__).resolve().parents[2]
FIRST = "0001_initial"

# With the models as they were: a public answer as it stands, one that was changed, one withdrawn, and a draft.
FILL = """
import json
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
executor = MigrationExecutor(connection)
apps = executor.loader.project_state([("faq", "0001_initial")]).apps
model = lambda name: apps.get_model("faq", name)
from faq import content as contents
library = model("Collection").objects.create(slug="library", title="Library", jurisdiction="Springfield", language="en")
now = timezone.now()
for number in (1, 2, 3, 4):
    facts = {"collection": library, "number": number, "text": f"Question {number}?", "last_key": 1}
    question = model("Question").objects.create(**facts)
    model("AnswerPoint").objects.create(question=question, key=1, position=1, text="Yes.")
    block = {"key": 1, "kind": "paragraph", "ordinal": None, "depth": 0, "label": "", "text": "Yes.", "citations": []}
    content = {"question": question.text, "short_answer": "", "jurisdiction": "Springfield", "language": "en",
               "blocks": [block]}
    question.digest = contents.digest(content)
    if number < 4:
        edition = model("Edition").objects.create(question=question, number=1, content=content, digest=question.digest,
                                                  change_note="First.", published_at=now)
        question.live = edition
    if number == 2:
        question.digest = "of something else"
    if number == 3:
        question.live, question.withdrawn_at, question.withdrawn_because = None, now, "Wrong."
    question.save()
for slug, number in (("first", 1), ("third", 3), ("fourth", 4)):
    model("Topic").objects.create(slug=slug, name=slug).questions.add(model("Question").objects.get(number=number))
"""
ASK = """
import json
from faq import log
from faq.models import Question
rows = Question.objects.order_by("number").values_list("number", "state", "unsourced", "review", "contributors")
print(json.dumps([[list(row) for row in rows], log.verify().problems]))
from django.test import Client
print(Client().get("/questions/?q=question", headers={"Host": "localhost"}).content.decode().count('<li value='))
for slug in ("first", "third", "fourth"):
    print(Client().get(f"/topics/{slug}/", headers={"Host": "localhost"}).status_code)
"""


# One migration at a time: on, back, and on again, and each time all that was there before is there still.
WALK = """
import json
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
loader = MigrationLoader(connection)
names = [name for app, name in loader.graph.forwards_plan(loader.graph.leaf_nodes("faq")[0]) if app == "faq"]
# By what names them for people: keys of rows may change.
of = "FROM faq_question q JOIN faq_collection c ON c.id = q.collection_id"
kept = [
    "q.text, q.digest, withdrawn_because, e.number " + of + " LEFT JOIN faq_edition e ON e.id = live_id",
    "key, position, kind, depth, label, p.text " + of + " JOIN faq_answerpoint p ON question_id = q.id",
    "e.number, content, e.digest, published_at " + of + " JOIN faq_edition e ON question_id = q.id",
    "c.title, jurisdiction, language " + of,
]
def rows():
    found = []
    with connection.cursor() as cursor:
        for statement in kept:
            cursor.execute("SELECT c.slug, q.number, " + statement + " ORDER BY 1, 2, 3")
            found.append([str(row) for row in cursor.fetchall()])
    return found
before = rows()
assert all(before)
def to(name):
    call_command("migrate", "faq", name, verbosity=0)
    now = rows()
    assert now == before, (name, now)
walked = []
for previous, name in zip(names, names[1:]):
    for target in (name, previous, name):
        to(target)
    walked.append(name)
print(json.dumps(walked))
"""
# Back to the first version from the newest, with what only newer versions know in it.
ACT = """
from datetime import date
from django.contrib.auth.models import User
from django.utils import timezone
from faq import publishing, reporting, working_copy
from faq.models import Citation, Question, Source, Report, SiteText
person = User.objects.create_superuser("sam", password="not used here")
row = Question.objects.get(number=1)
source = Source.objects.create(key="rules", title="Rules", written_by=[])
Citation.objects.create(point=row.points.first(), source=source, consulted=date(2026, 1, 1))
working_copy.refresh(row, person)
reporting.store(Question.objects.get(number=1).live, None, "Is it so?")
SiteText.objects.create(name="who", text="We.")
"""


@contextmanager
def earlier(tmp_path):
    """Runs commands on a scratch database of the first version, with data in it."""
    with installation(tmp_path) as site:
        site.manage("migrate", "faq", FIRST, "-v0")
        site.manage("migrate", "auth", "-v0")  # Django's own were whole then, and not only what ours depend on
        site.manage("shell", "-v0", "-c", FILL)
        site.manage("collectstatic", "--no-input", "-v0")
        yield site.manage


def test_what_the_first_version_wrote_is_taken_over(tmp_path):
    with earlier(tmp_path) as manage:
        manage("migrate", "-v0")
        told, found, *topics = manage("shell", "-v0", "-c", ASK).strip().splitlines()
        assert topics == ["200", "200", "404"]  # as before: a topic on a question that was ever public has a page
        rows, problems = json.loads(told)
        assert rows == [
            [1, "public", 1, "", []], [2, "changed", 1, "", []], [3, "withdrawn", 1, "", []], [4, "draft", 1, "", []]
        ]  # fmt: skip
        assert problems == [] and int(found) == 2
        assert "3 editions came with a fixture, or are older than the log." in manage("verify_log")


def test_each_migration_can_be_applied_and_taken_back_with_data_there(tmp_path):
    with earlier(tmp_path) as manage:
        walked = json.loads(manage("shell", "-v0", "-c", WALK))
        files = sorted(path.stem for path in (ROOT / "faq" / "migrations").glob("0*.py"))
        assert [FIRST, *walked] == files
        manage("migrate", "-v0")
        assert json.loads(manage("shell", "-v0", "-c", ASK).splitlines()[0])[1] == []


def test_the_newest_version_can_be_taken_back_to_the_first_and_on_again(tmp_path):
    """What only newer versions know (sources, reports, the log) goes with its tables; what both know stays."""
    with earlier(tmp_path) as manage:
        manage("migrate", "-v0")
        manage("shell", "-v0", "-c", ACT)
        question = "SELECT text, digest FROM faq_question ORDER BY id"
        ask = f"from django.db import connection as c; x = c.cursor(); x.execute('{question}'); print(x.fetchall())"
        before = manage("shell", "-v0", "-c", ask)
        manage("migrate", "faq", FIRST, "-v0")
        assert manage("shell", "-v0", "-c", ask) == before
        manage("migrate", "-v0")
        assert manage("shell", "-v0", "-c", ask) == before
        assert json.loads(manage("shell", "-v0", "-c", ASK).splitlines()[0])[1] == []
