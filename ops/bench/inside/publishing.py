"""How long it takes to publish one answer: `publishing COLLECTION FIRST TIMES`.

Prints milliseconds of that, of a save() of the question, and of an editor's change of one point."""

import json
import sys
import time

import django

django.setup()

from ops.bench.inside import editing  # noqa: E402

collection, first, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
editor, publisher = editing.people()
took = {"publish": [], "save": [], "edit": []}
for turn in range(times + 2):
    number = first + turn % 5
    question = editing.find(collection, number)
    before = time.perf_counter()
    editing.edit(question, f"Words of turn {turn}, at {time.time()}.", editor)
    edited = time.perf_counter()
    question = editing.find(collection, number)
    began = time.perf_counter()
    question.save()
    saved = time.perf_counter()
    editing.publish(question, publisher)
    published = time.perf_counter()
    if turn >= 2:  # the first ones fill what is filled once
        took["edit"].append((edited - before) * 1000)
        took["save"].append((saved - began) * 1000)
        took["publish"].append((published - saved) * 1000)
print(json.dumps(took))
