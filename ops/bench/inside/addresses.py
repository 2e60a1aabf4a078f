"""Prints the addresses of questions: `addresses COLLECTION NUMBER …`."""

import json
import sys

import django

django.setup()

from faq.models import Question  # noqa: E402

wanted = Question.objects.public().for_detail().filter(collection__slug=sys.argv[1], number__in=sys.argv[2:])
print(json.dumps([question.get_absolute_url() for question in wanted.order_by("number")]))
