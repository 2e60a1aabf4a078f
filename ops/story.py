#!/usr/bin/env python3
"""Follow one answer from an unchecked import to the public and off it again: `make story`.

The script runs the site on a scratch database, acts as an editor, a publisher and a reader, and prints each act and the
public page after it. The text that it writes into the answer is invented and says nothing about the law.
"""

import io
import logging
import os
import re
import sys
import tempfile
from datetime import timedelta
from html import unescape
from pathlib import Path
from textwrap import fill, indent
from unittest import mock

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
NUMBER = 14
COLLECTION = "wyoming-courts-ice"
ADDRESS = f"/answers/{COLLECTION}/{NUMBER}/"
NEW_TEXT = "This paragraph was rewritten for this story. It says nothing about the law."


def main():
    with tempfile.TemporaryDirectory(prefix="kb-story-") as scratch:
        os.environ |= {"VAR_DIR": scratch, "DJANGO_SETTINGS_MODULE": "kb_site.settings"}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command
        from django.test.utils import setup_test_environment

        setup_test_environment()
        settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
        Path(settings.STATIC_ROOT).mkdir(exist_ok=True)
        call_command("migrate", verbosity=0)
        logging.disable(logging.WARNING)  # the log would stand between the lines of the story
        story()


def story():
    from django.utils import timezone

    chapter("An operator imports the seed and publishes it as it is.")
    command("import_seed", ROOT / "seeds" / f"{COLLECTION}.txt", publish=True)
    public()

    chapter("The site reviews the wording.")
    command("review_wording", COLLECTION, only=NUMBER)

    erin, pat = account("erin", "Editors"), account("pat", "Publishers")
    chapter("Erin, an editor, opens the desk.")
    desk(erin)

    chapter("Erin registers a source, rewrites the first paragraph, and names the source there.")
    note(message(revise(erin, register_source(erin))))
    public()

    chapter("Erin may not publish, and submits it for review.")
    note(f"Publishing answers Erin {act(erin, 'publish', note='Done.').status_code}.")
    note(message(act(erin, "submit", note="The first paragraph is new. Please compare it with the source.")))
    desk(erin)

    chapter("Pat, a publisher, finds it on the desk, compares, and publishes.")
    desk(pat)
    compare(pat)
    note(message(act(pat, "publish", note="The first paragraph was rewritten, and names a source.")))
    public()

    chapter("Pat compares the answer with its source, and confirms it.")
    note(message(act(pat, "check", comment="Compared with page 2 of the source.")))
    public()

    now = timezone.now
    with mock.patch("django.utils.timezone.now", lambda: now() + timedelta(days=181)):
        chapter("Half a year passes without another check.")
        command("reviews_due")
        public()
        chapter("Pat withdraws it.")
        note(message(act(log_in("pat"), "withdraw", because="Nobody has checked it in time.")))
        public()

    chapter("Was anything changed outside of the site?")
    command("verify_log")


# Acts


def account(username, group):
    from django.contrib.auth.models import Group, User

    user = User.objects.create_user(username, first_name=username.title(), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return log_in(username)


def log_in(username):
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.get(username=username))
    return client


def question():
    from faq.models import Question

    return Question.objects.get(collection__slug=COLLECTION, number=NUMBER)


def page(name):
    from django.urls import reverse

    return reverse(f"admin:faq_question_{name}", args=[question().pk])


def act(client, name, **fields):
    context = client.get(page(name)).context  # None if the page is refused
    return client.post(page(name), {"seen": context.get("seen", "") if context else "", **fields}, follow=True)


def register_source(client):
    from faq.models import Source

    fields = {"title": "A document that was invented for this story", "publisher": "Nobody", "kind": "other",
              "address": "https://example.org/invented", "archived": ""}  # fmt: skip
    client.post("/admin/faq/source/add/", fields)
    return Source.objects.get(title=fields["title"])


def revise(client, source):
    """Fill in the form of the question as a browser would, and save it."""
    context = client.get(page("change")).context
    form, formset = context["adminform"].form, context["inline_admin_formsets"][0].formset
    nested = [part for point in formset.forms for part in (point.citations.management_form, *point.citations.forms)]
    data = {}
    for bound in (field for part in (form, formset.management_form, *formset.forms, *nested) for field in part):
        value = bound.value()
        if isinstance(value, list):
            data[bound.html_name] = [getattr(item, "pk", item) for item in value]
        elif value is not None and value is not False:
            data[bound.html_name] = getattr(value, "pk", value)
    data |= {
        "tags": ", ".join(f'"{name}"' for name in question().tags.names()),
        "points-0-text": NEW_TEXT,
        "points-0-citations-0-source": source.pk,
        "points-0-citations-0-place": "p. 2",
        "_continue": "yes",
    }
    return client.post(page("change"), data, follow=True)


# Output


def chapter(title):
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}")


def note(text):
    print(indent(fill(text, 100), "  "))


def public():
    """Print the public page of the answer: its state, its first paragraph, its sources and its edition."""
    from django.test import Client

    response = Client().get(ADDRESS, follow=True)
    main = re.search(r"<main.*?</main>", response.content.decode(), re.S)[0]
    if response.status_code == 410:
        words = found(r'<h1.*?</h1>|<p class="lead">.*?</p>|<blockquote.*?</blockquote>', main)
    else:
        words = found(r'<p class="state.*?</p>', main.partition("</article>")[0])
        words += [f"“{text[:90]}{'…' if len(text) > 90 else ''}”" for text in found(r'<p id="p1".*?</p>', main)]
        words += found(r"<dt>Sources</dt>\s*<dd>.*?</dd>|<dt class=.tags.>Edition</dt>\s*<dd.*?<br>", main)
    print(f"  The public sees ({response.status_code}):")
    for text in words:
        print(indent(fill(text, 96), "    │ "))


def found(pattern, html):
    """The texts of all matches, without tags and without links to themselves."""
    parts = [part.replace("</dt>", ":") for part in re.findall(pattern, html, re.S)]
    parts = [re.sub(r'<a class="key".*?</a>|<[^>]+>', " ", part, flags=re.S) for part in parts]
    return [re.sub(r" (?=[.,;:)\]])", "", " ".join(unescape(part).split())) for part in parts]


def desk(client):
    print("  On the desk:")
    for line in client.get("/admin/").context["queue"]:
        print(f"    {line.count:>3}  {line.label}")


def compare(client):
    marks = {"added": "+ ", "removed": "– "}
    for line in client.get(page("compare")).context["lines"]:
        for state, text in line.parts:
            if state in marks:
                print(indent(fill(marks[state] + text.strip(), 96, subsequent_indent="  "), "    "))


def message(response):
    """The success message of an act. A refused act ends the story."""
    html = response.content.decode()
    if refused := found(r'<ul class="errorlist.*?</ul>', html):
        sys.exit(f"The story cannot go on: {' '.join(refused)}")
    return " ".join(found(r'<li class="success">.*?</li>', html))


def command(name, *arguments, only=None, **options):
    """Run a management command and print its output; with `only`, the part about the question of this number."""
    from django.core.management import call_command

    out, status = io.StringIO(), 0
    try:
        call_command(name, *arguments, stdout=out, no_color=True, **options)
    except SystemExit as end:
        status = end.code
    for block in re.split(r"\n(?=\S)", out.getvalue().strip()):
        if only is None or block.startswith(f"{only}. "):
            print(indent(block, "  "))
    if status:
        print(f"  ({name} ended with {status}, so that a timer can raise an alarm.)")


if __name__ == "__main__":
    main()
