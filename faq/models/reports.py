"""Reports of readers about wrong or unclear text."""

from django.db import models
from django.urls import reverse


class Report(models.Model):
    """A reader's report about one edition or one of its points. It stores no data about the reader."""

    class State(models.TextChoices):
        NEW = "new", "new"
        IN_WORK = "in_work", "in work"
        ANSWERED = "answered", "answered by an edition"
        CLOSED = "closed", "closed without a change"

    edition = models.ForeignKey("faq.Edition", models.PROTECT, related_name="reports", editable=False)
    point = models.PositiveIntegerField(null=True, blank=True, editable=False)  # a block's key
    text = models.TextField(blank=True, editable=False)  # emptied after 90 days
    received_at = models.DateTimeField(auto_now_add=True, db_index=True)
    receipt = models.CharField(max_length=32, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State, default=State.NEW)
    answered_by = models.ForeignKey(
        "faq.Edition",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="answers",
        help_text="The edition that settled it. The reader's receipt links to it.",
    )

    class Meta:
        ordering = ["-received_at"]

    def __str__(self):
        return f"Report of {self.received_at:%Y-%m-%d} on {self.edition}"

    def get_absolute_url(self):
        return reverse("receipt", args=[self.receipt])
