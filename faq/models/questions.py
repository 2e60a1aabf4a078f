"""Questions and answer points: the working copy, which editors change. The public reads editions."""

from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from taggit.managers import TaggableManager
from taggit.models import ItemBase, Tag

from faq.answers import content as contents
from faq.answers import seedfile

from .collections import Collection, Topic
from .natural import NaturalKey, NaturalManager

MAX_KEYWORD = 100


class QuestionQuerySet(models.QuerySet):
    def public(self):
        """Questions with a live edition: the only ones that the public may see. Show readers `live`, nothing else."""
        return self.filter(live__isnull=False)

    def withdrawn(self):
        """Questions that were public and are not any more."""
        return self.filter(withdrawn_at__isnull=False)

    def ever_public(self):
        """Questions that are or were public. For readers, other questions do not exist."""
        return self.filter(Q(live__isnull=False) | Q(withdrawn_at__isnull=False))

    def drafts(self):
        """Questions that were never public."""
        return self.filter(live__isnull=True, withdrawn_at__isnull=True)

    def changed(self):
        """Public questions whose working copy differs from the live edition."""
        return self.filter(state=Question.State.CHANGED)

    def submitted(self):
        """Questions that wait for a review."""
        return self.filter(review=Question.Review.SUBMITTED)

    def returned(self):
        """Questions that a publisher sent back."""
        return self.filter(review=Question.Review.RETURNED)

    @staticmethod
    def is_checked():
        """The condition for `checked`: the live edition has a check that is not overdue."""
        return Q(checked_on__isnull=False, check_due__gte=timezone.localdate())

    def checked(self):
        return self.filter(self.is_checked())

    def overdue(self):
        """Questions whose next check should have been done."""
        return self.filter(check_due__lt=timezone.localdate())

    def unchecked(self):
        """Questions whose live edition has no check (includes questions that are not public)."""
        return self.filter(checked_on__isnull=True)

    def in_order(self):
        """Sort by collection and number."""
        return self.order_by("collection_id", "number")

    def for_list(self):
        """Load only the columns that a list of public answers displays; the other ones are long."""
        columns = ["number", "checked_on", "check_due", "unconfirmed"]
        columns += [f"live__{name}" for name in ("content", "imported", "number", "digest", "published_at")]
        columns += [f"collection__{name}" for name in ("slug", "title", "description", "language")]
        return self.select_related("collection", "live").only(*columns).in_order()

    def for_detail(self):
        """Load the rows that the page of one answer displays."""
        return self.select_related("collection", "live")


def keyword_problem(name):
    """Return a sentence that says why `name` cannot be a keyword, or None."""
    if len(name) > MAX_KEYWORD:
        return f"The keyword “{name[:40]}…” is too long: {MAX_KEYWORD} characters fit."
    if not any(character.isalnum() for character in name):
        return f"The keyword “{name}” has no letter or digit, so nobody could find it."
    return seedfile.problem_with(name, seedfile.NUMBERED)


