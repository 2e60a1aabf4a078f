"""Texts of the site that editors write."""

from django.db import models

from .natural import NaturalKey, NaturalManager


class SiteText(NaturalKey):
    """One text of the site in one language, with markup (see `faq.answers.markup`)."""

    NATURAL_KEY = ["name", "language"]

    class Name(models.TextChoices):
        HELP = "help", "Where to get help (below every answer)"
        WHO = "who", "Who runs this site (on the page About)"
        CONTACT = "contact", "How to reach us (on the pages About and Accessibility)"

    name = models.CharField(max_length=20, choices=Name)
    language = models.CharField(max_length=10, default="en", help_text="Language code of this text, such as en or es.")
    text = models.TextField(
        max_length=5000,
        help_text="Empty lines part paragraphs; *emphasis*, **strong**, [words](https://address), - lists.",
    )

    objects = NaturalManager()

    class Meta:
        ordering = ["name", "language"]
        constraints = [models.UniqueConstraint(fields=["name", "language"], name="site_text_once_in_language")]

    def __str__(self):
        return f"{self.get_name_display()}, {self.language}"
