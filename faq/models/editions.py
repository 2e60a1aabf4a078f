"""Sealed editions, which are the public records of answers, and the checks of editions."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.expressions import Col
from django.urls import reverse

from faq.answers import content as contents

from .natural import NaturalKey, NaturalManager


class Sealed(ValidationError):
    """An edition cannot be changed or deleted."""


SEALED = "An edition is a record of what the public was shown, so it is never changed or deleted. Publish a new one."


class ContentField(models.JSONField):
    """Stores a `faq.answers.content.Content` as JSON."""

    def deconstruct(self):
        """Deconstruct as a `JSONField`, so that migrations do not import this class."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value, expression, connection):
        value = super().from_db_value(value, expression, connection)
        # Expressions other than the column itself, such as a key transform, return plain values.
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
        """Editions that changed the meaning of an answer that is public now, newest first."""
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
    """A numbered record of the public content of an answer. The model and database triggers refuse changes."""

    NATURAL_KEY = ["question__collection__slug", "question__number", "number"]

    question = models.ForeignKey("faq.Question", models.PROTECT, related_name="editions", editable=False)
    number = models.PositiveIntegerField(editable=False)
    content = ContentField(editable=False)
    digest = models.CharField(max_length=64, editable=False)  # SHA-256 of the content
    change_note = models.TextField(editable=False)
    meaning_changed = models.BooleanField(default=True, editable=False)
    imported = models.BooleanField(default=False, editable=False)  # published by an import without a review
    contributors = models.JSONField(default=list, editable=False)  # signatures, see `faq.workflow.audit.signature`
    approved_by = models.JSONField(null=True, editable=False)  # a signature
    second_check = models.BooleanField(default=False, editable=False)  # the approver is not a contributor
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
        """Whether the user contributed to this edition or approved it."""
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
    """A person's statement that an edition agrees with its sources on a date."""

    NATURAL_KEY = ["edition__question__collection__slug", "edition__question__number", "edition__number", "number"]

    edition = models.ForeignKey(Edition, models.PROTECT, related_name="checks")
    number = models.PositiveIntegerField()
    by = models.JSONField()  # a signature
    on = models.DateField()
    comment = models.TextField(blank=True)

    objects = NaturalManager()

    class Meta:
        ordering = ["edition_id", "number"]
        constraints = [models.UniqueConstraint(fields=["edition", "number"], name="check_number_once_in_edition")]

    def __str__(self):
        return f"{self.edition} checked on {self.on}"