class Question(NaturalKey):
    """One question of a collection, with the working copy of its answer. Its number never changes."""

    NATURAL_KEY = ["collection__slug", "number"]

    class State(models.TextChoices):
        DRAFT = "draft", "Never public"
        CHANGED = "changed", "Changed, not published"
        PUBLIC = "public", "Public as it stands"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Review(models.TextChoices):
        NONE = "", "–"
        SUBMITTED = "submitted", "Waiting for review"
        RETURNED = "returned", "Sent back"

    class Interval(models.IntegerChoices):
        MONTH = 30, "every 30 days"
        QUARTER = 90, "every 90 days"
        HALF_YEAR = 180, "every 180 days"
        YEAR = 365, "every 365 days"

    collection = models.ForeignKey(Collection, models.PROTECT, related_name="questions")
    number = models.PositiveIntegerField(validators=[MinValueValidator(1), MaxValueValidator(seedfile.MAX_NUMBER)])
    text = models.CharField("question", max_length=seedfile.MAX_QUESTION)
    short_answer = models.TextField(
        blank=True, max_length=500, help_text="The answer in one or two plain sentences, shown first. May be empty."
    )
    topics = models.ManyToManyField(Topic, blank=True, related_name="questions")
    tags = TaggableManager(
        blank=True, through="QuestionTag", help_text="Free keywords with commas between them, in readers' own words."
    )
    related = models.ManyToManyField(
        "self",
        blank=True,
        symmetrical=False,
        help_text="Questions to read next. Without any, readers are shown others of the same topic.",
    )
    check_every = models.PositiveSmallIntegerField(
        choices=Interval, default=Interval.HALF_YEAR, help_text="How long a check against the sources holds."
    )

    # Set by `faq.workflow`, never in a form.
    last_key = models.PositiveIntegerField(default=0, editable=False)  # highest key of its points; keys are not reused
    digest = models.CharField(
        max_length=64, blank=True, editable=False
    )  # of the working copy, computed like `Edition.digest`
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT, editable=False)
    findings = models.PositiveIntegerField(default=0, editable=False)  # number of `faq.answers.wording` findings
    unsourced = models.PositiveIntegerField(default=0, editable=False)  # number of points without a citation
    contributors = models.JSONField(default=list, editable=False)  # signatures of authors of unpublished text
    review = models.CharField(max_length=10, choices=Review, default=Review.NONE, blank=True, editable=False)
    review_note = models.TextField(blank=True, editable=False)
    submitted_by = models.JSONField(null=True, blank=True, editable=False)  # a signature
    submitted_at = models.DateTimeField(null=True, blank=True, editable=False)
    imported = models.TextField(blank=True, editable=False)  # the text that an import last wrote
    seed_conflict = models.TextField(blank=True, editable=False)  # newer text of the seed file after a conflict
    seed_settled = models.TextField(blank=True, editable=False)  # text of the seed file that an editor rejected
    live = models.OneToOneField(
        "faq.Edition", models.PROTECT, null=True, blank=True, editable=False, related_name="live_for"
    )
    withdrawn_at = models.DateTimeField(null=True, blank=True, editable=False)
    withdrawn_because = models.TextField(blank=True, editable=False)
    unconfirmed = models.BooleanField(default=False, editable=False)  # `live` was published without a second check
    checked_on = models.DateField(null=True, blank=True, editable=False)  # date of the latest check of `live`
    check_due = models.DateField(null=True, blank=True, editable=False)

    objects = NaturalManager.from_queryset(QuestionQuerySet)()

    class Meta:
        ordering = ["collection_id", "number"]
        permissions = [
            ("publish_question", "Can approve, publish and withdraw answers"),
            ("override_second_check", "Can publish own words without a second person, marked as such"),
            ("check_question", "Can confirm answers against their sources"),
        ]
        # A fixture is loaded in two passes, in the first of which `live` is empty.
        constraints = [
            models.UniqueConstraint(fields=["collection", "number"], name="question_number_once_in_collection"),
            models.CheckConstraint(condition=Q(number__gte=1), name="question_number_from_1"),
            models.CheckConstraint(condition=~Q(text=""), name="question_has_words"),
            models.CheckConstraint(
                condition=Q(live__isnull=True) | Q(withdrawn_at__isnull=True), name="question_live_or_withdrawn"
            ),
            models.CheckConstraint(
                condition=Q(checked_on__isnull=True, check_due__isnull=True)
                | Q(checked_on__isnull=False, check_due__gte=F("checked_on")),
                name="question_checked_and_due_together",
            ),
            models.CheckConstraint(
                condition=Q(live__isnull=True) | Q(state__in=["changed", "public"]), name="question_state_fits"
            ),
        ]
        # Covering indexes for the order of lists and for the counts of the admin's start page.
        indexes = [
            models.Index(fields=["collection", "number"], condition=Q(live__isnull=False), name="question_public"),
            models.Index(fields=["state"], name="question_state"),
            models.Index(fields=["check_due"], condition=Q(check_due__isnull=False), name="question_check_due"),
            models.Index(fields=["review"], name="question_in_review"),
            models.Index(fields=["findings"], condition=Q(findings__gt=0), name="question_findings"),
            models.Index(fields=["unsourced"], condition=Q(unsourced__gt=0), name="question_unsourced"),
            models.Index(fields=["id"], condition=~Q(seed_conflict=""), name="question_seed_conflict"),
            models.Index(fields=["id"], condition=Q(unconfirmed=True), name="question_unconfirmed"),
            models.Index(
                fields=["collection", "number"],
                condition=Q(live__isnull=False, checked_on__isnull=True),
                name="question_unchecked",
            ),
            models.Index(
                fields=["collection", "number"],
                condition=Q(live__isnull=False, checked_on__isnull=False),
                name="question_checked",
            ),
        ]

    def __str__(self):
        return f"{self.number}. {self.text}"

    def clean(self):
        self.text = contents.one_line(self.text)
        self.short_answer = contents.one_line(self.short_answer)
        errors = {}
        if problem := seedfile.problem_with(self.text, seedfile.NUMBERED):
            errors["text"] = problem
        if self.short_answer and (problem := seedfile.problem_with(self.short_answer, seedfile.NUMBERED)):
            errors["short_answer"] = problem
        if errors:
            raise ValidationError(errors)

    def get_absolute_url(self):
        """The permanent address. Its slug comes from the public question, so a draft has none."""
        slug = contents.slug(self.live.content) if self.live else ""
        return reverse("question", args=[self.collection.slug, self.number, slug] if slug else self._url_args)

    def get_history_url(self):
        return reverse("history", args=self._url_args)

    @property
    def _url_args(self):
        return [self.collection.slug, self.number]

    def note_state(self):
        """Set `state`, without saving. Call this after a change of `digest`, `live` or `withdrawn_at`."""
        if self.live_id is None:
            self.state = self.State.WITHDRAWN if self.withdrawn_at else self.State.DRAFT
        else:
            self.state = self.State.PUBLIC if self.digest == self.live.digest else self.State.CHANGED

    @property
    def bulk_version(self):
        """A value that changes with everything that a bulk action shows or replaces."""
        review = [self.review, self.review_note, self.submitted_by, str(self.submitted_at)]
        return contents.digest_of([self.digest, self.live_id, self.check_every, review])

    @property
    def standing(self):
        """The status of the live edition for readers: "checked", "overdue", "imported" or "revised"."""
        if self.checked_on:
            return "overdue" if self.is_overdue else "checked"
        return "imported" if self.live.imported else "revised"

    @property
    def is_overdue(self):
        return self.check_due is not None and self.check_due < timezone.localdate()

    def confirm(self, day):
        """Set the dates of this check and the next one, without saving. Use `publishing.check` to record a check."""
        self.checked_on, self.check_due = day, day + timedelta(days=self.check_every)


