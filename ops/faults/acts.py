"""What is killed: acts on a site's data, each in a process of its own (`python -m ops.faults.acts`, see `kills`).

Reads one request a line, ``{"act": NAME, …}``, forks, prints the process id, and when that has ended its status. The
fork saves the second that a start takes; nothing is connected before it."""

import contextlib
import hashlib
import io
import json
import os
import sys
import traceback
from pathlib import Path

OLD = "0003_findings"
"""The first state of the data that all later versions must take over."""
QUESTIONS = 60


def import_seed(tell, file):
    from django.core.management import call_command

    call_command("import_seed", file, publish=True, stdout=io.StringIO(), stderr=io.StringIO())


def publish(tell):
    """Save and publish one question after the other; each of the two is a step."""
    from django.contrib.auth.models import User

    from faq import publishing, working_copy
    from faq.models import Question

    editor, publisher = User.objects.get(username="editor"), User.objects.get(username="publisher")
    for question in Question.objects.in_order():
        save(question, editor, working_copy)
        tell()
        publishing.publish(question, by=publisher, note="Other words.")
        tell()


def save(question, editor, working_copy):
    from django.db import transaction

    with transaction.atomic():
        question.points.filter(position=1).update(text=f"Other words for question {question.number}.")
        working_copy.refresh(question, editor)


def restore(tell, file):
    from django.core.management import call_command

    call_command("restore_backup", file, yes=True, stdout=io.StringIO())


def migrate(tell):
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


def migrate_to_old(tell):
    """An empty database as the first version had it, filled with that version's models."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor
    from django.utils import timezone

    from faq import content as contents

    call_command("migrate", "faq", OLD, verbosity=0)
    apps = MigrationExecutor(connection).loader.project_state([("faq", OLD)]).apps
    Collection, Question, Point, Edition = (
        apps.get_model("faq", name) for name in ("Collection", "Question", "AnswerPoint", "Edition")
    )
    library = Collection.objects.create(slug="library", title="Library", jurisdiction="Springfield", language="en")
    now = timezone.now()
    for number in range(1, QUESTIONS + 1):
        text, answer = f"May I borrow {number} books?", f"Yes, {number} books, with a library card."
        question = Question.objects.create(collection=library, number=number, text=text, last_key=1)
        Point.objects.create(question=question, key=1, position=1, text=answer)
        block = {"key": 1, "kind": "paragraph", "ordinal": None, "depth": 0, "label": "", "text": answer,
                 "citations": []}  # fmt: skip
        content = {"question": text, "short_answer": "", "jurisdiction": "Springfield", "language": "en",
                   "blocks": [block]}  # fmt: skip
        question.digest = contents.digest(content)
        question.live = Edition.objects.create(
            question=question, number=1, content=content, digest=question.digest, change_note="First.", published_at=now
        )
        question.save()


def make_backup(tell, file):
    from faq import backups

    backups.make(file)


def look(tell, file):
    """Write what is there, and every promise that is broken, to `file`."""
    from django.test import Client

    from faq import log
    from faq.models import Question
    from faq.search import rebuilding

    broken = [*log.verify().problems, *rebuilding.drift()]
    public = Question.objects.public().select_related("collection").first()
    for address in ["/", "/questions/?q=books", *([public.get_absolute_url()] if public else [])]:
        response = Client(raise_request_exception=False).get(address, headers={"host": "localhost"})
        if response.status_code != 200:
            broken.append(f"{address} answers {response.status_code}")
    Path(file).write_text(json.dumps({"shape": shape(), "broken": broken}))


def count(tell, file):
    """Write how many rows there are, whatever version the tables are of."""
    from django.db import connection

    rows = {}
    with connection.cursor() as cursor:
        for table in ("faq_collection", "faq_question", "faq_answerpoint", "faq_edition"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            rows[table] = cursor.fetchone()[0]
    Path(file).write_text(json.dumps(rows))


def ask(tell, code, file):
    """Run `code`, and write what it prints to `file`."""
    with Path(file).open("w") as out, contextlib.redirect_stdout(out):
        exec(code, {})


def shape():
    """A hash over everything that is kept, but for times and what follows from them."""
    from faq.models import AnswerPoint, Edition, Event, Question, SearchText

    questions = Question.objects.in_order()
    facts = [
        list(questions.values_list(
            "collection__slug", "number", "text", "short_answer", "state", "live__number", "digest", "imported",
            "contributors", "review",
        )),
        list(questions.values_list("number", "topics__slug").order_by("collection__slug", "number", "topics__slug")),
        list(questions.values_list("number", "tags__slug").order_by("collection__slug", "number", "tags__slug")),
        list(AnswerPoint.objects.order_by("question__collection__slug", "question__number", "position").values_list(
            "question__number", "key", "kind", "label", "text",
        )),
        list(Edition.objects.order_by("question__collection__slug", "question__number", "number").values_list(
            "question__number", "number", "digest", "change_note", "second_check",
        )),
        list(Event.objects.order_by("number").values_list("number", "act", "collection", "question")),
        list(SearchText.objects.order_by("question__collection__slug", "question__number").values_list(
            "question__number", "edition__number", "title", "points",
        )),
    ]  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


ACTS = {
    act.__name__: act for act in (import_seed, publish, restore, migrate, migrate_to_old, make_backup, look, count, ask)
}


def main():
    os.environ["DJANGO_SETTINGS_MODULE"] = "kb_site.settings"
    import django

    django.setup()
    from django.conf import settings
    from django.urls import get_resolver

    _ = get_resolver().url_patterns  # what the first request would read
    settings.ALLOWED_HOSTS = ["localhost"]
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _act(**request)
        print(pid, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _act(act, steps, shapes=False, **arguments):
    """Each step that is done is a line in the file `steps`: of the shape of the data then, if asked for."""
    os.setsid()
    status = 1
    with contextlib.suppress(BaseException), Path(steps).open("a", buffering=1) as file:
        try:
            ACTS[act](lambda: file.write(f"{shape() if shapes else '.'}\n"), **arguments)
            status = 0
        except BaseException:
            traceback.print_exc()
    os._exit(status)


if __name__ == "__main__":
    main()
