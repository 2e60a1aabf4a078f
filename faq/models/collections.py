"""Collections of questions, and topics across collections."""

from django.db import models
from django.urls import reverse

from .natural import NaturalKey, NaturalManager


class Collection(NaturalKey):
    """One numbered set of questions for one jurisdiction and language. One seed file fills one collection."""

    NATURAL_KEY = ["slug"]

    slug = models.SlugField(unique=True, help_text="Part of the address of every question. Cannot be changed later.")
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True, help_text="One or two sentences for readers: what this is about.")
    jurisdiction = models.CharField(max_length=200, blank=True, help_text="Where the answers apply, in words.")
    language = models.CharField(max_length=35, default="en", help_text="Language code of the text, such as en or es.")
    origin = models.TextField(blank=True, help_text="Where the text comes from, and how far it can be trusted.")
    # Changed texts that wait for a second person; never public. See `faq.workflow.collection_texts`.
    # Signatures of people whose texts of the collection no second person has published yet.
    written_by = models.JSONField(default=list, blank=True, editable=False, serialize=False)
    proposed = models.JSONField(null=True, blank=True, editable=False, serialize=False)

    objects = NaturalManager()

    class Meta:
        ordering = ["title", "slug"]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("collection", args=[self.slug])


class Topic(NaturalKey):
    """A subject across collections. Editors curate and order topics; tags are free keywords."""

    NATURAL_KEY = ["slug"]

    slug = models.SlugField(unique=True, help_text="Part of the topic's address. Cannot be changed later.")
    name = models.CharField(max_length=100)
    description = models.TextField(blank=True, help_text="One plain sentence: what a reader finds here.")
    position = models.PositiveIntegerField(default=0, help_text="Topics are listed by this number, lowest first.")
    public_since = models.DateTimeField(null=True, blank=True, editable=False)  # set once by `faq.workflow.topics`

    objects = NaturalManager()

    class Meta:
        ordering = ["position", "name"]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("topic", args=[self.slug])


class RetiredTopic(models.Model):
    """A deleted topic that was public. Its address answers that it was deleted."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=100)
    retired_at = models.DateTimeField()

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("topic", args=[self.slug])
