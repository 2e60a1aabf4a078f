"""Prints the addresses of questions, in their order: `addresses COLLECTION.NUMBER …`."""

import json
import sys

import django

django.setup()

from faq.models import Question  # noqa: E402

numbers = {}
for place in sys.argv[1:]:
    slug, _, number = place.partition(".")
    numbers.setdefault(slug, []).append(int(number))
addresses = []
for slug, some in numbers.items():
    wanted = Question.objects.public().for_detail().filter(collection__slug=slug, number__in=some)
    addresses += [question.get_absolute_url() for question in wanted.order_by("number")]
print(json.dumps(addresses))
