"""Edits and publishes as people do: one writes, another approves. For the programs beside it."""

from django.contrib.auth.models import User

from faq import publishing, working_copy
from faq.models import Question


def people():
    """An editor and a publisher, made where they are missing."""
    made = [User.objects.get_or_create(username=f"bench-{name}", defaults={"first_name": name}) for name in ("a", "b")]
    return [user for user, _ in made]


def find(collection, number):
    return Question.objects.select_related("collection", "live").get(collection__slug=collection, number=number)


def edit(question, text, by):
    """Change the first point's words in the working copy."""
    point = question.points.first()
    point.text = text
    point.save()
    working_copy.refresh(question, by)


def publish(question, by):
    return publishing.publish(question, by=by, note="Changed for a measurement.")
