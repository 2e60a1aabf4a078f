"""Readers and editors that use the site by HTTP, and write down what they saw."""

import http.client
import random
import re
import socket
import threading
import time
from dataclasses import dataclass
from urllib.parse import urlencode

import lxml.html

PATIENCE = 25
"""Seconds for which anybody waits for an answer."""

_VERSION = re.compile(rb"Version (\d+)\.")


@dataclass(frozen=True)
class Seen:
    """One request of a reader, or one attempt of an editor to change an answer and publish it."""

    at: float
    seconds: float
    outcome: str  # "ok", "stale" or "failed" for a reader; "saved", "told" or "failed" for an editor
    words: str = ""


class Facts:
    """What is known of the answers that are edited: the version that was confirmed as public, and the highest read."""

    def __init__(self, numbers):
        self.confirmed, self.read = dict.fromkeys(numbers, 0), dict.fromkeys(numbers, 0)

    def floor(self, number):
        return max(self.confirmed[number], self.read[number])


class Person(threading.Thread):
    def __init__(self, address, stop):
        super().__init__(daemon=True)
        self.address, self.stop, self.seen, self.connection = address, stop, [], None

    def ask(self, method, path, form=None, headers=None):
        """Returns (status, headers, body); raises `OSError` or `HTTPException`."""
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.address, timeout=PATIENCE)
            self.connection.connect()
            self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            body = urlencode(form) if form else None
            kind = {"Content-Type": "application/x-www-form-urlencoded"} if form else {}
            self.connection.request(method, path, body, {**(headers or {}), **kind})
            response = self.connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise


class Reader(Person):
    """Reads pages that are kept and pages that are made anew each time, and looks whether an answer is an old one."""

    def __init__(self, address, stop, facts, pages, pause):
        super().__init__(address, stop)
        self.facts, self.pages, self.pause = facts, pages, pause

    def run(self):
        while not self.stop.is_set():
            number = random.choice([None, *self.facts.confirmed])
            page = self.pages[number] if number else random.choice(self.pages[None])
            if random.random() < 0.2:
                page += f"{'&' if '?' in page else '?'}anew={random.random()}"  # nobody asked for that before
            self.read(page, number)
            time.sleep(self.pause)

    def read(self, page, number):
        floor = self.facts.floor(number) if number else 0
        at, outcome, words = time.monotonic(), "ok", ""
        try:
            status, _, body = self.ask("GET", page, headers={"Accept-Encoding": "identity"})
            if status != 200:
                outcome, words = "failed", f"{status} {page}"
            elif number:
                found = int(_VERSION.search(body)[1])
                if found < floor:
                    outcome, words = "stale", f"{found} < {floor}"
                self.facts.read[number] = max(self.facts.read[number], found)
        except (OSError, http.client.HTTPException) as error:
            outcome, words = "failed", f"{type(error).__name__} {page}"
        self.seen.append(Seen(at, time.monotonic() - at, outcome, words))


class Refused(Exception):
    """An answer that is no success. `told`: it says in words what happened and what to do."""

    def __init__(self, told, words):
        super().__init__(words)
        self.told = told


class Editor(Person):
    """Changes one answer again and again, and publishes it, through the admin's pages."""

    def __init__(self, address, stop, facts, number, pk, name):
        super().__init__(address, stop)
        self.facts, self.number, self.pk, self.username = facts, number, pk, name
        self.cookies, self.version, self.confirmed, self.refused = {}, 0, [], []

    def run(self):
        while not self.stop.is_set():
            at, outcome, words = time.monotonic(), "saved", ""
            try:
                self.edit_and_publish()
            except Refused as refused:
                self.refused.append(self.version)
                outcome, words = "told" if refused.told else "failed", str(refused)
            except (OSError, http.client.HTTPException) as error:
                outcome, words = "failed", f"{type(error).__name__}: {error}"
            self.seen.append(Seen(at, time.monotonic() - at, outcome, words))
            time.sleep(0.2 if outcome == "saved" else 0.5)

    def edit_and_publish(self):
        if "sessionid" not in self.cookies:
            self.send("/admin/login/?next=/admin/", username=self.username, password="correct horse")
        self.version += 1
        page = f"/admin/faq/question/{self.pk}/"
        self.send(f"{page}change/", **{"points-0-text": f"Version {self.version}.", "_continue": "1"})
        self.send(f"{page}publish/", note=f"Version {self.version}", override="Alone today.")
        self.facts.confirmed[self.number] = self.version
        self.confirmed.append(self.version)

    def send(self, page, **values):
        """Get a page, fill its form in and send it. Raises `Refused`."""
        form = dict(self.form(self.browse("GET", page)[2])) | values
        status, headers, body = self.browse("POST", page, form)
        if status != 302 or "/login/" in headers["Location"]:
            raise Refused(False, f"{status} for POST {page}: {self.title(body)}")

    def browse(self, method, page, form=None):
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        status, headers, body = self.ask(method, page, form, {"Cookie": cookie} if cookie else {})
        for line in headers.get_all("Set-Cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        if status >= 400 or (method == "GET" and status != 200):
            told = status == 503 and b"<h1" in body
            raise Refused(told, f"{status} for {method} {page}: {self.title(body)}")
        return status, headers, body

    @staticmethod
    def form(body):
        forms = lxml.html.fromstring(body.decode()).forms
        return max((form.form_values() for form in forms if form.method == "POST"), key=len)

    @staticmethod
    def title(body):
        found = re.search(rb"<h1[^>]*>(.*?)</h1>", body, re.DOTALL)
        return " ".join(found[1].decode(errors="replace").split()) if found else body[:80].decode(errors="replace")
