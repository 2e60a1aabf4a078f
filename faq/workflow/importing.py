"""Writes a parsed seed file into the working copies, in one transaction, and says what it did.

For each question three texts meet: the one that an import last wrote (`Question.imported`), the working copy, and the
file's. An import replaces only text that an import wrote. Otherwise the working copy stays, and a text that is new is
kept beside it for the editor to look at. A question that is no longer in the file stays as it is.
"""

import difflib
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice

from django.db import transaction
from django.db.models import Max
from taggit.models import Tag

from faq.answers import content as contents
from faq.answers import seedfile
from faq.models import AnswerPoint, Collection, Event, Note, Question, QuestionTag, Topic

from . import audit, publishing, working_copy

BATCH = 500
"""Questions that are held in memory at once."""

PAIRS_OF_POINTS, PAIRS_OF_WORDS, NEAR = 10_000, 4_000_000, 25
"""Bound the time for one answer. With more pairs of changed points, only points at most `NEAR` places apart are
compared; after so many pairs of words, the order of the words no longer counts."""

CREATED, UPDATED, UNCHANGED, KEPT, CONFLICT = "new", "updated", "unchanged", "kept as edited", "conflict kept as edited"


@dataclass
class Report:
    """What an import did: `outcomes` as (question's number, outcome), `published` and `held` as numbers.

    `held` were not published although that was asked for; `notices` are sentences about everything else."""

    collection: Collection
    outcomes: list = field(default_factory=list)
    published: list = field(default_factory=list)
    held: dict = field(default_factory=dict)
    notices: list = field(default_factory=list)

    def __str__(self):
        counts = Counter(outcome for _, outcome in self.outcomes)
        parts = [f"{counts[name]} {name}" for name in (CREATED, UPDATED, UNCHANGED, KEPT, CONFLICT) if counts[name]]
        total = len(self.outcomes)
        sentence = f"{total} question{'s' if total != 1 else ''}: {', '.join(parts)}."
        return f"{sentence} {len(self.published)} published." if self.published else sentence


@transaction.atomic
def import_document(document, manifest, slug, *, publish=False, dry_run=False, progress=iter):
    """Merge a `seedfile.Document` into the collection `slug` and return a `Report`.

    `manifest` fills what is new only: topics, tags and descriptions that exist belong to the editors. With `publish`,
    what is new or changed by the seed is sealed as imported and unchecked. A dry run does all of it and rolls back.
    `progress` wraps the iteration over questions."""
    collection, created = Collection.objects.get_or_create(
        slug=slug,
        defaults={
            name: getattr(manifest, name) for name in ("title", "description", "jurisdiction", "language", "origin")
        },
    )
    report = Report(collection)
    if not created:
        # Two imports at once would both see the same base; an editor who is saving comes before or after all of this.
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        len(collection.questions.order_by("pk").select_for_update(no_key=True).values_list("pk"))
        _notice_differences(
            collection, manifest, ("title", "description", "jurisdiction", "language", "origin"), report
        )
    labels = _Labels(manifest, report)
    questions = progress(iter(document.questions))
    while batch := list(islice(questions, BATCH)):
        _import_batch(batch, collection, labels, report, publish)
    _import_notes(manifest, collection)
    numbers = {question.number for question in document.questions}
    absent = [n for n in collection.questions.values_list("number", flat=True) if n not in numbers]
    if absent:
        report.notices.append(f"Not in the file, and left as they are: question {', '.join(map(str, absent))}.")
    if dry_run:
        transaction.set_rollback(True)
    return report


def merge(question, ours, theirs):
    """The three-way decision on one question's text, as one of the outcomes above. An import replaces nothing but the
    text that an import wrote; a text that an editor has looked at and put aside is no news."""
    if ours == theirs:
        return UNCHANGED
    if theirs in (question.imported, question.seed_settled):
        return KEPT
    return UPDATED if ours == question.imported else CONFLICT


