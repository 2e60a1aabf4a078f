"""A site in which every word that anybody can write is hostile, in every state, with everything that has an address.

The words get in below the forms, as if they had been there before the forms learned to refuse them."""

from dataclasses import dataclass, field
from datetime import date

from django.contrib.auth.models import Group, User
from django.db import transaction
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from taggit.models import Tag

from faq.models import (
    AnswerPoint,
    Citation,
    Collection,
    MissedSearch,
    Note,
    Question,
    QuestionTag,
    SiteText,
    Source,
    Synonym,
    Topic,
)
from faq.site import reports
from faq.site.sitemaps import SITEMAPS
from faq.tests.hostile.payloads import EVIL, MARK
from faq.workflow import audit, draft_links, publishing, working_copy

UNPUBLISHED = "quetzalword"
"""Stands in what is not public, and in nothing else."""

PASSWORD = "correct horse battery"

OVERRIDE, ISOLATE = "\u202e", "\u2067"

STORED = [
    f"<{MARK}>\"'><{MARK} {MARK}=1 onclick=alert(1)></title></script></textarea><{MARK}>",
    f"{OVERRIDE}<img src=//{EVIL}/x onerror=alert(1)>",
    '{{ "seven"|add:"-and-eight" }} {% debug %} %(x)s {0.__class__} ${7*7}',
    f'=HYPERLINK("https://{EVIL}/") {ISOLATE}]]>--><{MARK}/>&{MARK};',
    f"x\u2028FORGED: y \u061c \u200b ' OR 1=1-- [x](javascript:alert(1)) ![x](https://{EVIL}/x.png)",
    "@SUM(1) مرحبا (12) \"' e\u0301\u0301 \U0001f468\u200d\U0001f469 借",
]
ADDRESSES = [
    "javascript:alert(1)", f'https://{EVIL}/"onclick=alert(1) {MARK}=1', "data:text/html,<script>alert(1)</script>",
    " java\tscript:alert(1)", "https://example.org/ok", f"//{EVIL}/",
]  # fmt: skip
MARKED_UP = [
    f"[x](javascript:alert(1)) <{MARK}> ![x](https://{EVIL}/x.png) <img src=x onerror=alert(1)>\n\n<script>alert(1)</script>\n\n"
    f'[{OVERRIDE}x](https://example.org/) [y](data:text/html,x) <https://{EVIL}/> [z](//{EVIL}/ "\' onclick=alert(1)")',
    "[a]: javascript:alert(1)\n\n[a] **b** *c*\n- d\n\n# e\n\n&lt;xinj&gt; [tel](tel:1)",
]


@dataclass
class World:
    people: dict = field(default_factory=dict)
    values: dict = field(default_factory=dict)  # what stands in a route for an argument, by its name
    words: list = field(default_factory=list)


