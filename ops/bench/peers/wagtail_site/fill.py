"""Makes the database and fills it with what `inside/answers.py` printed: `python -m wagtail_site.fill CONTENT.json`."""

import json
import os
import sys
from html import escape
from itertools import groupby
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wagtail_site.settings")

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from wagtail.models import Page, Site  # noqa: E402

from wagtail_site.models import QuestionPage  # noqa: E402


def rich(blocks):
    """The points as an editor would have typed them."""
    parts = []
    for kind, some in groupby(blocks, key=lambda block: block["kind"]):
        lines = [f"<b>{escape(b['label'])}:</b> {escape(b['text'])}" if b["label"] else escape(b["text"]) for b in some]
        if kind == "paragraph":
            parts += [f"<p>{line}</p>" for line in lines]
        else:
            name = "ol" if kind == "numbered" else "ul"
            parts.append(f"<{name}>{''.join(f'<li>{line}</li>' for line in lines)}</{name}>")
    return "".join(parts)


def main(path):
    call_command("migrate", verbosity=0)
    Page.objects.filter(depth=2).delete()
    home = Page.objects.get(depth=1).add_child(instance=Page(title="Notices", slug="home"))
    Site.objects.update_or_create(hostname="127.0.0.1", defaults={"root_page": home, "is_default_site": True})
    section = home.add_child(instance=Page(title="Answers", slug="answers"))
    for answer in json.loads(Path(path).read_text()):
        content = answer["content"]
        page = QuestionPage(title=content["question"], slug=str(answer["number"]), body=rich(content["blocks"]))
        section.add_child(instance=page)
        page.tags.add(*answer["tags"])
        page.save_revision().publish()


main(sys.argv[1])