def carry_keys(old, new):
    """Which of the old points each new text continues, so that links to a point keep their meaning.

    `old` is a list of (key, text), `new` a list of texts; returns for each new text a key or None. The same text keeps
    its key wherever it moved; a changed text takes the key of the one in whose place it stands, if they are alike."""
    keys = [None] * len(new)
    free = {}
    for key, text in old:
        free.setdefault(text, []).append(key)
    for place, text in enumerate(new):
        if free.get(text):
            keys[place] = free[text].pop(0)
    taken = set(keys)
    left_old = [(place, key, text.split()) for place, (key, text) in enumerate(old) if key not in taken]
    left_new = [(place, text.split()) for place, text in enumerate(new) if keys[place] is None]
    for _, key, place in sorted(_alike(left_old, left_new)):
        if key not in taken and keys[place] is None:
            keys[place] = key
            taken.add(key)
    return keys


def _alike(old, new):
    """Pairs of an old (place, key, words) and a new (place, words) that share half of their words, as (likeness, key,
    new place), the most alike with the lowest number."""
    near = len(old) * len(new) > PAIRS_OF_POINTS  # then only with those about the same place
    bags = [Counter(words) for _, _, words in old]
    budget = PAIRS_OF_WORDS
    for place, words in new:
        bag = Counter(words)
        for (before, key, old_words), old_bag in zip(old, bags, strict=True):
            total = len(words) + len(old_words)
            if (near and abs(before - place) > NEAR) or 4 * min(len(words), len(old_words)) < total:
                continue
            likeness = 2 * sum((bag & old_bag).values()) / total if total else 1.0  # whatever their order
            pairs = len(words) * len(old_words)
            if likeness >= 0.5 and pairs <= budget:
                budget -= pairs
                likeness = difflib.SequenceMatcher(None, old_words, words, autojunk=False).ratio()
            if likeness >= 0.5:
                yield -likeness, key, place


class _Labels:
    """The manifest's topics and tags as rows, made where they are missing, by question number."""

    def __init__(self, manifest, report):
        self.topics, self.tags = {}, {}
        position = Topic.objects.aggregate(last=Max("position"))["last"] or 0
        known = Topic.objects.in_bulk([entry.slug for entry in manifest.topics], field_name="slug")
        for place, entry in enumerate(manifest.topics, start=1):
            if topic := known.get(entry.slug):
                _notice_differences(topic, entry, ("name", "description"), report)
            else:
                topic = Topic.objects.create(
                    slug=entry.slug, name=entry.name, description=entry.description, position=position + place
                )
            for number in entry.questions:
                self.topics.setdefault(number, []).append(topic)
        known = Tag.objects.in_bulk([entry.name for entry in manifest.tags], field_name="name")
        for entry in manifest.tags:
            tag = (
                known.get(entry.name)
                or Tag.objects.filter(name__iexact=entry.name).first()
                or Tag.objects.create(name=entry.name)
            )
            for number in entry.questions:
                self.tags.setdefault(number, []).append(tag)

    def attach(self, questions):
        """Give new questions their topics and tags."""
        has_topic = Question.topics.through
        has_topic.objects.bulk_create(
            has_topic(question=question, topic=topic)
            for question in questions
            for topic in self.topics.get(question.number, [])
        )
        QuestionTag.objects.bulk_create(
            QuestionTag(content_object=question, tag=tag)
            for question in questions
            for tag in self.tags.get(question.number, [])
        )


def _import_batch(batch, collection, labels, report, publish):
    known = {
        question.number: question
        for question in collection.questions.filter(number__in=[parsed.number for parsed in batch])
        .select_related("live")
        .prefetch_related("points__citations__source")
    }
    new, written, touched = [], [], []
    for parsed in batch:
        question = known.get(parsed.number)
        theirs = seedfile.render_question(parsed)
        if question is None:
            outcome = CREATED
            question = Question(collection=collection, number=parsed.number)
            new.append(question)
        else:
            question.collection = collection
            ours = _as_text(question)
            outcome = merge(question, ours, theirs)
            touched.append(question)
        if outcome in (CREATED, UPDATED):
            question.text = parsed.text
            written.append((question, _points(question, parsed), theirs))
        question.seed_conflict = theirs if outcome == CONFLICT else ""
        report.outcomes.append((parsed.number, outcome))
        known[parsed.number] = question
    working = {}
    for question, points, theirs in written:
        working[question.number] = working_copy.content(question, points)
        working_copy.note(question, working[question.number])
        if not _people_published(question, theirs):
            question.imported = theirs
    Question.objects.bulk_create(new)
    for question, points, _ in written:
        for point in points:
            point.question_id = question.pk
    labels.attach(new)
    changed = ["text", "last_key", "imported", "seed_conflict", *working_copy.NOTED]
    Question.objects.bulk_update(touched, changed)
    working_copy.write_points([(question, points) for question, points, _ in written])
    outcomes = dict(report.outcomes[-len(batch) :])
    audit.append(
        *(
            audit.Entry(Event.Act.IMPORTED, known[number], details={"outcome": outcome})
            for number, outcome in outcomes.items()
            if outcome in (CREATED, UPDATED, CONFLICT)
        )
    )
    if publish:
        _publish([known[parsed.number] for parsed in batch], working, outcomes, report)


