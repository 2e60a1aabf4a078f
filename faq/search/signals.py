"""Update the index when tags and topics change, and when a fixture is loaded.

These are signal receivers, because the changes come from many places: the admin, taggit, `loaddata` and a shell."""

from django.db.models.signals import m2m_changed, post_delete, post_save, pre_delete
from django.dispatch import receiver
from taggit.models import Tag

from faq.models import Question, QuestionTag, Topic

from . import indexing


@receiver(post_save, sender=Question, dispatch_uid="faq.search.question")
def _index_loaded_question(instance, raw, **kwargs):
    """A fixture sets `live` without `publishing`. (`loaddata` saves a question twice: first without its edition.)"""
    if raw and instance.live_id:
        indexing.index_ids([instance.pk])


@receiver([post_save, post_delete], sender=QuestionTag, dispatch_uid="faq.search.tagged")
def _index_tagged_question(instance, **kwargs):
    indexing.index_ids([instance.content_object_id])


@receiver(m2m_changed, sender=QuestionTag, dispatch_uid="faq.search.tags")
def _index_changed_tags(instance, action, pk_set, **kwargs):
    """Taggit's methods write several rows at once, and send the signal even if there was nothing to write."""
    if action.startswith("post_") and pk_set != set():
        indexing.index_ids([instance.pk])


@receiver(m2m_changed, sender=Question.topics.through, dispatch_uid="faq.search.topics")
def _index_changed_topics(instance, action, reverse, pk_set, **kwargs):
    if not reverse:
        if action.startswith("post_"):
            indexing.index_ids([instance.pk])
    elif action == "pre_clear":
        instance._question_ids = list(instance.questions.values_list("pk", flat=True))
    elif action.startswith("post_"):
        indexing.index_ids(pk_set if pk_set is not None else instance._question_ids)


@receiver(post_save, sender=Tag, dispatch_uid="faq.search.tag")
def _index_renamed_tag(instance, created, **kwargs):
    if not created:
        indexing.index_ids(QuestionTag.objects.filter(tag=instance).values("content_object"))


@receiver(post_save, sender=Topic, dispatch_uid="faq.search.topic")
def _index_renamed_topic(instance, created, **kwargs):
    if not created:
        indexing.index_ids(instance.questions.values("pk"))


@receiver(pre_delete, sender=Topic, dispatch_uid="faq.search.topic_goes")
def _remember_questions(instance, **kwargs):
    instance._question_ids = list(instance.questions.values_list("pk", flat=True))


@receiver(post_delete, sender=Topic, dispatch_uid="faq.search.topic_went")
def _index_deleted_topic(instance, **kwargs):
    indexing.index_ids(instance._question_ids)
