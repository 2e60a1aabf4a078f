"""Readers who walk through the site, and editors who work on it; what each of them saw, in words."""

import re
from collections import Counter

from .site import COLLECTION, Answer, Browser

ANSWER = f"/answers/{COLLECTION}/1/"
PAGES = {
    "home": "/",
    "list": "/questions/",
    "answer": ANSWER,
    "history": f"{ANSWER}history/",
    "search": "/questions/?q=judges",
    "topic": "/topics/courts-and-ice/",
    "feed": "/changes.atom",
    "home in Spanish": "/es/",
    "answer in Spanish": f"/es{ANSWER}",
    "search in Spanish": "/es/questions/?q=judges",
}
GUARDS = (
    "content-security-policy", "permissions-policy", "x-content-type-options", "referrer-policy", "x-frame-options",
    "cross-origin-opener-policy",
)  # fmt: skip
"""Headers that protect whoever reads a page: also a page that says what is wrong."""


class Readers:
    """Walk through all pages. The first walk is what later ones are compared with."""

    def __init__(self, port, rounds=3):
        self.port, self.rounds = port, rounds
        self.usual = {}
        self.usual = {name: self._read(name) for name in PAGES}
        wrong = [name for name, answer in self.usual.items() if answer.status != 200]
        if wrong:
            raise RuntimeError(f"Not as it should be before anything was taken away: {', '.join(wrong)}")

    def walk(self):
        """Read everything a few times (so that each worker is asked). Returns a `Walk`."""
        walk = Walk()
        for _ in range(self.rounds):
            for name in PAGES:
                self._judge(walk, name, self._read(name))
        return walk

    def all_is_well(self, published=False):
        """Whether every page is there as always. (Where somebody `published`, it need not be the same.)"""
        walk = self.walk()
        there = all(status == 200 for seen in walk.seen.values() for status in seen)
        return there and (published or not walk.wrong)

    def _read(self, name):
        browser = Browser(self.port)
        answer = browser.get(PAGES[name])
        if browser.cookies:
            return Answer(0, text="a public page set a cookie")
        return answer

    def _judge(self, walk, name, answer):
        walk.seen[name].append(answer.status)
        if answer.status == 200:
            if _text(answer) != _text(self.usual[name]):
                walk.wrong.append(f"{name}: not the usual page")
            return
        if answer.status == 503:
            walk.refused.setdefault(name, answer.words)
        walk.wrong += [f"{name}: {what}" for what in told_badly(answer, self.usual["home"], "Spanish" in name)]


def _text(answer):
    """The page, whatever its style sheet is called."""
    return re.sub(r"\.[0-9a-f]{12}(?=\.(?:css|svg))", "", answer.text)


class Walk:
    """`seen` are the statuses of each page, `refused` the words of a 503, `wrong` what no reader should see."""

    def __init__(self):
        self.seen, self.refused, self.wrong = {name: [] for name in PAGES}, {}, []

    def __str__(self):
        if self.wrong:
            return "WRONG: " + "; ".join(f"{what} ({count}×)" for what, count in Counter(self.wrong).items())
        if not self.refused:
            return "every page as always"
        words = next((words for name, words in self.refused.items() if "Spanish" not in name), None)
        words = words or next(iter(self.refused.values()))
        always = [name for name, statuses in self.seen.items() if set(statuses) == {200}]
        never = [name for name, statuses in self.seen.items() if set(statuses) == {503}]
        if not always and len(never) == len(self.seen):
            return f"503 on every page: “{words}”"
        all_statuses = [status for statuses in self.seen.values() for status in statuses]
        refused = ", ".join(name for name in self.seen if name in self.refused)
        names = "" if len(self.refused) > len(self.seen) / 2 else f" ({refused})"
        return (
            f"{all_statuses.count(200)} of {len(all_statuses)} requests as always, {all_statuses.count(503)}{names} "
            f"answered 503: “{words}”"
        )


def told_badly(answer, usual, spanish=False):
    """What a page that says what is wrong lacks, in words."""
    found = []
    if answer.status == 0:
        return [f"no answer ({answer.text})"]
    if answer.status != 503:
        return [f"{answer.status} {answer.words}"]
    if not answer.words:
        found.append("503 without words")
    if not answer.headers.get("retry-after", "").isdigit():
        found.append("no Retry-After")
    if "no-store" not in answer.headers.get("cache-control", ""):
        found.append("a cache may keep it")
    if "Traceback" in answer.text or "django" in answer.text.lower():
        found.append("shows how the site is built")
    if spanish and 'lang="es"' not in answer.text:
        found.append("not in Spanish")
    found += [f"header {name} differs" for name in GUARDS if answer.headers.get(name) != usual.headers.get(name)]
    return found


class Editor(Browser):
    """Somebody with an account."""

    def log_in(self, name, password):
        page = self.get("/admin/login/?next=/admin/")
        if page.status != 200:
            return page
        return self.post("/admin/login/?next=/admin/", self.fill_in(page, username=name, password=password))

    def open(self, pk):
        return self.get(f"/admin/faq/question/{pk}/change/")

    def save(self, pk, opened, words):
        """Save the page that was opened before, with other words in its first point."""
        pairs = self.fill_in(opened, "_continue", **{"points-0-text": words})
        return self.post(f"/admin/faq/question/{pk}/change/", pairs)

    def publish(self, pk, opened, note):
        return self.post(f"/admin/faq/question/{pk}/publish/", self.fill_in(opened, note=note))

    def send_again(self, refused):
        """Press the button of the page that said that nothing was saved."""
        return self.post(self.path, self.fill_in(refused))


def was_saved(answer):
    return answer.status == 200 and "was changed successfully" in answer.text


def was_published(answer):
    return answer.status == 200 and "is public now." in answer.text
