"""One installation in a scratch folder, served as `make run` serves it, and the people who use it over HTTP."""

import contextlib
import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import quote, urlencode

import lxml.html

ROOT = Path(__file__).resolve().parents[2]
COLLECTION = "wyoming-courts-ice"
PATIENCE = 60
"""Seconds after which something that should have happened is given up on."""


class Site:
    """An installation: a folder, and what its processes find in their environment."""

    def __init__(self, folder, port, **variables):
        self.folder, self.port = Path(folder), port
        own = ("DJANGO_", "DATABASE_", "CACHE_", "SECRET_", "PYTEST_", "GRANIAN_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
        self.environment = kept | {"VAR_DIR": str(folder), "HOST": "127.0.0.1", "PORT": str(port), **variables}
        self.passwords, self.server = {}, None
        self.log = self.folder.with_name(f"{self.folder.name}.log")

    @property
    def database(self):
        return self.folder / "kb.sqlite3"

    @property
    def sqlite(self):
        return "DATABASE_URL" not in self.environment

    def manage(self, *arguments, check=True):
        """Run a command as an operator would. Returns what it printed."""
        command = [sys.executable, "manage.py", *map(str, arguments)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"manage.py {' '.join(map(str, arguments))} failed:\n{done.stdout}{done.stderr}")
        return done.stdout if check else done

    def prepare(self):
        """Fill the database as the first start does: the seed, an editor, a publisher."""
        printed = self.manage("prepare")
        self.passwords = dict(re.findall(r"log in as (\w+) +password (\S+)", printed))

    def copied_to(self, folder, port, **variables):
        """The same site in another folder (with its database, where that is a file there)."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        other = Site(folder, port, **variables)
        other.passwords = self.passwords
        return other

    def start(self):
        makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
        [options] = re.findall(r"granian (--interface .*)", makefile)
        options = options.replace("$(HOST)", "127.0.0.1").replace("$(PORT)", str(self.port))
        granian = Path(sys.executable).with_name("granian")
        with self.log.open("a") as log:
            self.server = subprocess.Popen(
                [granian, *shlex.split(options)],
                cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        wait_for(self.answers, "the server answers")

    def answers(self):
        return Browser(self.port).get("/healthz").status == 200

    def stop(self):
        if self.server and self.server.poll() is None:
            self.server.terminate()
            try:
                self.server.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.server.pid, signal.SIGKILL)
                self.server.wait()
        self.server = None

    @contextlib.contextmanager
    def running(self):
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def workers(self):
        """Process ids of the server's workers."""
        found = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(path.read_text().rpartition(")")[2].split()[1])
                if parent == self.server.pid and b"resource_tracker" not in path.with_name("cmdline").read_bytes():
                    found.append(int(path.parent.name))
        return found

    def errors(self):
        """The errors in the server's log, each kind once."""
        found = re.findall(r"^([\w.]*(?:Error|Exception|Violation))\b(.*)$", self.log.read_text(), re.MULTILINE)
        return [f"{name}{text}" for name, text in dict(reversed(found)).items()]


def wait_for(condition, what, seconds=PATIENCE):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if condition():
            return
        time.sleep(0.1)
    raise RuntimeError(f"Waited {seconds} seconds in vain: {what}.")


def free_port(first, last):
    """A port of 127.0.0.1 that nobody listens on."""
    for port in range(first, last + 1):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(f"No port from {first} to {last} is free.")


@dataclass
class Answer:
    """What came back: 0 as the status is no answer at all."""

    status: int
    headers: dict = field(default_factory=dict)
    text: str = ""

    @property
    def words(self):
        """The page's heading and the paragraph below it."""
        found = re.findall(r"<h1.*?</h1>|<p class=\"(?:lead|banner|errornote)\".*?</p>", self.text, re.DOTALL)
        return ": ".join(" ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split()) for part in found)


class Browser:
    """A browser without scripts: cookies, forms, and redirects that it follows."""

    def __init__(self, port, timeout=30):
        self.port, self.timeout, self.cookies, self.path = port, timeout, {}, ""

    def get(self, path):
        return self._ask("GET", path)

    def post(self, path, pairs):
        return self._ask("POST", path, urlencode(pairs))

    def fill_in(self, page, pressed=None, **changes):
        """The pairs that a browser would send for the page's form, with some fields changed.

        `changes` may name a field by the end of its name, with `__` for `-`."""
        forms = [form for form in lxml.html.fromstring(page.text).forms if form.method == "POST"]
        form = max(forms, key=lambda form: len(form.fields))
        pairs = [(name, value) for name, value in form.form_values() if name not in changes]
        pairs += changes.items()
        return pairs + ([(pressed, "1")] if pressed else [])

    def _ask(self, method, path, body=None):
        for _ in range(5):
            answer = self._once(method, path, body)
            if answer.status not in (301, 302, 303):
                self.path = path
                return answer
            path, method, body = answer.headers["location"], "GET", None
        return answer

    def _once(self, method, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        headers = {"Host": f"127.0.0.1:{self.port}"}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, quote(path, safe="/?&=%:,+~#"), body, headers)
            response = connection.getresponse()
            text = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return Answer(0, text=f"{type(error).__name__}: {error}")
        finally:
            connection.close()
        for line in response.headers.get_all("Set-Cookie") or []:
            name, _, value = line.partition(";")[0].partition("=")
            self.cookies[name] = value
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, text)
