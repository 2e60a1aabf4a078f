"""The append-only audit log, and the presence of editors on editing pages."""

from django.core.exceptions import ValidationError
from django.db import models

APPEND_ONLY = "The log is append-only: its entries are never changed or deleted."


class EventQuerySet(models.QuerySet):
    def of(self, question):
        """Entries about one question, newest first."""
        return self.filter(collection=question.collection.slug, question=question.number).order_by("-number")

    def of_collection(self, collection):
        """Entries about the texts of a collection, newest first."""
        return self.filter(collection=collection.slug, question__isnull=True).order_by("-number")

    def update(self, **values):
        raise ValidationError(APPEND_ONLY)

    def delete(self):
        raise ValidationError(APPEND_ONLY)

    def bulk_update(self, *args, **kwargs):
        raise ValidationError(APPEND_ONLY)


class Event(models.Model):
    """One log entry. Only `faq.workflow.audit` creates entries.

    An entry stores people and questions as values without foreign keys, so that it outlives both."""

    class Act(models.TextChoices):
        IMPORTED = "imported", "imported"
        SAVED = "saved", "saved"
        SUBMITTED = "submitted", "submitted for review"
        RETURNED = "returned", "sent back"
        PUBLISHED = "published", "published"
        WITHDRAWN = "withdrawn", "withdrawn"
        RESTORED = "restored", "restored an earlier edition"
        DISCARDED = "discarded", "discarded changes"
        CHECKED = "checked", "checked"
        SETTLED = "settled", "settled a seed conflict"
        SHOWN = "shown", "made a link to the draft"
        LOADED = "loaded", "loaded from a fixture"
        # Entries about a collection have no question.
        COLLECTION_CHANGED = "changed", "changed texts of the collection"
        COLLECTION_PROPOSED = "proposed", "proposed texts of the collection"
        COLLECTION_CONFIRMED = "confirmed", "confirmed texts of the collection"
        COLLECTION_DECLINED = "declined", "declined texts of the collection"

    number = models.PositiveBigIntegerField(unique=True, editable=False)
    at = models.DateTimeField(editable=False)
    by = models.JSONField(null=True, editable=False)  # a signature; None for a command
    act = models.CharField(max_length=10, choices=Act, editable=False)
    collection = models.CharField(max_length=50, editable=False)  # its slug
    question = models.PositiveIntegerField(null=True, editable=False)  # its number; None for the collection itself
    details = models.JSONField(default=dict, editable=False)
    previous = models.CharField(max_length=64, editable=False)
    hash = models.CharField(max_length=64, editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        indexes = [models.Index(fields=["collection", "question", "number"], name="event_of_question")]

    def __str__(self):
        return f"{self.number}. {self.get_act_display()}: {self.collection} {self.question or ''}".rstrip()

    def save(self, *args, **kwargs):
        if not self._state.adding:
            raise ValidationError(APPEND_ONLY)
        super().save(*args, **kwargs, force_insert=True)

    def delete(self, *args, **kwargs):
        raise ValidationError(APPEND_ONLY)

    @property
    def what(self):
        """A short description of the act, such as “published (edition 2)”."""
        description = str(self.get_act_display())
        if edition := self.details.get("edition"):
            description += f" (edition {edition})"
        if changed := self.details.get("changed"):
            description += f": {', '.join(changed)}"
        return description

    @property
    def remark(self):
        """The note, reason, comment or outcome of the act, or an empty string."""
        names = ("note", "because", "comment", "outcome")
        return next((self.details[name] for name in names if self.details.get(name)), "")


class Presence(models.Model):
    """A user probably has the editing page of a question open. Other editors see a hint; nothing is locked."""

    question = models.ForeignKey("faq.Question", models.CASCADE, related_name="presences")
    user = models.ForeignKey("auth.User", models.CASCADE, related_name="+")
    since = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["question", "user"], name="presence_once_on_question")]

    def __str__(self):
        return f"{self.user} on {self.question_id}"
