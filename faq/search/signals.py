"""Keeps the index in line with what changes beside publishing: tags, topics, fixtures, deleted rows.

Signals, since these changes come from many places: forms of the admin, taggit's own verbs, `loaddata`, a shell."""

from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.dispatch import receiver
from taggit.models import Tag

from faq.models import Question, QuestionTag, Topic

from . import indexing


@receiver(post_save, sender=Question, dispatch_uid="faq.search.question")
def _question(instance, raw, **kwargs):
    """A fixture sets `live` without publishing. (It is loaded in two passes; in the first the edition is not there.)"""
    if raw and instance.live_id:
        indexing.index_ids([instance.pk])


@receiver([post_save, post_delete], sender=QuestionTag, dispatch_uid="faq.search.tagged")
def _tagged(instance, **kwargs):
    indexing.index_ids([instance.content_object_id])


@receiver(m2m_changed, sender=QuestionTag, dispatch_uid="faq.search.tags")
def _tags(instance, action, pk_set, **kwargs):
    """Taggit's own verbs write many rows at once, and tell of it also where there was nothing to write."""
    if action.startswith("post_") and pk_set != set():
        indexing.index_ids([instance.pk])


@receiver(m2m_changed, sender=Question.topics.through, dispatch_uid="faq.search.topics")
def _topics(instance, action, reverse, pk_set, **kwargs):
    if not reverse:
        if action.startswith("post_"):
            indexing.index_ids([instance.pk])
    elif action == "pre_clear":
        instance._cleared = list(instance.questions.values_list("pk", flat=True))
    elif action.startswith("post_"):
        indexing.index_ids(pk_set if pk_set is not None else instance._cleared)


@receiver(post_save, sender=Tag, dispatch_uid="faq.search.tag")
def _tag(instance, created, **kwargs):
    if not created:
        indexing.index_ids(QuestionTag.objects.filter(tag=instance).values("content_object"))


@receiver(post_save, sender=Topic, dispatch_uid="faq.search.topic")
def _topic(instance, created, **kwargs):
    if not created:
        indexing.index_ids(instance.questions.values("pk"))


@receiver(pre_delete, sender=Topic, dispatch_uid="faq.search.topic_goes")
def _topic_goes(instance, **kwargs):
    instance._of = list(instance.questions.values_list("pk", flat=True))


@receiver(post_delete, sender=Topic, dispatch_uid="faq.search.topic_went")
def _topic_went(instance, **kwargs):
    indexing.index_ids(instance._of)
