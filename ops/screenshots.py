#!/usr/bin/env python3
"""Take pictures of every kind of page: `make screenshots`, then look into `var/screenshots`.

The script fills a scratch site with the seed, puts its answers into every state (checked, overdue, revised, sourced,
withdrawn), serves it on 127.0.0.1, and takes pictures at phone, tablet and desktop width, light and dark; of public
pages also a PDF, as printed. `answer.png` and `desk.png` are the pictures of the README: copy them to docs/.
"""

import re
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ops.servers import ROOT, environment, manage, serving

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
ANSWERS = "/answers/wyoming-courts-ice"
PAGES = {
    "home": "/",
    "home-es": "/es/",
    "list": "/questions/",
    "list-filtered": "/questions/?topic=privacy&q=records",
    "list-empty": "/questions/?q=elephant",
    "list-search": "/questions/?q=will+they+tell+imigration+if+I+go+pay+my+ticket",
    "topic": "/topics/privacy/",
    "collection": f"{ANSWERS}/",
    "answer-checked": f"{ANSWERS}/9/",
    "answer-imported": f"{ANSWERS}/1/",
    "answer-overdue": f"{ANSWERS}/8/",
    "answer-revised": f"{ANSWERS}/3/",
    "answer-sourced": f"{ANSWERS}/5/",
    "answer-unconfirmed": f"{ANSWERS}/6/",
    "answer-es": f"/es{ANSWERS}/9/",
    "answer-withdrawn": f"{ANSWERS}/20/",
    "edition": f"{ANSWERS}/9/editions/1/",
    "history": f"{ANSWERS}/9/history/",
    "report": f"{ANSWERS}/9/report/",
    "changes": "/changes/",
    "about": "/about/",
    "accessibility": "/accessibility/",
    "not-found": "/nowhere/",
}
# For the publisher; `editor` takes the pictures of an editor.
DESK_PAGES = {
    "desk": "/admin/",
    "desk-list": "/admin/faq/question/",
    "desk-question": "/admin/faq/question/{14}/change/",
    "desk-compare": "/admin/faq/question/{14}/compare/",
    "desk-publish": "/admin/faq/question/{14}/publish/",
    "desk-preview": "/admin/faq/question/{14}/preview/",
    "desk-log": "/admin/faq/question/{5}/history/",
    "desk-sources": "/admin/faq/source/",
    "desk-reports": "/admin/faq/report/",
    "desk-second-factor": "/admin/second-factor/new/",
    "desk-synonyms": "/admin/faq/synonym/",
}
PASSWORD = "only for pictures"
STATES = f"""
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from faq.site import reports
from faq.workflow import publishing, working_copy
from faq.models import Citation, Question, Source

editor, publisher = (User.objects.get(username=name) for name in ("editor", "publisher"))
for user, name in ((editor, "Erin"), (publisher, "Alex")):
    user.first_name = name
    user.set_password("{PASSWORD}")
    user.save()
get = lambda number: Question.objects.get(number=number)
source = Source.objects.create(
    title="An invented notice", publisher="An office that does not exist", address="https://example.org/notice",
    archived="https://example.org/archive/notice",
)
for number in (8, 9):
    point = get(number).points.first()
    Citation.objects.create(point=point, source=source, place="p. 1", consulted=timezone.localdate())
row = get(8)
working_copy.refresh(row, editor)
publishing.publish(row, by=publisher, note="A point names a source.")
row = get(9)
row.short_answer = "This is what a short answer looks like: one or two plain sentences."
row.save()
point = row.points.last()
point.text = "Overall, this paragraph was made shorter, so that the page on what changed has something to show."
point.save()
working_copy.refresh(row, editor)
publishing.publish(row, by=publisher, note="A short answer, and a shorter last paragraph.")
publishing.check(row, by=publisher, comment="An invented check, for this picture only.")
publishing.check(get(8), by=publisher, on=timezone.localdate() - timedelta(days=200))
publishing.withdraw(get(20), because="An invented reason, for this picture only.", by=publisher)
row = get(3)
row.points.filter(key=1).update(text="This paragraph was revised, for this picture only:")
working_copy.refresh(row, editor)
publishing.publish(row, by=publisher, note="Plainer words.")
row = get(5)
for key in (1, 2):
    point = row.points.get(key=key)
    quotation = "Words that were invented for a picture." if key == 1 else ""
    Citation.objects.create(
        point=point, source=source, place="p. 2", quotation=quotation, consulted=timezone.localdate()
    )
working_copy.refresh(row, editor)
publishing.publish(row, by=publisher, note="Two points name a source.")
boss = User.objects.create_superuser("boss", first_name="Robin")
row = get(6)
row.points.filter(key=1).update(text="This paragraph was revised, for this picture only:")
working_copy.refresh(row, boss)
publishing.publish(row, by=boss, note="Plainer words.", override="Nobody else was there.")
row = get(14)
point = row.points.first()
point.text = "This paragraph was rewritten by an editor, for this picture only, and waits to be read by somebody else."
point.save()
Citation.objects.create(point=point, source=source, place="p. 3", consulted=timezone.localdate())
working_copy.refresh(row, editor)
publishing.submit(row, by=editor, note="Please look at the first paragraph.")
row = get(13)
row.short_answer = "Not sure yet."
row.save()
working_copy.refresh(row, editor)
publishing.submit(row, by=editor)
publishing.send_back(row, by=publisher, note="Say what is known, and name a source.")
reports.store(get(9).live, None, "An invented report, for this picture only.")
"""
NUMBERS = "from faq.models import Question; [print(q.number, q.pk) for q in Question.objects.all()]"


