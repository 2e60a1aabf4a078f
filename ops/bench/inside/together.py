"""One of many at once: `together ROLE COLLECTION NUMBER SECONDS RATE`. ROLE is writer or reader.

Says “ready” when it is, and begins at the time that it then is told: otherwise those that take long to start would
count as waiting.

A reader fetches what a question page shows. A writer edits and publishes the questions from NUMBER on. What the
database refuses is tried again until it is done, as a person would, or until the time is over. RATE is how many reads
or writes are due in a second, 0 for as many as there is time for. Prints what was done and what was refused, and how
long each took from when it was due: somebody who has to wait for the one before waits, too."""

import json
import sys
import time

import django

django.setup()

from django.db import DatabaseError  # noqa: E402

from faq.models import Edition, Question  # noqa: E402
from ops.bench.inside import editing  # noqa: E402

role, collection = sys.argv[1:3]
number, seconds, rate = int(sys.argv[3]), *map(float, sys.argv[4:6])
MINE = 5
AGAIN = 0.01  # seconds until somebody who was refused tries again
said = {"done": 0, "refused": 0, "took": [], "why": ""}


class Over(Exception):
    """The time is over."""


def read():
    question = Question.objects.public().for_detail().get(collection__slug=collection, number=number)
    return len(question.live.content["blocks"]) + len(question.topics.all()) + len(question.tags.all())


def write(turn):
    wanted = number + turn % MINE
    text = f"Words of turn {turn}, at {time.time()}."
    insist(lambda: editing.edit(editing.find(collection, wanted), text, editor))
    insist(lambda: editing.publish(editing.find(collection, wanted), publisher))


def insist(act):
    """Do it, again and again if need be."""
    while True:
        try:
            return act()
        except DatabaseError as error:
            said["refused"] += 1
            said["why"] = str(error)
            if time.time() > end:
                raise Over from error
            time.sleep(AGAIN)


def editions():
    mine = range(number, number + MINE)
    return Edition.objects.filter(question__collection__slug=collection, question__number__in=mine).count()


read()  # opens the connection
if role == "writer":
    editor, publisher = editing.people()
    before = editions()
print("ready", flush=True)
start, spent, turn = float(sys.stdin.readline()), time.process_time(), 0
end = start + seconds
while True:
    due = start + turn / rate if rate else max(start, time.time())
    if due >= end:
        break
    time.sleep(max(0, due - time.time()))
    turn += 1
    try:
        if role == "writer":
            write(turn)
        else:
            insist(read)
    except Over:
        break
    said["done"] += 1
    said["took"].append(round((time.time() - due) * 1000, 3))
said["cpu"] = round(time.process_time() - spent, 3)
if role == "writer":
    time.sleep(2)  # until all others have ended, so that nothing stands in the way of counting
    said["lost"] = said["done"] - (editions() - before)
print(json.dumps(said))
