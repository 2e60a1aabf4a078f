"""Import a parsed seed file into the working copies of a collection, in one transaction, and report the result.

For each question the import compares three texts: the text that an import last wrote (`Question.imported`), the working
copy, and the text of the file. It replaces only text that an import wrote. Otherwise it keeps the working copy and
stores a new text of the file as `Question.seed_conflict` for an editor. It never deletes a question.
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

BATCH_SIZE = 500
"""Questions in memory at a time."""

MAX_POINT_PAIRS, MAX_WORD_PAIRS, MAX_DISTANCE = 10_000, 4_000_000, 25
"""Limits for the time that one answer takes. With more pairs of changed points, the import compares only points that
are at most `MAX_DISTANCE` positions apart. After so many pairs of words, it ignores the order of the words."""

COLLECTION_FIELDS = ("title", "description", "jurisdiction", "language", "origin")

CREATED, UPDATED, UNCHANGED, KEPT, CONFLICT = "new", "updated", "unchanged", "kept as edited", "conflict kept as edited"


@dataclass
class Report:
    """The result of an import.

    `outcomes` are (question number, outcome) pairs; `published` are question numbers; `held` maps the numbers of
    questions that could not be published to the reason; `notices` are other sentences for the user."""

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

    Values of the manifest are used for new rows only; existing topics, tags and descriptions belong to the editors.
    With `publish`, publish the new and updated questions as imported and unchecked. A dry run does the same and rolls
    back. `progress` wraps the iteration over questions."""
    defaults = {name: getattr(manifest, name) for name in COLLECTION_FIELDS}
    collection, created = Collection.objects.get_or_create(slug=slug, defaults=defaults)
    report = Report(collection)
    if not created:
        # Lock the collection against other imports, and its questions against editors (`list` runs the query).
        Collection.objects.select_for_update(no_key=True).get(pk=collection.pk)
        list(collection.questions.order_by("pk").select_for_update(no_key=True).values_list("pk"))
        _notice_differences(collection, manifest, COLLECTION_FIELDS, report)
    labels = _Labels(manifest, report)
    questions = progress(iter(document.questions))
    while batch := list(islice(questions, BATCH_SIZE)):
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
    """Decide a three-way merge of one question's text. Returns an outcome, such as `UPDATED`.

    `ours` is the text of the working copy, `theirs` the text of the file. A text of the file that an earlier import
    wrote, or that an editor has rejected (`seed_settled`), is no conflict. A file never replaces an answer that people
    published, whoever wrote its words first."""
    if ours == theirs:
        return UNCHANGED
    if theirs in (question.imported, question.seed_settled):
        return KEPT
    published_by_people = question.live and not question.live.imported
    return UPDATED if ours == question.imported and not published_by_people else CONFLICT


def carry_keys(old, new):
    """Return the key of the old point that each new text continues, or None, so that links to a point stay valid.

    `old` is a list of (key, text), `new` a list of texts. An equal text keeps its key wherever it moves. A changed text
    takes the key of the most similar remaining text, if they share at least half of their words."""
    keys = [None] * len(new)
    keys_by_text = {}
    for key, text in old:
        keys_by_text.setdefault(text, []).append(key)
    for index, text in enumerate(new):
        if keys_by_text.get(text):
            keys[index] = keys_by_text[text].pop(0)
    used = set(keys)
    unmatched_old = [(index, key, text.split()) for index, (key, text) in enumerate(old) if key not in used]
    unmatched_new = [(index, text.split()) for index, text in enumerate(new) if keys[index] is None]
    for _, key, index in sorted(_similar_pairs(unmatched_old, unmatched_new)):
        if key not in used and keys[index] is None:
            keys[index] = key
            used.add(key)
    return keys


def _similar_pairs(old, new):
    """Yield (negative similarity, key, new index) for each old (index, key, words) and new (index, words) that share at
    least half of their words. The most similar pair sorts first."""
    only_near = len(old) * len(new) > MAX_POINT_PAIRS
    old_counts = [Counter(words) for _, _, words in old]
    remaining = MAX_WORD_PAIRS
    for index, words in new:
        counts = Counter(words)
        for (old_index, key, old_words), old_count in zip(old, old_counts, strict=True):
            total = len(words) + len(old_words)
            too_far = only_near and abs(old_index - index) > MAX_DISTANCE
            if too_far or 4 * min(len(words), len(old_words)) < total:
                continue
            similarity = 2 * sum((counts & old_count).values()) / total if total else 1.0  # ignores the order
            pairs = len(words) * len(old_words)
            if similarity >= 0.5 and pairs <= remaining:
                remaining -= pairs
                similarity = difflib.SequenceMatcher(None, old_words, words, autojunk=False).ratio()
            if similarity >= 0.5:
                yield -similarity, key, index