def pictures(browser, base, folder, pages, widths, user=None, scripts=True):
    """Take a picture of each page at each width, light and dark. `pages` are paths by the name of the picture."""
    for width in widths:
        for scheme in ("light", "dark"):
            page = browser.new_page(
                base_url=base,
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                java_script_enabled=scripts,
            )
            if user:
                log_in(page, user)
            for name, path in pages.items():
                page.goto(path)
                page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
                if not user and (width, scheme) == (1280, "light"):
                    page.pdf(path=folder / f"{name}.pdf", format="A4")
            page.close()


def log_in(page, name):
    page.goto("/admin/login/?next=/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")


def editor(browser, base, folder, question):
    """The desk of an editor, and the page after a save of a question that another person has saved meanwhile."""
    mine, theirs = (browser.new_page(base_url=base, viewport={"width": 1280, "height": 900}) for _ in range(2))
    log_in(mine, "editor")
    log_in(theirs, "publisher")
    mine.screenshot(path=folder / "desk-of-editor-1280-light.png", full_page=True)
    for page, words in ((theirs, "Their words, saved first."), (mine, "My words, a moment later.")):
        page.goto(f"/admin/faq/question/{question}/change/")
        page.fill("#id_short_answer", words)
    for page in (theirs, mine):
        page.click("[name=_continue] >> nth=0")
    mine.screenshot(path=folder / "desk-stale-save-1280-light.png", full_page=True)


def readme(browser, base, folder):
    """The two pictures of the README."""
    for name, path, user in (("answer", PAGES["answer-checked"], None), ("desk", "/admin/", "editor")):
        page = browser.new_page(base_url=base, viewport={"width": 900, "height": 840})
        if user:
            log_in(page, user)
        page.goto(path)
        page.screenshot(path=folder / f"{name}.png")


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "var" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kb-screenshots-") as scratch:
        env = environment(VAR_DIR=scratch)
        manage(env, "prepare")
        manage(env, "shell", "-v0", "-c", STATES)
        keys = dict(line.split() for line in manage(env, "shell", "-v0", "-c", NUMBERS).splitlines())
        desk = {name: re.sub(r"{(\d+)}", lambda match: keys[match[1]], path) for name, path in DESK_PAGES.items()}
        with serving(env) as site, sync_playwright() as playwright:
            chromium = shutil.which("chromium") or shutil.which("google-chrome")
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
            readme(browser, site.address, folder)
            pictures(browser, site.address, folder, PAGES, (320, 768, 1280), scripts=False)
            pictures(browser, site.address, folder, desk, (390, 1280), user="publisher")
            editor(browser, site.address, folder, keys["2"])
            browser.close()
    print(f"{len(list(folder.glob('*.png')))} pictures and {len(list(folder.glob('*.pdf')))} PDFs are in {folder}.")


if __name__ == "__main__":
    main()
