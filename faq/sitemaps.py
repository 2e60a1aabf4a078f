"""The sitemap: what is public, and when it last changed."""

from django.contrib.sitemaps import Sitemap
from django.db.models import Max
from django.urls import reverse

from .models import Collection, Question, Topic


class Answers(Sitemap):
    def items(self):
        return Question.objects.public().for_list()

    def lastmod(self, question):
        return question.live.published_at


class _Groups(Sitemap):
    model = None

    def items(self):
        public = self.model.objects.filter(questions__in=Question.objects.public())
        return public.annotate(changed=Max("questions__live__published_at")).order_by("slug")

    def lastmod(self, group):
        return group.changed


class Topics(_Groups):
    model = Topic


class Collections(_Groups):
    model = Collection


class Pages(Sitemap):
    def items(self):
        return ["home", "question_list", "changes", "about", "accessibility"]

    def location(self, name):
        return reverse(name)


SITEMAPS = {"pages": Pages, "answers": Answers, "topics": Topics, "collections": Collections}
