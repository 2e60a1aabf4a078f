"""Prints the milliseconds of a list page's queries: of the one that reads what is shown ("page"), of those that count
("counts"), and of all others, which say what can be chosen ("choices").

Each query that the page makes is made again, on its own, and read to its end."""

import json
import sys
import time
from statistics import median

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

TIMES = 5
queries = []


def note(execute, sql, parameters, many, context):
    queries.append((sql, parameters))
    return execute(sql, parameters, many, context)


def again(sql, parameters):
    took = []
    for _ in range(TIMES):
        began = time.perf_counter()
        with connection.cursor() as cursor:
            cursor.execute(sql, parameters)
            cursor.fetchall()
        took.append((time.perf_counter() - began) * 1000)
        if took[0] > 1000:
            break
    return median(took)


client = Client(headers={"host": "127.0.0.1"})
client.get(sys.argv[1])
with connection.execute_wrapper(note):
    response = client.get(sys.argv[1])
assert response.status_code == 200, response.status_code
sums = {"page": 0.0, "counts": 0.0, "choices": 0.0}
for sql, parameters in queries:
    if sql.startswith("SELECT"):
        counting = "counts" if "COUNT(" in sql else "choices"
        kind = "page" if '"faq_edition"."content"' in sql else counting
        sums[kind] += again(sql, parameters)
assert sums["page"], "No query reads what the page shows."
print(json.dumps({name: round(total, 4) for name, total in sums.items()} | {"queries": len(queries)}))
