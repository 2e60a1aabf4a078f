"""What search looks at."""

from django.db import models

from .questions import Question


class SearchText(models.Model):
    """The words of one question's live edition, folded (see `faq.search`). Derived; can be rebuilt at any time."""

    question = models.OneToOneField(Question, models.CASCADE, primary_key=True, related_name="search_text")
    words = models.TextField()

    def __str__(self):
        return self.words[:80]
