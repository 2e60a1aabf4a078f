"""The sitemap of all public pages, split into several files if it is long."""

from django.contrib.sitemaps import Sitemap, views
from django.db.models import Exists, OuterRef
from django.urls import reverse

from faq.models import Collection, Edition, Question, Topic

LIMIT = 2000
"""Addresses in one sitemap."""


class Answers(Sitemap):
    limit = LIMIT

    def items(self):
        columns = ("number", "collection__slug", "live__content", "live__published_at")
        return Question.objects.public().for_list().only(*columns)

    def lastmod(self, question):
        return question.live.published_at

    def get_latest_lastmod(self):
        """Return the time of the newest edition without reading all items."""
        return Edition.objects.order_by("-published_at").values_list("published_at", flat=True).first()


class _Groups(Sitemap):
    limit = LIMIT

    def items(self):
        return self.model.objects.filter(Exists(self.public)).order_by("slug")


class Topics(_Groups):
    model = Topic
    public = Question.objects.public().filter(topics=OuterRef("pk"))


class Collections(_Groups):
    model = Collection
    public = Question.objects.public().filter(collection=OuterRef("pk"))


class Pages(Sitemap):
    def items(self):
        return ["home", "question_list", "changes", "about", "accessibility"]

    def location(self, name):
        return reverse(name)


SITEMAPS = {"pages": Pages, "answers": Answers, "topics": Topics, "collections": Collections}


def sitemap(request, section=None):
    """The sitemap, or an index of sitemaps if a section has more than `LIMIT` addresses."""
    if section is None and any(group().paginator.num_pages > 1 for group in SITEMAPS.values()):
        return views.index(request, SITEMAPS, sitemap_url_name="sitemap_section")
    return views.sitemap(request, SITEMAPS, section)
