"""A database that was filled by an earlier version comes through all later migrations."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# With the models as they were: a public answer as it stands, one that was changed, one withdrawn, and a draft.
FILL = """
import json
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
executor = MigrationExecutor(connection)
apps = executor.loader.project_state([("faq", "0003_findings")]).apps
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
"""
ASK = """
import json
from faq import log
from faq.models import Question
rows = Question.objects.order_by("number").values_list("number", "state", "unsourced", "review", "contributors")
print(json.dumps([[list(row) for row in rows], log.verify().problems]))
from django.test import Client
print(Client().get("/questions/?q=question", headers={"Host": "localhost"}).content.decode().count('<li value='))
"""


@pytest.mark.commands
def test_what_an_earlier_version_wrote_is_taken_over(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "DATABASE_"))}
    environment["VAR_DIR"] = str(tmp_path)

    def manage(*arguments):
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    manage("migrate", "faq", "0003_findings", "-v0")
    manage("shell", "-v0", "-c", FILL)
    manage("migrate", "-v0")
    manage("collectstatic", "--no-input", "-v0")
    told, found = manage("shell", "-v0", "-c", ASK).strip().splitlines()
    rows, problems = json.loads(told)
    assert rows == [
        [1, "public", 1, "", []], [2, "changed", 1, "", []], [3, "withdrawn", 1, "", []], [4, "draft", 1, "", []]
    ]  # fmt: skip
    assert problems == [] and int(found) == 2
    assert "3 editions came with a fixture, or are older than the log." in manage("verify_log")
