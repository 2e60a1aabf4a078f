"""Prints what a question with many editions costs: `editions COLLECTION NUMBER COUNT …`, for each count of editions the
milliseconds of its page and of its history, and the history's bytes."""

import json
import sys
import time
from statistics import median

import django

django.setup()

from django.test import Client  # noqa: E402

from ops.bench.inside import editing  # noqa: E402

collection, number = sys.argv[1], int(sys.argv[2])
editor, publisher = editing.people()
client = Client(headers={"host": "127.0.0.1"})


def view(address):
    took = []
    for _ in range(5):
        began = time.perf_counter()
        response = client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        assert response.status_code == 200, response.status_code
    return median(took), len(response.content)


made, found = 1, []
for count in map(int, sys.argv[3:]):
    while made < count:
        made += 1
        editing.edit(editing.find(collection, number), f"The words of edition {made} of this answer.", editor)
        editing.publish(editing.find(collection, number), publisher)
    question = editing.find(collection, number)
    page, _ = view(question.get_absolute_url())
    history, size = view(question.get_history_url())
    found.append({"editions": count, "page ms": round(page, 3), "history ms": round(history, 3), "history bytes": size})
print(json.dumps(found))
