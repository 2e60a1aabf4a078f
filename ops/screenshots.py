"""Take pictures of every kind of public page: `make screenshots`, then look into `var/screenshots`.

A scratch site is filled with the seed and put into every state (checked, overdue, revised, withdrawn), served on a free
port of 127.0.0.1, and photographed at phone, tablet and desktop width, light and dark, and as printed (PDF).
"""

import os
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
    "topic": "/topics/privacy/",
    "collection": f"{ANSWERS}/",
    "answer-checked": f"{ANSWERS}/9/",
    "answer-imported": f"{ANSWERS}/1/",
    "answer-overdue": f"{ANSWERS}/8/",
    "answer-revised": f"{ANSWERS}/3/",
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
STATES = """
from datetime import timedelta
from django.contrib.auth.models import User
from django.utils import timezone
from faq import publishing
from faq.models import Question

editor = User.objects.get(username="publisher")
editor.first_name = "Alex"
get = lambda number: Question.objects.get(number=number)
row = get(9)
row.short_answer = "This is what a short answer looks like: one or two plain sentences."
row.save()
point = row.points.last()
point.text = "Overall, this paragraph was made shorter, so that the page on what changed has something to show."
point.save()
publishing.refresh(row)
publishing.publish(row, by=editor, note="A short answer, and a shorter last paragraph.")
publishing.check(row, by=editor, comment="An invented check, for this picture only.")
publishing.check(get(8), by=editor, on=timezone.localdate() - timedelta(days=200))
publishing.withdraw(get(20), because="An invented reason, for this picture only.")
row = get(3)
row.points.filter(key=1).update(text="This paragraph was revised, for this picture only:")
publishing.refresh(row)
publishing.publish(row, by=editor, note="Plainer words.")
"""


def manage(environment, *arguments):
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


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


def main():
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "var" / "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kb-screenshots-") as scratch:
        port = "8976"
        environment = {**os.environ, "VAR_DIR": scratch, "HOST": "127.0.0.1", "PORT": port}
        environment.pop("DATABASE_URL", None)
        manage(environment, "prepare")
        manage(environment, "shell", "-v0", "-c", STATES)
        granian = Path(sys.executable).parent / "granian"
        options = ["--interface", "wsgi", "--port", port, "--no-ws", "--log-level", "warning"]
        server = subprocess.Popen([granian, *options, "kb_site.wsgi:application"], cwd=ROOT, env=environment)
        try:
            wait_for(f"http://127.0.0.1:{port}/healthz")
            photograph(f"http://127.0.0.1:{port}", folder)
        finally:
            server.terminate()
            server.wait()
    print(f"{len(list(folder.glob('*.png')))} pictures and {len(list(folder.glob('*.pdf')))} PDFs are in {folder}.")


if __name__ == "__main__":
    main()
