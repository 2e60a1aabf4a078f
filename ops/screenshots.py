"""Take pictures of every kind of page: `make screenshots`, then look into `var/screenshots`.

A scratch site is filled with the seed and put into every state (checked, overdue, revised, sourced, withdrawn), served
on 127.0.0.1, and photographed at phone, tablet and desktop width, light and dark; public pages also as printed (PDF),
the editors' pages as an editor and a publisher meet them.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
WIDTHS = (320, 768, 1280)
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
# As the publisher sees them; those of the editor are taken in `as_editor`.
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


def manage(environment, *arguments):
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def wait_for(address):
    for _ in range(100):
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit("The scratch site did not start.")


def photograph(base, folder):
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        for width in WIDTHS:
            for scheme in ("light", "dark"):
                context = browser.new_context(
                    viewport={"width": width, "height": 900}, color_scheme=scheme, java_script_enabled=False
                )
                page = context.new_page()
                for name, address in PAGES.items():
                    page.goto(base + address)
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
                    if width == 1280 and scheme == "light":
                        page.pdf(path=folder / f"{name}.pdf", format="A4")
                context.close()
        browser.close()


def photograph_desk(base, folder, numbers):
    """The editors' pages. `numbers` are database numbers by the number of the question."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS.split())
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page = context.new_page()
                log_in(page, base, "publisher")
                for name, address in DESK_PAGES.items():
                    page.goto(base + re.sub(r"{(\d+)}", lambda match: numbers[match[1]], address))
                    page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
                context.close()
        as_editor(browser, base, folder, numbers)
        browser.close()


def log_in(page, base, name):
    page.goto(f"{base}/admin/login/?next=/admin/")
    page.fill("#id_username", name)
    page.fill("#id_password", PASSWORD)
    page.click("[type=submit]")


def as_editor(browser, base, folder, numbers):
    """The editor's desk, and a save over somebody else's save."""
    mine, theirs = (browser.new_context(viewport={"width": 1280, "height": 900}).new_page() for _ in range(2))
    log_in(mine, base, "editor")
    log_in(theirs, base, "publisher")
    mine.screenshot(path=folder / "desk-of-editor-1280-light.png", full_page=True)
    for page, words in ((theirs, "Their words, saved first."), (mine, "My words, a moment later.")):
        page.goto(f"{base}/admin/faq/question/{numbers['2']}/change/")
        page.fill("#id_short_answer", words)
    for page in (theirs, mine):
        page.click("[name=_continue] >> nth=0")
    mine.screenshot(path=folder / "desk-stale-save-1280-light.png", full_page=True)


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "var" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kb-screenshots-") as scratch:
        port = "8976"
        environment = {**os.environ, "VAR_DIR": scratch, "HOST": "127.0.0.1", "PORT": port}
        environment.pop("DATABASE_URL", None)
        manage(environment, "prepare")
        manage(environment, "shell", "-v0", "-c", STATES)
        numbers = dict(line.split() for line in manage(environment, "shell", "-v0", "-c", NUMBERS).splitlines())
        granian = Path(sys.executable).parent / "granian"
        options = ["--interface", "wsgi", "--port", port, "--no-ws", "--log-level", "warning"]
        server = subprocess.Popen([granian, *options, "kb_site.wsgi:application"], cwd=ROOT, env=environment)
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz")
            photograph(f"http://127.0.0.1:{port}", folder)
            photograph_desk(f"http://127.0.0.1:{port}", folder, numbers)
        finally:
            server.terminate()
            server.wait()
    print(f"{len(list(folder.glob('*.png')))} pictures and {len(list(folder.glob('*.pdf')))} PDFs are in {folder}.")


if __name__ == "__main__":
    main()
