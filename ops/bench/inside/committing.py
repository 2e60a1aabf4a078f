"""Publishes when it is told to: `committing COLLECTION`.

Prints an address; then, for each line on its standard input, the words that the page has had since the commit that has
just ended."""

import sys

import django

django.setup()

from ops.bench.inside import editing  # noqa: E402

editor, publisher = editing.people()
collection, number = sys.argv[1], 7
print(editing.find(collection, number).get_absolute_url(), flush=True)
for line in sys.stdin:
    words = f"These are words number {line.strip()} of them."
    editing.edit(editing.find(collection, number), words, editor)
    editing.publish(editing.find(collection, number), publisher)
    print(words, flush=True)
