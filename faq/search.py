"""Search over what is public: folding of words, the index of live editions, and matching."""

import unicodedata

from django.db.models import Exists, OuterRef, Q
from django.db.models.signals import post_save
from django.dispatch import receiver

from . import content as contents
from .models import Question, QuestionTag, SearchText, Topic

MAX_TERMS = 20


def fold(text):
    """Lower case, without accents, with straight quotes and single spaces, so that what looks the same is the same."""
    text = unicodedata.normalize("NFKD", text.replace("’", "'").replace("‘", "'"))
    text = "".join(character for character in text if not unicodedata.combining(character))
    return " ".join(text.replace("\0", " ").casefold().split())


def index(questions):
    """Bring the index in line with the live editions of `questions` (rows with `live` at hand)."""
    live = [question for question in questions if question.live_id]
    SearchText.objects.filter(question__in=[question.pk for question in questions if not question.live_id]).delete()
    SearchText.objects.bulk_create(
        [SearchText(question=question, words=fold(contents.plain(question.live.content))) for question in live],
        update_conflicts=True,
        unique_fields=["question"],
        update_fields=["words"],
    )


def matching(queryset, query):
    """The questions of `queryset` in whose live edition, topics or tags every word of `query` stands."""
    for term in fold(query).split()[:MAX_TERMS]:
        tags = QuestionTag.objects.filter(content_object=OuterRef("pk"), tag__name__icontains=term)
        topics = Topic.objects.filter(questions=OuterRef("pk"), name__icontains=term)
        queryset = queryset.filter(Q(search_text__words__contains=term) | Exists(tags) | Exists(topics))
    return queryset


@receiver(post_save, sender=Question, dispatch_uid="faq.search.index_loaded")
def _index_loaded(instance, raw, using, **kwargs):
    """A fixture sets `live` without publishing. (It is loaded in two passes; in the first the edition is not there.)"""
    if raw and instance.live_id:
        index([Question.objects.using(using).select_related("live").get(pk=instance.pk)])