class _Labels:
    """The manifest's topics and tags by question number. Creates missing rows."""

    def __init__(self, manifest, report):
        self.topics, self.tags = {}, {}
        last = Topic.objects.aggregate(last=Max("position"))["last"] or 0
        existing = Topic.objects.in_bulk([entry.slug for entry in manifest.topics], field_name="slug")
        for offset, entry in enumerate(manifest.topics, start=1):
            if topic := existing.get(entry.slug):
                _notice_differences(topic, entry, ("name", "description"), report)
            else:
                topic = Topic.objects.create(
                    slug=entry.slug, name=entry.name, description=entry.description, position=last + offset
                )
            for number in entry.questions:
                self.topics.setdefault(number, []).append(topic)
        existing = Tag.objects.in_bulk([entry.name for entry in manifest.tags], field_name="name")
        for entry in manifest.tags:
            tag = (
                existing.get(entry.name)
                or Tag.objects.filter(name__iexact=entry.name).first()
                or Tag.objects.create(name=entry.name)
            )
            for number in entry.questions:
                self.tags.setdefault(number, []).append(tag)

    def attach(self, questions):
        """Add the topics and tags to new questions."""
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
    questions = {
        question.number: question
        for question in collection.questions.filter(number__in=[parsed.number for parsed in batch])
        .select_related("live")
        .prefetch_related("points__citations__source")
    }
    new, written, existing = [], [], []
    for parsed in batch:
        question = questions.get(parsed.number)
        theirs = seedfile.render_question(parsed)
        if question is None:
            outcome = CREATED
            question = Question(collection=collection, number=parsed.number)
            new.append(question)
        else:
            question.collection = collection
            ours = _merge_text(question)
            outcome = merge(question, ours, theirs)
            existing.append(question)
        if outcome in (CREATED, UPDATED):
            question.text = parsed.text
            written.append((question, _points(question, parsed), theirs))
        question.seed_conflict = theirs if outcome == CONFLICT else ""
        report.outcomes.append((parsed.number, outcome))
        questions[parsed.number] = question
    edited, working = _edited_numbers(collection, batch), {}
    for question, points, theirs in written:
        working[question.number] = working_copy.content(question, points)
        working_copy.set_derived_fields(question, working[question.number])
        # The file may be an export of this site, with words that people wrote here.
        if question.number not in edited:
            question.imported = theirs
    Question.objects.bulk_create(new)
    for question, points, _ in written:
        for point in points:
            point.question_id = question.pk
    labels.attach(new)
    fields = ["text", "last_key", "imported", "seed_conflict", *working_copy.DERIVED_FIELDS]
    Question.objects.bulk_update(existing, fields)
    working_copy.write_points([(question, points) for question, points, _ in written])
    outcomes = dict(report.outcomes[-len(batch) :])
    audit.append(
        *(
            audit.Entry(Event.Act.IMPORTED, questions[number], details={"outcome": outcome})
            for number, outcome in outcomes.items()
            if outcome in (CREATED, UPDATED, CONFLICT)
        )
    )
    if publish:
        _publish([questions[parsed.number] for parsed in batch], working, outcomes, report)


def _edited_numbers(collection, batch):
    """Return the numbers of the questions whose words a person has ever changed, according to the log."""
    saved = Event.objects.filter(collection=collection.slug, act=Event.Act.SAVED, by__isnull=False)
    numbers = saved.filter(question__in=[parsed.number for parsed in batch]).values_list("question", "details")
    return {number for number, details in numbers if "words" in details["changed"]}


def _merge_text(question):
    """Return the working copy as seed text, to compare it with the text that an import wrote.

    A seed file cannot express some edits, such as a citation. A line is added for them, so that the texts differ."""
    content = working_copy.content(question)
    text = seedfile.render_question(contents.seed_question(question.number, content))
    in_list, parsed_depths = False, []
    for block in content.blocks:
        in_list = in_list if block.kind == seedfile.BULLET else block.kind == seedfile.NUMBERED
        parsed_depths.append(int(in_list and block.kind == seedfile.BULLET))
    if parsed_depths != [block.depth for block in content.blocks]:
        text += "(nested by an editor)\n"
    return f"{text}(sourced by an editor)\n" if any(contents.citations(content.blocks)) else text


def _points(question, parsed):
    """Return unsaved points for a parsed answer, with the keys of the points that they continue."""
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
        point.unsaved_citations = ()  # an import never replaces a text that has citations
        points.append(point)
    return points


def _publish(questions, working, outcomes, report):
    """Publish questions as imported, except those with unpublished edits and withdrawn ones.

    `working` maps question numbers to the contents of the working copies that this import wrote."""
    ready = []
    for question in questions:
        if outcomes[question.number] in (KEPT, CONFLICT) or question.state == Question.State.PUBLIC:
            continue
        public_short_answer = question.live.content.short_answer if question.live else ""
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
        elif question.short_answer != public_short_answer:
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
    """Report fields in which an existing row, which belongs to the editors, differs from the manifest."""
    for name in names:
        if getattr(row, name) != getattr(entry, name):
            report.notices.append(f"The {name} of “{row}” differs from the manifest's and was kept.")
