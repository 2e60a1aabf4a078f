"""One of many at once: `together ROLE COLLECTION NUMBER START SECONDS`. ROLE is writer or reader; it begins at START.

A reader fetches what a question page shows, again and again. A writer edits and publishes the questions from NUMBER on,
at a pace that leaves time for readers, since it is locks that are compared and not how busy the processors are. Prints
what went well, what failed, and how long reads took."""

import json
import sys
import time

import django

django.setup()

from django.db import DatabaseError  # noqa: E402

from faq.models import Edition, Question  # noqa: E402
from ops.bench.inside import editing  # noqa: E402

role, collection = sys.argv[1:3]
number, start, seconds = int(sys.argv[3]), float(sys.argv[4]), float(sys.argv[5])
MINE = 5
PACE = 0.25  # seconds from one write to the next


def read():
    question = Question.objects.public().for_detail().get(collection__slug=collection, number=number)
    return len(question.live.content["blocks"]) + len(question.topics.all()) + len(question.tags.all())


def write(turn):
    wanted = number + turn % MINE
    editing.edit(editing.find(collection, wanted), f"Words of turn {turn}, at {time.time()}.", editor)
    editing.publish(editing.find(collection, wanted), publisher)


def editions():
    mine = range(number, number + MINE)
    return Edition.objects.filter(question__collection__slug=collection, question__number__in=mine).count()


if role == "writer":
    editor, publisher = editing.people()
    before = editions()
done, failed, took, why = 0, 0, [], ""
time.sleep(max(0, start - time.time()))
until, turn = start + seconds, 0
while time.time() < until:
    if role == "writer":
        time.sleep(max(0, start + turn * PACE - time.time()))
    turn += 1
    began = time.perf_counter()
    try:
        if role == "writer":
            write(turn)
        else:
            read()
        done += 1
    except DatabaseError as error:
        failed, why = failed + 1, str(error)
    took.append((time.perf_counter() - began) * 1000)
said = {"done": done, "failed": failed, "why": why, "took": [round(one, 3) for one in took]}
if role == "writer":
    time.sleep(1)  # until all others have ended, so that nothing stands in the way of counting
    said["lost"] = done - (editions() - before)
print(json.dumps(said))
