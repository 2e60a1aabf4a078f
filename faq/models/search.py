"""The search index, synonyms, and searches without results.

`SearchText`, `SearchWord` and `SearchKey` are derived from public content; `manage.py rebuild_search` rebuilds them.
The full-text index of the database is built on `SearchText` and updates itself."""

from django.core.exceptions import ValidationError
from django.db import models

from .editions import Edition
from .questions import Question

MAX_LETTERS = 40


class SearchText(models.Model):
    """The stemmed words of a question's live edition, in one field for each weight."""

    question = models.OneToOneField(Question, models.CASCADE, primary_key=True, related_name="search_text")
    edition = models.ForeignKey(Edition, models.CASCADE, related_name="+")
    title = models.TextField()
    short = models.TextField()  # the short answer
    labels = models.TextField()
    found_by = models.TextField()  # tags, and names and descriptions of topics
    points = models.TextField()  # one point per line
    words = models.TextField()  # the distinct words, normalized but not stemmed, that `SearchWord` counts

    def __str__(self):
        return self.title[:80]


class SearchWord(models.Model):
    """The number of indexed questions that contain a word: the sum of `questions` over all rows of the word.

    Publishing inserts rows (1 for an added word, -1 for a removed one) and updates none, so that simultaneous
    publications do not block each other. The empty word counts all questions. `rebuild_search` merges the rows."""

    word = models.CharField(max_length=MAX_LETTERS)
    stem = models.CharField(max_length=MAX_LETTERS)
    questions = models.IntegerField()
    firsts = models.IntegerField()  # counts one form per question: their sum by stem is the questions with the stem

    class Meta:
        # Not `db_index`, which creates a second index for LIKE on PostgreSQL.
        indexes = [models.Index(fields=["stem"], name="search_word_stem")]

    def __str__(self):
        return f"{self.word}: {self.questions}"


class SearchKey(models.Model):
    """A key with which the spelling correction finds a word (see `faq.search.typos`)."""

    key = models.CharField(max_length=MAX_LETTERS + 1)
    word = models.CharField(max_length=MAX_LETTERS)

    class Meta:
        indexes = [
            models.Index(fields=["key"], name="search_key_key"),
            models.Index(fields=["word"], name="search_key_word"),
        ]

    def __str__(self):
        return f"{self.key}: {self.word}"


class Synonym(models.Model):
    """Words of readers, and the words that the answers use instead."""

    words = models.CharField(
        max_length=80,
        help_text="What readers type, such as “jail hold”. With a star at the end, every word that begins so: deport*",
    )
    means = models.CharField(
        max_length=200, help_text="Words that the answers use for it, with commas between them: detainer, custody"
    )
    key = models.CharField(max_length=200, unique=True, editable=False)  # stems of `words`

    class Meta:
        ordering = ["words"]

    def __str__(self):
        return f"{self.words} → {self.means}"

    def save(self, *args, **kwargs):
        self.key = self._key()
        super().save(*args, **kwargs)

    def clean(self):
        if not (key := self._key()):
            raise ValidationError({"words": "There is no word in this."})
        if other := Synonym.objects.filter(key=key).exclude(pk=self.pk).first():
            raise ValidationError({"words": f"“{other.words}” is the same to the search. Add to that one."})

    def _key(self):
        from faq.search import synonyms  # imports these models

        return synonyms.key_of(self.words)


class MissedSearch(models.Model):
    """A search without results, counted by day and deleted after 90 days. It stores no data about the reader."""

    words = models.CharField(max_length=100, editable=False)
    day = models.DateField(db_index=True, editable=False)
    count = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        ordering = ["-day", "-count", "words"]
        verbose_name_plural = "missed searches"
        constraints = [models.UniqueConstraint(fields=["words", "day"], name="missed_search_once_a_day")]

    def __str__(self):
        return self.words
