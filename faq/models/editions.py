"""What the public saw: sealed editions, and people's checks of them."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.expressions import Col
from django.urls import reverse

from faq.answers import content as contents

from .natural import NaturalKey, NaturalManager


class Sealed(ValidationError):
    """Somebody tried to change or delete what the public was shown."""


SEALED = "An edition is a record of what the public was shown, so it is never changed or deleted. Publish a new one."


class ContentField(models.JSONField):
    """A `faq.answers.content.Content`, stored as JSON."""

    def deconstruct(self):
        """As a plain JSONField, so that migrations import none of this code."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value, expression, connection):
        value = super().from_db_value(value, expression, connection)
        # A path into the JSON and other expressions give plain values.
        return contents.from_dict(value) if isinstance(value, dict) and isinstance(expression, Col) else value

    def to_python(self, value):
        return contents.from_dict(value) if isinstance(value, dict) else value

    def get_db_prep_value(self, value, connection, prepared=False):
        value = contents.as_dict(value) if isinstance(value, contents.Content) else value
        return super().get_db_prep_value(value, connection, prepared)

    def value_to_string(self, obj):
        return contents.as_dict(self.value_from_object(obj))


class EditionQuerySet(models.QuerySet):
    def news(self):
        """What is worth a notice: editions that changed the meaning of an answer which is public now, newest first."""
        return (
            self.filter(meaning_changed=True, question__live__isnull=False)
            .select_related("question__collection", "question__live")
            .order_by("-id")
        )

    def update(self, **values):
        raise Sealed(SEALED)

    def delete(self):
        raise Sealed(SEALED)

    def bulk_update(self, *args, **kwargs):
        raise Sealed(SEALED)


class Edition(NaturalKey):
    """A sealed, numbered record of exactly what the public was shown. The database refuses to change it, too."""

    NATURAL_KEY = ["question__collection__slug", "question__number", "number"]

    question = models.ForeignKey("faq.Question", models.PROTECT, related_name="editions", editable=False)
    number = models.PositiveIntegerField(editable=False)
    content = ContentField(editable=False)
    digest = models.CharField(max_length=64, editable=False)  # SHA-256 of the content
    change_note = models.TextField(editable=False)
    meaning_changed = models.BooleanField(default=True, editable=False)
    imported = models.BooleanField(default=False, editable=False)  # sealed by an import: no person has read it
    contributors = models.JSONField(default=list, editable=False)  # signatures, see `log.signature`
    approved_by = models.JSONField(null=True, editable=False)  # a signature
    second_check = models.BooleanField(default=False, editable=False)  # the approver had not contributed
    published_at = models.DateTimeField(editable=False, db_index=True)

    objects = NaturalManager.from_queryset(EditionQuerySet)()

    class Meta:
        ordering = ["question_id", "number"]
        constraints = [
            models.UniqueConstraint(fields=["question", "number"], name="edition_number_once_in_question"),
            models.CheckConstraint(condition=Q(number__gte=1), name="edition_number_from_1"),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(meaning_changed=True), name="edition_news")]

    def __str__(self):
        return f"Edition {self.number} of question {self.question.number}"

    def save(self, *args, **kwargs):
        if not self._state.adding:
            raise Sealed(SEALED)
        super().save(*args, **kwargs, force_insert=True)

    def delete(self, *args, **kwargs):
        raise Sealed(SEALED)

    def get_absolute_url(self):
        return reverse("edition", args=[self.question.collection.slug, self.question.number, self.number])

    def had_part(self, user):
        """Whether this person wrote something of it, or approved it."""
        return any(signature["id"] == user.pk for signature in [*self.contributors, self.approved_by] if signature)

    @property
    def outline(self):
        return contents.outline(self.content.blocks)

    @property
    def sources(self):
        return contents.sources(self.content.blocks)

    @property
    def names_a_source(self):
        return any(contents.citations(self.content.blocks))

    @property
    def excerpt(self):
        return contents.excerpt(self.content)


class Check(NaturalKey):
    """A person's act: “I compared this answer with its sources today and it still holds.”"""

    NATURAL_KEY = ["edition__question__collection__slug", "edition__question__number", "edition__number", "number"]

    edition = models.ForeignKey(Edition, models.PROTECT, related_name="checks")
    number = models.PositiveIntegerField()
    by = models.JSONField()  # a signature, see `log.signature`
    on = models.DateField()
    comment = models.TextField(blank=True)

    objects = NaturalManager()

    class Meta:
        ordering = ["edition_id", "number"]
        constraints = [models.UniqueConstraint(fields=["edition", "number"], name="check_number_once_in_edition")]

    def __str__(self):
        return f"{self.edition} checked on {self.on}"
