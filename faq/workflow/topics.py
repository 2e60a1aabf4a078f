"""Topics that became public keep their addresses: also without any public answer, and after they are deleted."""

from django.db.models.signals import m2m_changed, post_save, pre_delete, pre_save
from django.dispatch import receiver
from django.utils import timezone

from faq.models import Question, RetiredTopic, Topic


def note_public(questions):
    """Set `public_since` of topics that these questions (keys) make public now: those of the public ones among them."""
    public = Question.objects.public().filter(pk__in=list(questions))
    found = Topic.objects.filter(public_since=None, questions__in=public)
    # One by one and in order: two transactions that wait for each other would be in a circle.
    for key in sorted(set(found.values_list("pk", flat=True))):
        Topic.objects.filter(pk=key, public_since=None).update(public_since=timezone.now())


@receiver(m2m_changed, sender=Question.topics.through, dispatch_uid="faq.workflow.topics.put")
def _put(instance, action, reverse, pk_set, **kwargs):
    if action == "post_add":
        note_public(pk_set if reverse else [instance.pk])


@receiver(post_save, sender=Question, dispatch_uid="faq.workflow.topics.loaded")
def _loaded(instance, raw, **kwargs):
    """A fixture sets `live` without publishing, after it put the topics on the question."""
    if raw and instance.live_id:
        note_public([instance.pk])


@receiver(pre_save, sender=Topic, dispatch_uid="faq.workflow.topics.kept")
def _kept(instance, **kwargs):
    """A row that was read earlier, or that comes from a fixture, does not take the day away."""
    if instance.pk and instance.public_since is None:
        stored = Topic.objects.filter(pk=instance.pk).values_list("public_since", flat=True)
        instance.public_since = stored.first()


@receiver(pre_delete, sender=Topic, dispatch_uid="faq.workflow.topics.retired")
def _retired(instance, **kwargs):
    if Topic.objects.filter(pk=instance.pk, public_since__isnull=False).exists():
        facts = {"name": instance.name, "retired_at": timezone.now()}
        RetiredTopic.objects.update_or_create(slug=instance.slug, defaults=facts)
