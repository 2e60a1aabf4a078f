"""Source documents, and the citations that link answer points to them."""

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.db import models
from django.db.models import Q
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from faq.answers import content as contents
from faq.answers import seedfile

from .natural import NaturalKey, NaturalManager

WEB_ADDRESS = URLValidator(schemes=["http", "https"])
KEY_LENGTH = 80


class SourceQuerySet(models.QuerySet):
    def unreachable(self):
        """Sources whose address failed at the last visit."""
        return self.filter(fails_since__isnull=False)


class Source(NaturalKey):
    """A document. Each document is registered once; citations link points to it."""

    NATURAL_KEY = ["key"]

    class Kind(models.TextChoices):
        LAW = "law", _("law")
        RULE = "rule", _("rule or regulation")
        DECISION = "decision", _("court decision")
        OFFICIAL = "official", _("official page or notice")
        FORM = "form", _("official form")
        REPORT = "report", _("report or study")
        NEWS = "news", _("news")
        OTHER = "other", _("other document")

    key = models.SlugField(
        unique=True, max_length=KEY_LENGTH, editable=False
    )  # generated from the title, never changed
    title = models.CharField(max_length=300, help_text="As the document itself is called.")
    publisher = models.CharField(max_length=200, blank=True, help_text="Who issued it.")
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.OFFICIAL)
    address = models.CharField(
        max_length=500,
        blank=True,
        validators=[WEB_ADDRESS],
        help_text="Where readers find it, such as https://… May be empty.",
    )
    archived = models.CharField(
        "archived address",
        max_length=500,
        blank=True,
        validators=[WEB_ADDRESS],
        help_text="A lasting copy in a web archive.",
    )

    written_by = models.JSONField(default=list, editable=False)  # signatures of the authors of this description
    # Set by `faq.operations.link_checker`, never in a form.
    visited_at = models.DateTimeField(null=True, blank=True, editable=False)
    fails_since = models.DateTimeField(null=True, blank=True, editable=False)
    failure = models.CharField(max_length=200, blank=True, editable=False)

    objects = NaturalManager.from_queryset(SourceQuerySet)()

    class Meta:
        ordering = ["title", "key"]
        constraints = [models.CheckConstraint(condition=~Q(title=""), name="source_has_title")]

    def __str__(self):
        return f"{self.title} ({self.publisher})" if self.publisher else self.title

    def clean(self):
        self.title, self.publisher = contents.one_line(self.title), contents.one_line(self.publisher)
        texts = {"title": self.title, "publisher": self.publisher, "address": self.address, "archived": self.archived}
        errors = {name: problem for name, text in texts.items() if text and (problem := _problem(text))}
        if errors:
            raise ValidationError(errors)
        same = Source.objects.filter(title=self.title, publisher=self.publisher, address=self.address)
        if same.exclude(pk=self.pk).exists():
            raise ValidationError("This source is registered already. Use that one, so that it is mended in one place.")

    def save(self, *args, **kwargs):
        if not self.key:
            self.key = _unused_key(slugify(self.title)[: KEY_LENGTH - 8].strip("-") or "source")
        super().save(*args, **kwargs)

    def as_content(self):
        """Return the copy of this row that an edition stores, which later changes of the row do not affect."""
        return contents.Source(self.key, self.title, self.publisher, self.kind, self.address, self.archived)


class Citation(NaturalKey):
    """A link from a point to a source: the place in it, the quotation, and the date on which an editor read it."""

    NATURAL_KEY = ["point__question__collection__slug", "point__question__number", "point__key", "source__key", "place"]

    point = models.ForeignKey("faq.AnswerPoint", models.CASCADE, related_name="citations")
    source = models.ForeignKey(Source, models.PROTECT, related_name="citations")
    place = models.CharField(
        "where in it", max_length=100, blank=True, help_text="Section, paragraph or page, such as § 5(b) or p. 12."
    )
    quotation = models.TextField(blank=True, max_length=1000, help_text="The words that the point rests on.")
    consulted = models.DateField("consulted on", help_text="The day on which you looked at the document.")

    objects = NaturalManager()

    class Meta:
        ordering = ["point", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["point", "source", "place"],
                name="citation_once_on_point",
                violation_error_message="This point names the same place of the same source already.",
            )
        ]

    def __str__(self):
        return f"{self.source}, {self.place}" if self.place else str(self.source)

    def clean(self):
        self.place, self.quotation = contents.one_line(self.place), contents.one_line(self.quotation)
        texts = {"place": self.place, "quotation": self.quotation}
        errors = {name: problem for name, text in texts.items() if text and (problem := _problem(text))}
        if errors:
            raise ValidationError(errors)

    def as_content(self):
        return contents.Citation(self.source.as_content(), self.consulted.isoformat(), self.place, self.quotation)


def _problem(text):
    return seedfile.problem_with(text, seedfile.NUMBERED)


def _unused_key(base):
    taken = set(Source.objects.filter(key__startswith=base).values_list("key", flat=True))
    key, number = base, 2
    while key in taken:
        key, number = f"{base}-{number}", number + 1
    return key