@transaction.atomic
def build(imported):
    """The site; `imported` is the collection `library` with three public questions."""
    world = World()
    world.people = {
        "editor": _person("erin", "Editors"),
        "publisher": _person("pat", "Publishers"),
        "manager": _person("max", "Site managers"),
        "superuser": User.objects.create_superuser("root", password=PASSWORD),
        "stranger": User.objects.create_user("stranger", password=PASSWORD),
    }
    evil = User.objects.create_user("evil", is_staff=True, first_name=STORED[0][:150], last_name=STORED[1][:150])
    evil.groups.add(Group.objects.get(name="Publishers"))
    collection = Collection.objects.create(
        slug="hostile", title=STORED[0][:200], description=STORED[1], jurisdiction=STORED[2][:200], origin=STORED[3]
    )
    topics = [
        Topic.objects.create(slug=f"topic-{n}", name=text[:100], description=text) for n, text in enumerate(STORED)
    ]
    tags = [Tag.objects.create(name=text[:100], slug=f"tag-{n}") for n, text in enumerate(STORED)]
    sources = [
        Source.objects.create(key=f"source-{n}", title=text[:300], publisher=text[:200], address=link, archived=link)
        for n, (text, link) in enumerate(zip(STORED, ADDRESSES, strict=True))
    ]
    Source.objects.filter(key="source-1").update(fails_since=timezone.now(), failure=STORED[0][:200])
    for n, text in enumerate(STORED, start=1):
        _answer(collection, n, text, sources, topics, tags, evil)
    _states(collection, imported, evil)
    for name in SiteText.Name:
        for language, text in zip(("en", "es"), MARKED_UP, strict=True):
            SiteText.objects.create(name=name, language=language, text=text)
    for n, text in enumerate(STORED):
        Synonym(words=f"word{n}", means=text[:200]).save()
        MissedSearch.objects.create(words=text[:100], day=timezone.localdate())
        note = Note.objects.create(collection=collection, kind="<xinj>", text=text)
        note.questions.add(collection.questions.first())
    edition = collection.questions.get(number=1).live
    reports = [reports.store(edition, edition.content.blocks[0].key, text) for text in STORED]
    other = world.people["publisher"]
    # (Of somebody who is not among the visitors: whoever has a device is asked for a code.)
    phone = TOTPDevice.objects.create(user=evil, name=STORED[0][:64])
    paper = StaticDevice.objects.create(user=evil, name=STORED[1][:64])
    paper.token_set.create(token="abcd-1234")
    draft = collection.questions.get(number=7)
    world.values = {
        "collection": [b"hostile", b"library"],
        "number": [b"1", b"2", b"4", b"7", b"8", b"9"],
        "edition": [b"1"],
        "slug": [b"topic-0", b"cards", b"x"],
        "receipt": [reports[0].receipt.encode()],
        "token": [draft_links.token(draft).encode()],
        "pk": [str(q.pk).encode() for q in collection.questions.filter(number__in=(1, 7, 8, 9, 10)).order_by("number")],
        "id": [str(other.pk).encode()],
        "url": [b"", b"nothing/here"],
        "section": [name.encode() for name in SITEMAPS],
        "auth.group": [str(Group.objects.first().pk).encode()],
        "auth.user": [str(evil.pk).encode(), str(other.pk).encode()],
        "faq.report": [str(reports[0].pk).encode()],
        "otp_totp.totpdevice": [str(phone.pk).encode()],
        "otp_static.staticdevice": [str(paper.pk).encode()],
    }
    return world


def _person(name, group):
    user = User.objects.create_user(name, password=PASSWORD, is_staff=True, first_name=name.title())
    user.groups.add(Group.objects.get(name=group))
    return user


def _answer(collection, number, text, sources, topics, tags, by):
    """A public answer with this text wherever an answer has words."""
    question = Question.objects.create(collection=collection, number=number, text=text[:1000], short_answer=text[:500])
    for position, kind in enumerate(("paragraph", "numbered", "bullet"), start=1):
        point = AnswerPoint(question=question, position=position, kind=kind, depth=int(kind == "bullet"))
        point.label, point.text = text[:60], text
        point.save()
        for source in sources:
            Citation.objects.create(
                point=point, source=source, place=text[:100], quotation=text, consulted=date(2026, 1, 2)
            )
    question.topics.set(topics)
    QuestionTag.objects.bulk_create(QuestionTag(content_object=question, tag=tag) for tag in tags)
    working_copy.refresh(question, by)
    for version in (1, 2):
        if version == 2:
            question.points.filter(position=1).update(text=f"{text} again")
        edition = publishing.preview(question)
        edition.change_note, edition.contributors, edition.approved_by = (
            text,
            [audit.signature(by)],
            audit.signature(by),
        )
        publishing.seal([(question, edition)], override=text)
    publishing.check(question, by=by, comment="Compared.")


def _states(collection, imported, by):
    """A draft, a changed, a withdrawn and a submitted question, and one with a newer seed."""
    for number, state in ((7, "draft"), (8, "changed"), (9, "withdrawn"), (10, "conflict")):
        question = Question.objects.create(collection=collection, number=number, text=f"{state}?")
        AnswerPoint(question=question, position=1, text=f"A point of what is {state}.").save()
        working_copy.refresh(question)
        if state != "draft":
            edition = publishing.preview(question)
            edition.change_note = "x"
            publishing.seal([(question, edition)])
        if state in ("draft", "changed"):
            question.text = f"{UNPUBLISHED} {STORED[0]}"
            question.save()
            working_copy.refresh(question, by)
        if state == "changed":
            publishing.submit(question, by=by, note="x")
            Question.objects.filter(pk=question.pk).update(review_note=STORED[0])
        if state == "withdrawn":
            publishing.withdraw(question, because="x", by=by)
            Question.objects.filter(pk=question.pk).update(withdrawn_because=STORED[1])
        if state == "conflict":
            Question.objects.filter(pk=question.pk).update(seed_conflict=STORED[0])