def _people_published(question, text):
    """Whether the public answer says this and was not sealed by an import: then the file was exported here."""
    live = question.live
    if live is None or live.imported:
        return False
    return seedfile.render_question(contents.seed_question(question.number, live.content)) == text


def _as_text(question):
    """The working copy as seed text. What text cannot say, such as a source that an editor named, is added."""
    content = working_copy.content(question)
    text = seedfile.render_question(contents.seed_question(question.number, content))
    parent, usual = False, []
    for block in content.blocks:
        parent = parent if block.kind == seedfile.BULLET else block.kind == seedfile.NUMBERED
        usual.append(int(parent and block.kind == seedfile.BULLET))
    if usual != [block.depth for block in content.blocks]:
        text += "(nested by an editor)\n"
    return f"{text}(sourced by an editor)\n" if any(contents.citations(content.blocks)) else text


def _points(question, parsed):
    """The points of a parsed answer, with the keys of the points that they continue."""
    old = (
        []
        if question._state.adding
        else [(point.key, seedfile.join_label(point.label, point.text)) for point in question.points.all()]
    )
    keys = carry_keys(old, [block.text for block in parsed.blocks])
    numberings = contents.numberings(parsed.blocks)
    points = []
    for position, (block, key, numbering) in enumerate(zip(parsed.blocks, keys, numberings, strict=True), start=1):
        if key is None:
            question.last_key += 1
            key = question.last_key
        label, text = seedfile.split_label(block.text)
        point = AnswerPoint(
            question=question, key=key, position=position, kind=block.kind, depth=block.depth, numbering=numbering,
            label=label, text=text,
        )  # fmt: skip
        point.known_citations = ()  # an import never writes over a text that has sources
        points.append(point)
    return points


def _publish(questions, working, outcomes, report):
    """Seal what the seed made: never an editor's unpublished words, never what was withdrawn.

    `working` are the contents of the working copies that were written, by question number."""
    ready = []
    for question in questions:
        if outcomes[question.number] in (KEPT, CONFLICT) or question.state == Question.State.PUBLIC:
            continue
        shown = question.live.content.short_answer if question.live else ""
        content = working.get(question.number) or working_copy.content(question)
        problem = publishing.problem_with(content)
        if problem:
            report.held[question.number] = f"it cannot be shown like this ({problem.rstrip('.')})"
        elif question.contributors:
            report.held[question.number] = "somebody's changes wait for a second person"
        elif question.withdrawn_at:
            report.held[question.number] = "it was withdrawn"
        elif question.unconfirmed:
            report.held[question.number] = "it was published without a second check and waits for one"
        elif question.short_answer != shown:
            report.held[question.number] = "its short answer was edited and not published yet"
        else:
            ready.append((question, content))
    publishing.seal_imported(ready)
    report.published += [question.number for question, _ in ready]


def _import_notes(manifest, collection):
    for entry in manifest.notes:
        note, created = Note.objects.get_or_create(
            collection=collection, text=entry.text, defaults={"kind": entry.kind}
        )
        if created:
            note.questions.set(collection.questions.filter(number__in=entry.questions))


def _notice_differences(row, entry, names, report):
    """Say what the manifest would have changed in a row that exists; it belongs to the editors."""
    for name in names:
        if getattr(row, name) != getattr(entry, name):
            report.notices.append(f"The {name} of “{row}” differs from the manifest's and was kept.")
