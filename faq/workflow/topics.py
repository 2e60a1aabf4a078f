"""Keep the address of a topic that was public, also without public answers and after its deletion."""

from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone

from faq.models import Question, RetiredTopic, Topic


def note_public(questions):
    """Set `public_since` of topics that become public through the public ones of these questions (primary keys)."""
    public = Question.objects.public().filter(pk__in=list(questions))
    new = Topic.objects.filter(public_since=None, questions__in=public)
    # One row at a time in the order of keys, so that two transactions cannot deadlock.
    for key in sorted(set(new.values_list("pk", flat=True))):
        Topic.objects.filter(pk=key, public_since=None).update(public_since=timezone.now())


@receiver(m2m_changed, sender=Question.topics.through, dispatch_uid="faq.workflow.topics.put")
def _note_added_topics(instance, action, reverse, pk_set, **kwargs):
    if action == "post_add":
        note_public(pk_set if reverse else [instance.pk])


@receiver(post_save, sender=Question, dispatch_uid="faq.workflow.topics.loaded")
def _note_fixture(instance, raw, **kwargs):
    """A fixture sets `live` without `publishing`, after it has loaded the topics of the question."""
    if raw and instance.live_id:
        note_public([instance.pk])


@receiver(pre_save, sender=Topic, dispatch_uid="faq.workflow.topics.kept")
def _keep_public_since(instance, **kwargs):
    """Keep the stored date when a stale object or a fixture would overwrite it with None."""
    if instance.pk and instance.public_since is None:
        instance.public_since = Topic.objects.filter(pk=instance.pk).values_list("public_since", flat=True).first()


@receiver(pre_delete, sender=Topic, dispatch_uid="faq.workflow.topics.retired")
def _retire(instance, **kwargs):
    if Topic.objects.filter(pk=instance.pk, public_since__isnull=False).exists():
        values = {"name": instance.name, "retired_at": timezone.now()}
        RetiredTopic.objects.update_or_create(slug=instance.slug, defaults=values)
