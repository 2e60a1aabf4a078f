"""Prints what the public sees of each question: for the peers, which show the same."""

import json

import django

django.setup()

from faq.models import Question  # noqa: E402

print(
    json.dumps(
        [
            {
                "number": question.number,
                "address": question.get_absolute_url(),
                "content": question.live.content,
                "tags": [tag.name for tag in question.tags.all()],
            }
            for question in Question.objects.public().for_detail().order_by("number")
        ]
    )
)
