"""Every public address there is, for tests that walk all of them."""

from django.urls import reverse

from faq.models import Question, RetiredTopic, Topic

MACHINES = ["feed", "sitemap", "robots", "alive"]


def public_addresses():
    """Everything that the public can ask for: all pages, and what machines read."""
    yield from html_addresses()
    yield from (reverse(name) for name in MACHINES)


def html_addresses():
    """Addresses of all kinds of public page, for everything in the database that is public or was."""
    yield from (reverse(name) for name in ("home", "question_list", "changes", "about", "accessibility"))
    for topic in [*Topic.objects.filter(public_since__isnull=False), *RetiredTopic.objects.all()]:
        yield topic.get_absolute_url()
    known = Question.objects.public() | Question.objects.withdrawn()
    for slug in known.values_list("collection__slug", flat=True).distinct().order_by("collection__slug"):
        yield reverse("collection", args=[slug])
    for question in known.select_related("collection", "live"):
        yield question.get_absolute_url()
        yield question.get_history_url()
        for edition in question.editions.all():
            yield edition.get_absolute_url()
