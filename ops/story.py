"""One answer's way from an unchecked import to the public and off it again: `make story`.

Runs the real site on a scratch database, as an editor, a publisher and a reader would use it, and prints what each did
and what the public saw after it. What is written into the answer is invented and says nothing about the law.
"""

import logging
import os
import re
import sys
import tempfile
from contextlib import contextmanager
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
        logging.disable(logging.INFO)  # the site's own lines about each act would stand between those of the story
        tell()


def tell():
    from django.core.management import call_command
    from django.test import Client

    reader = Client()
    chapter("An operator imports the seed and publishes it as it is")
    call_command("import_seed", ROOT / "seeds" / f"{COLLECTION}.txt", publish=True)
    public(reader)

    chapter("The wording is looked at")
    command("review_wording", COLLECTION, only=NUMBER)

    erin, pat = person("erin", "Erin", "Editors"), person("pat", "Pat", "Publishers")
    chapter("Erin, an editor, opens the desk")
    desk(erin)

    chapter("Erin registers a source, rewrites the first paragraph, and names the source there")
    source = register_source(erin)
    note(revise(erin, source))
    public(reader)

    chapter("Erin may not publish, and submits it for review")
    note(f"Publishing answers Erin {act(erin, 'publish', note='Done.').status_code}.")
    note(message(act(erin, "submit", note="The first paragraph is new. Please compare it with the source.")))
    desk(erin)

    chapter("Pat, a publisher, finds it on the desk, compares, and publishes")
    desk(pat)
    compare(pat)
    note(message(act(pat, "publish", note="The first paragraph was rewritten, and names a source.")))
    public(reader)

    chapter("Pat compares the answer with its source, and says that it holds")
    note(message(act(pat, "check", comment="Compared with page 2 of the source.")))
    public(reader)

    with later(days=181):
        chapter("Half a year passes, and nobody checks it again")
        command("reviews_due")
        public(reader)
        chapter("Pat withdraws it")
        pat = again("pat")
        note(message(act(pat, "withdraw", because="Nobody has checked it in time.")))
        public(reader)

    chapter("Was anything changed behind the scenes?")
    command("verify_log")


# The people


def person(username, name, group):
    from django.contrib.auth.models import Group, User

    user = User.objects.create_user(username, first_name=name, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return again(username)


def again(username):
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


def act(client, name, **answers):
    asked = client.get(page(name)).context  # which a refusal has as well
    return client.post(page(name), {"seen": asked.get("seen", "") if asked else "", **answers}, follow=True)


def register_source(client):
    from faq.models import Source

    facts = {"title": "A document that was invented for this story", "publisher": "Nobody", "kind": "other",
             "address": "https://example.org/invented", "archived": ""}  # fmt: skip
    client.post("/admin/faq/source/add/", facts)
    return Source.objects.get(title=facts["title"])


def revise(client, source):
    """Fill in the question page as a browser would, and save it. Returns what the page said."""
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
    data["tags"] = ", ".join(f'"{name}"' for name in question().tags.names())
    data |= {
        "points-0-text": NEW_TEXT,
        "points-0-citations-0-source": source.pk,
        "points-0-citations-0-place": "p. 2",
        "_continue": "yes",
    }
    return message(client.post(page("change"), data, follow=True))


# What is printed


def chapter(title):
    title += "" if title.endswith("?") else "."
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n{title}")


def note(text):
    print(indent(fill(text, 100), "  "))


def public(reader):
    """What a reader finds at the answer's address."""
    response = reader.get(ADDRESS, follow=True)
    main = re.search(r"<main.*?</main>", response.content.decode(), re.S)[0]
    if response.status_code == 410:
        words = found(r'<h1.*?</h1>|<p class="lead">.*?</p>|<blockquote.*?</blockquote>', main)
    else:
        words = found(r'<p class="state.*?</p>', main.partition("</article>")[0])
        words += [f"“{text[:90]}{'…' if len(text) > 90 else ''}”" for text in found(r'<p id="p1".*?</p>', main)]
        words += found(r"<dt>Sources</dt>\s*<dd>.*?</dd>", main)
        words += found(r"<dt class=.tags.>Edition</dt>\s*<dd.*?<br>", main)
    print(f"  The public sees ({response.status_code}):")
    for text in words:
        print(indent(fill(text, 96), "    │ "))


def found(pattern, html):
    """The texts of all elements that fit, without their marks and links to themselves."""
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
    """What the admin said after an act. The story ends where an act is refused."""
    html = response.content.decode()
    if refused := found(r'<ul class="errorlist.*?</ul>', html):
        sys.exit(f"The story cannot go on: {' '.join(refused)}")
    return " ".join(found(r'<li class="success">.*?</li>', html))


def command(name, *arguments, only=None):
    """Run a management command, and print what it prints; of questions, only the one with this number."""
    from io import StringIO

    from django.core.management import call_command

    out, status = StringIO(), 0
    try:
        call_command(name, *arguments, stdout=out, no_color=True)
    except SystemExit as end:
        status = end.code
    blocks = re.split(r"\n(?=\S)", out.getvalue().strip())
    for block in blocks:
        if only is None or block.startswith(f"{only}. "):
            print(indent(block, "  "))
    if status:
        print(f"  ({name} ended with {status}, so that a timer can raise an alarm.)")


@contextmanager
def later(days):
    from django.utils import timezone

    now = timezone.now
    with mock.patch("django.utils.timezone.now", lambda: now() + timedelta(days=days)):
        yield


if __name__ == "__main__":
    main()