class QuestionTag(ItemBase):
    """A tag on a question. Unlike taggit's generic table, it has a foreign key, and with it a natural key."""

    NATURAL_KEY = ["content_object__collection__slug", "content_object__number", "tag__name"]
    natural_key = NaturalKey.natural_key

    content_object = models.ForeignKey(Question, models.CASCADE, related_name="tagged")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="tagged")

    objects = NaturalManager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["content_object", "tag"], name="tag_once_on_question")]
        indexes = [models.Index(fields=["tag", "content_object"], name="question_of_tag")]

    def __str__(self):
        return f"{self.tag} on {self.content_object}"


class AnswerPoint(NaturalKey):
    """One block of the working copy's answer: a paragraph, a numbered point or a bullet."""

    NATURAL_KEY = ["question__collection__slug", "question__number", "key"]

    class Kind(models.TextChoices):
        PARAGRAPH = seedfile.PARAGRAPH, "Paragraph"
        NUMBERED = seedfile.NUMBERED, "Numbered point"
        BULLET = seedfile.BULLET, "Bullet"

    class Depth(models.IntegerChoices):
        TOP = 0, "no"
        NESTED = 1, "under the numbered point before it"

    class Numbering(models.TextChoices):
        AUTO = contents.AUTO, "automatic"
        RESTART = contents.RESTART, "start again at 1"
        CONTINUE = contents.CONTINUE, "continue the list before"

    question = models.ForeignKey(Question, models.CASCADE, related_name="points")
    key = models.PositiveIntegerField(editable=False)
    position = models.PositiveIntegerField(default=0)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PARAGRAPH)
    depth = models.PositiveSmallIntegerField("nested", choices=Depth, default=Depth.TOP)
    numbering = models.CharField(max_length=10, choices=Numbering, default=Numbering.AUTO, blank=True)
    label = models.CharField(
        max_length=60, blank=True, help_text="A few words in front of the text, shown in bold: “Label: text”."
    )
    text = models.TextField(blank=True, max_length=seedfile.MAX_LINE)

    objects = NaturalManager()

    class Meta:
        ordering = ["position", "id"]
        constraints = [
            models.UniqueConstraint(fields=["question", "key"], name="point_key_once_in_question"),
            models.CheckConstraint(condition=Q(depth=0) | Q(depth=1, kind="bullet"), name="point_only_bullets_nest"),
            models.CheckConstraint(condition=Q(kind__in=["paragraph", "numbered", "bullet"]), name="point_kind_known"),
            models.CheckConstraint(condition=~Q(label="", text=""), name="point_has_words"),
        ]

    def __str__(self):
        return seedfile.join_label(self.label, self.text)[:80]

    def save(self, *args, **kwargs):
        if not self.key:
            # Increment in the database, so that simultaneous editors do not get the same key.
            Question.objects.filter(pk=self.question_id).update(last_key=F("last_key") + 1)
            self.key = Question.objects.values_list("last_key", flat=True).get(pk=self.question_id)
            self.question.last_key = self.key
        super().save(*args, **kwargs)

    def clean(self):
        self.label = contents.one_line(self.label).removesuffix(":").rstrip()
        self.text = contents.one_line(self.text)
        if not self.label:
            self.label, self.text = seedfile.split_label(self.text)
        elif seedfile.split_label(seedfile.join_label(self.label, self.text)) != (self.label, self.text):
            raise ValidationError({"label": "A label is a few words without a full stop, colon or number at its end."})
        if problem := seedfile.problem_with(seedfile.join_label(self.label, self.text), self.kind):
            raise ValidationError({"text": problem})
        if self.depth and self.kind != self.Kind.BULLET:
            raise ValidationError({"depth": "Only a bullet can be nested. Make it a bullet, or choose “no”."})
        if self.kind != self.Kind.NUMBERED:
            self.numbering = self.Numbering.AUTO


class Note(NaturalKey):
    """A remark for editors about errors in the seed text, imported from the manifest. Never public."""

    NATURAL_KEY = ["collection__slug", "text"]

    collection = models.ForeignKey(Collection, models.CASCADE, related_name="notes")
    questions = models.ManyToManyField(Question, related_name="notes")
    kind = models.CharField(max_length=30)
    text = models.TextField()
    settled = models.BooleanField(default=False, help_text="Tick when the answers no longer deserve this remark.")

    objects = NaturalManager()

    class Meta:
        ordering = ["collection", "id"]
        constraints = [models.UniqueConstraint(fields=["collection", "text"], name="note_once_in_collection")]

    def __str__(self):
        return f"{self.kind}: {self.text[:80]}"
