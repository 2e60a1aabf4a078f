"""What many tests need: a small collection about a town library, people with roles, and a way to clear the database."""

import re
import time
from datetime import date, timedelta
from importlib import import_module
from unittest import mock

import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.db import transaction
from django.test import Client, TransactionTestCase
from lxml import html

from faq.admin import reauthentication
from faq.answers import manifest, seedfile
from faq.models import AnswerPoint, Citation, Question, Source, Synonym, content_version, triggers
from faq.site import reports
from faq.tests.installations import Site
from faq.workflow import importing, publishing, working_copy

LIBRARY = """\
1. Who may borrow a book?
Anyone who lives in Springfield. You need one of these:
1. Library card: free at the desk.
2. Day pass, for visitors:
– valid until closing time
– one book only
2. How long may I keep a book?
Three weeks. A reminder is sent before.
3. Is there a bicycle stand?
1. Yes, at the back door.
"""

ABOUT = manifest.Manifest(
    title="Springfield library",
    jurisdiction="Springfield",
    description="Borrowing from the town library.",
    origin="A leaflet.",
    topics=(
        manifest.Topic("cards", "Library cards", (1,), "How to get one."),
        manifest.Topic("visits", "Visits", (2, 3), "Before you come."),
    ),
    tags=(manifest.Tag("card", (1,)), manifest.Tag("bicycle", (3,))),
)


def import_text(text=LIBRARY, about=ABOUT, slug="library", **options):
    """Import seed text as `manage.py import_seed` would; returns the report."""
    return importing.import_document(seedfile.parse(text), about, slug, **options)


@transaction.atomic
def name_sources(questions):
    """Let the first point of each of these public answers name a source, in a new edition. Takes a queryset."""
    source, _ = Source.objects.get_or_create(title="Rules of the library", publisher="Town of Springfield")
    points = AnswerPoint.objects.filter(question__in=questions, position=1)
    cited = (Citation(point=point, source=source, consulted=date(2026, 5, 4)) for point in points)
    Citation.objects.bulk_create(cited, ignore_conflicts=True)
    working_copy.refresh_many(questions)
    rows = questions.select_related("collection", "live")
    pairs = [(row, publishing.preview(row)) for row in rows]
    for row, edition in pairs:
        edition.change_note, edition.imported = "Names a source.", row.live.imported
    publishing.seal(pairs)


def check(question, by, **facts):
    """Note a check of a public answer, which names a source from then on."""
    if question.live and not question.live.names_a_source:
        name_sources(Question.objects.filter(pk=question.pk))
    return publishing.check(question, by=by, **facts)


def form_token(seconds=3600):
    """The token of a report form that was opened so many seconds ago."""
    with mock.patch("time.time", return_value=time.time() - seconds):
        return reports.new_token()


@pytest.fixture
def library(db):
    """The collection `library`, with three public questions as they were imported."""
    return import_text(publish=True).collection


@pytest.fixture
def drafts(db):
    """The same, never published."""
    return import_text().collection


def _person(name, group):
    user = User.objects.create_user(name, password="correct horse", is_staff=True, first_name=name.title())
    user.groups.add(Group.objects.get(name=group))
    return user


@pytest.fixture
def editor(db):
    return _person("erin", "Editors")


@pytest.fixture
def publisher(db):
    return _person("pat", "Publishers")


@pytest.fixture
def away(monkeypatch):
    """Makes time pass for the people who are logged in: `away(hours=2)`."""
    now = reauthentication.time.time()

    def pass_(**spans):
        nonlocal now
        now += timedelta(**spans).total_seconds()
        monkeypatch.setattr(reauthentication.time, "time", lambda: now)

    return pass_


class Browser(Client):
    """Sends the hidden fields of a page along with its form, as a browser does."""

    def post(self, path, data=None, *args, **kwargs):
        if re.fullmatch(r"/admin/faq/(question|collection)/\d+/[a-z-]+/", path) and isinstance(data or {}, dict):
            page = self.get(path)
            if page.context and "seen" in page.context and "seen" not in (data or {}):
                data = {"seen": page.context["seen"], **(data or {})}
        return super().post(path, data, *args, **kwargs)


def logged_in(user):
    client = Browser()
    client.force_login(user)
    return client


def fields_of(page):
    """The fields of the form on a page of the admin, as a browser would send them back: a dict of lists."""
    content = html.fromstring(page.content.decode()).get_element_by_id("content")
    [form] = [form for form in content.iter("form") if form.method == "POST"]
    fields = {}
    for name, value in form.form_values():
        fields.setdefault(name, []).append(value)
    return fields


def submit(client, address, data=(), **options):
    """Open a page of the admin, and send its form back with `data` in place of the values there."""
    return client.post(address, fields_of(client.get(address)) | dict(data), **options)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory):
    """The folder VAR_DIR of an installation whose SQLite database has all tables and no content. Copy it."""
    site = Site(tmp_path_factory.mktemp("migrated"))
    site.manage("migrate", "-v0")
    return site.folder / "var"


@pytest.fixture(autouse=True)
def _nothing_kept_from_the_test_before():
    cache.clear()  # what the database keeps goes with the database
    yield
    content_version.close()  # a connection beside Django's own, which would hold the test's database


def _fill_vocabulary():
    """The synonyms that the site starts with, as the migration brings them."""
    vocabulary = import_module("faq.migrations.0002_search_and_vocabulary").VOCABULARY
    rows = [Synonym(key=key, words=words, means=means) for key, words, means in vocabulary]
    Synonym.objects.bulk_create(rows, ignore_conflicts=True)


@pytest.fixture(autouse=True, scope="session")
def _tests_may_clear_the_database():
    """A test with real transactions empties all tables afterwards. The database rightly refuses that for what is
    sealed, and the next tests need the words that a migration brought."""
    teardown = TransactionTestCase._fixture_teardown

    def unsealed_teardown(self):
        triggers.remove()  # `post_migrate`, which a flush sends, installs them again
        teardown(self)
        _fill_vocabulary()

    TransactionTestCase._fixture_teardown = unsealed_teardown
    yield
    TransactionTestCase._fixture_teardown = teardown
