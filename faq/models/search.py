"""What search looks at, and what editors learn from it.

`SearchText`, `SearchWord` and `SearchKey` are derived from what is public and can be rebuilt at any time (see
`faq.search.indexing`). The databases' own full-text indexes hang on `SearchText` and follow it by themselves."""

from django.core.exceptions import ValidationError
from django.db import models

from .editions import Edition
from .questions import Question

MAX_LETTERS = 40


class SearchText(models.Model):
    """The words of one question's live edition by their stems, in the fields that count differently."""

    question = models.OneToOneField(Question, models.CASCADE, primary_key=True, related_name="search_text")
    edition = models.ForeignKey(Edition, models.CASCADE, related_name="+")
    title = models.TextField()
    short = models.TextField()  # the short answer
    labels = models.TextField()
    found_by = models.TextField()  # tags, and topics with what is said of them
    points = models.TextField()  # a line for each
    words = models.TextField()  # all of them once, folded but not stemmed: what `SearchWord` counts

    def __str__(self):
        return self.title[:80]


class SearchWord(models.Model):
    """In how many indexed questions a word stands, as the sum over all rows for it.

    Rows are only ever added, one for each word that came (1) or went (-1), so that two people who publish at once never
    wait for each other. A row whose word is empty counts the questions themselves. `rebuild_search` sums them up."""

    word = models.CharField(max_length=MAX_LETTERS)
    stem = models.CharField(max_length=MAX_LETTERS)
    questions = models.IntegerField()
    firsts = models.IntegerField()  # without the second and third form of a stem: summed, the questions with the stem

    class Meta:
        # By name and not by `db_index`, which on PostgreSQL makes a second index for LIKE.
        indexes = [models.Index(fields=["stem"], name="search_word_stem")]

    def __str__(self):
        return f"{self.word}: {self.questions}"


class SearchKey(models.Model):
    """Where a word is found that somebody mistyped (see `faq.search.typos`)."""

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
    """What readers say for what the answers say: vocabulary, and no claim about anything."""

    words = models.CharField(
        max_length=80,
        help_text="What readers type, such as “jail hold”. With a star at the end, every word that begins so: deport*",
    )
    means = models.CharField(
        max_length=200, help_text="Words that the answers use for it, with commas between them: detainer, custody"
    )
    key = models.CharField(max_length=200, unique=True, editable=False)  # `words` by their stems

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
        from faq.search import synonyms  # the package reads these models

        return synonyms.key_of(self.words)


class MissedSearch(models.Model):
    """Words that found nothing on one day. Nothing about who searched; deleted after 90 days."""

    words = models.CharField(max_length=100, editable=False)
    day = models.DateField(db_index=True, editable=False)
    count = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        ordering = ["-day", "-count", "words"]
        verbose_name_plural = "missed searches"
        constraints = [models.UniqueConstraint(fields=["words", "day"], name="missed_search_once_a_day")]

    def __str__(self):
        return self.words
