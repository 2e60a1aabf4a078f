"""Prints how many queries each of these addresses costs at first view: `queries ADDRESS …`."""

import json
import sys

import django

django.setup()

from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402

client = Client(headers={"host": "127.0.0.1"})
counts = []
for address in sys.argv[1:]:
    client.get(address)  # what is read once for all pages
    seen = []

    def note(execute, sql, *more, seen=seen):
        seen.append(sql)
        return execute(sql, *more)

    with connection.execute_wrapper(note):
        assert client.get(address).status_code == 200
    counts.append(len(seen))
print(json.dumps(counts))
