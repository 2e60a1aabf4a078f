"""Prints the milliseconds of a list page's queries, apart for those that count and those of the page itself.

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
sums = {"counts": 0.0, "page": 0.0}
for sql, parameters in queries:
    if sql.startswith("SELECT"):
        counting = "COUNT(" in sql.upper() or "count" in sql.partition(" FROM ")[2].partition(" ")[0]
        sums["counts" if counting else "page"] += again(sql, parameters)
print(json.dumps({name: round(total, 4) for name, total in sums.items()} | {"queries": len(queries)}))
