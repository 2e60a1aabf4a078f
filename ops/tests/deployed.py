"""Starts the files of ops/deploy for tests: nodes by their systemd unit, nginx in front, and load.

nginx, systemd's checker and openssl come from Debian's packages nginx-light, systemd and openssl; where they are
missing the tests that need them are skipped, saying so, but never in CI."""

import contextlib
import http.client
import importlib.util
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.servers import ROOT, free_port

DEPLOY = ROOT / "ops" / "deploy"
HOST = "example.org"
WORDS = "unmistakable-words"
FORM = "/answers/library/2/report/"


def program_of(path):
    """A program of ours as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def needs(program, package):
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return pytest.mark.skipif(
        found is None and os.environ.get("CI") != "true", reason=f"no {program} here: apt-get install {package}"
    )


with_nginx = [needs("nginx", "nginx-light"), needs("openssl", "openssl")]


def patiently(ask, seconds=30):
    """Call `ask` until its result is true, and return that; an `OSError` counts as false."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if answer := ask():
                return answer
        time.sleep(0.05)
    raise AssertionError(f"{ask} stayed without an answer")


class Node:
    """A node of the site, by the very command of its systemd unit, on a socket in `folder`."""

    def __init__(self, name, folder, environment):
        self.name, self.socket = name, folder / f"{name}.sock"
        self.log = folder / f"{name}.log"
        unit = (DEPLOY / "systemd" / "kb-site@.service").read_text().replace("\\\n", " ")
        [command] = re.findall(r"^ExecStart=(.*)$", unit, re.M)
        places = {
            "/opt/kb-site/current/.venv/bin": str(Path(sys.executable).parent),
            "/run/kb-site/%i.sock": str(self.socket),
            "/opt/kb-site/current": str(ROOT),
        }
        for place, instead in places.items():
            command = command.replace(place, instead)
        assert "%i" not in command and "/opt" not in command.replace(str(Path(sys.executable).parent), "")
        self.command = shlex.split(command)
        settings = " ".join(re.findall(r"^Environment=(.*)$", unit, re.M))
        fixed = dict(entry.split("=", 1) for entry in shlex.split(settings))
        self.environment = environment | {name: fixed[name] for name in ("PYTHONDONTWRITEBYTECODE", "LOG_FORMAT")}
        self.environment["PYTHONPATH"] = str(ROOT)
        self.process = None

    def start(self):
        self.socket.unlink(missing_ok=True)
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        patiently(self.is_ready)

    def is_ready(self):
        assert self.process.poll() is None, self.written()
        return self.ask("/readyz").startswith(b"HTTP/1.1 200")

    def ask(self, path):
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(10)
            line.connect(str(self.socket))
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
            return b"".join(iter(lambda: line.recv(65536), b""))

    def workers(self):
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return {int(pid) for pid in children}

    def reload(self):
        """As ExecReload says; returns when the old workers have gone."""
        before = self.workers()
        self.process.send_signal(signal.SIGHUP)
        patiently(lambda: self.workers() and not self.workers() & before)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
        return self.process.returncode

    def written(self):
        return self.log.read_text()


class Front:
    """nginx with the configuration that operators get; only ports, places and certificates are the test's."""

    def __init__(self, folder):
        self.folder = folder
        self.http, self.https = free_port(), free_port()
        self.process = None
        subject = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "key.pem"]
        command = ["openssl", "req", "-x509", *key, "-out", "certificate.pem", "-days", "2", *subject]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        self.write(sockets=folder)

    def write(self, sockets, upstream="upstream.conf"):
        text = (DEPLOY / "nginx" / "kb-site.conf").read_text()
        text = re.sub(r"\n *listen \[::\][^\n]*", "", text)
        text = text.replace("listen 80", f"listen 127.0.0.1:{self.http}")
        text = text.replace("listen 443", f"listen 127.0.0.1:{self.https}")
        text = text.replace(f"/etc/letsencrypt/live/{HOST}/fullchain.pem", f"{self.folder}/certificate.pem")
        text = text.replace(f"/etc/letsencrypt/live/{HOST}/privkey.pem", f"{self.folder}/key.pem")
        text = text.replace("/etc/nginx/kb-site-upstream.conf", f"{self.folder}/upstream.conf")
        text = text.replace("/var/log/nginx", str(self.folder))
        (self.folder / "site.conf").write_text(text)
        nodes = (DEPLOY / "nginx" / upstream).read_text().replace("/run/kb-site", str(sockets))
        (self.folder / "upstream.conf").write_text(nodes)
        temporary = "".join(
            f"{kind}_temp_path {self.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        who = "user root;" if os.geteuid() == 0 else ""  # who may reach the test's own folder
        (self.folder / "nginx.conf").write_text(
            f"daemon off; {who} worker_processes 1; pid {self.folder}/nginx.pid;\n"
            f"error_log {self.folder}/nginx.log warn;\nevents {{ worker_connections 512; }}\n"
            f"http {{ {temporary} gzip on; access_log {self.folder}/all.log; include {self.folder}/site.conf; }}\n"
        )

    def command(self, *more):
        nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        return [nginx, "-e", str(self.folder / "nginx.log"), "-c", str(self.folder / "nginx.conf"), *more]

    def check(self):
        return subprocess.run(self.command("-t"), capture_output=True, text=True, timeout=30)

    def start(self):
        self.http, self.https = free_port(), free_port()  # anew: it may be long since the first ones were free
        self.write(sockets=self.folder)
        self.process = subprocess.Popen(self.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        patiently(lambda: self.ask("/healthz").status == 200)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=20)

    def connect(self, host=HOST, source="127.0.0.1", protocols=()):
        trust = ssl.create_default_context(cafile=self.folder / "certificate.pem")
        if protocols:
            trust.set_alpn_protocols(protocols)
        line = socket.create_connection(("127.0.0.1", self.https), timeout=15, source_address=(source, 0))
        connection = http.client.HTTPSConnection(HOST, timeout=15)
        try:
            connection.sock = trust.wrap_socket(line, server_hostname=host)
        except ssl.SSLError:
            line.close()
            raise
        return connection

    def ask(self, path, method="GET", body=None, source="127.0.0.1", **headers):
        """One request on a connection of its own; the answer with its body in `text`."""
        connection = self.connect(source=source)
        with contextlib.closing(connection):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            answer.text = answer.read()
            return answer

    def log(self, name):
        path = self.folder / name
        return path.read_text() if path.exists() else ""


def _token(page):
    return re.search(rb'name="token" value="([^"]+)"', page)[1].decode()


class Load:
    """Readers and people who report a problem, without a pause, until told to stop."""

    def __init__(self, running):
        self.front, self.site = running.front, running.site
        self.over, self.started = threading.Event(), threading.Barrier(7)
        self.counts, self.failed = {}, []

    def __enter__(self):
        self.before = self._reports()
        self.tokens = deque(_token(self.front.ask(FORM).text) for _ in range(30))
        time.sleep(4)  # until the forms are accepted
        kinds = [(self._read, True)] * 2 + [(self._read, False)] * 2 + [(self._report, False)] * 2
        self.pool = ThreadPoolExecutor(len(kinds))
        self.jobs = [self.pool.submit(self._go_on, *kind) for kind in kinds]
        self.started.wait(30)
        return self

    def __exit__(self, *error):
        self.over.set()
        self.pool.shutdown()
        for job in self.jobs:
            job.result()

    def assert_nothing_lost(self):
        assert self.failed == [], self.counts
        assert self.counts[200] > 50 and self.counts.get(303, 0) + self.counts.get(429, 0) > 10
        assert self._reports() - self.before == self.counts.get(303, 0)  # none lost, and none twice

    def _reports(self):
        return self.site.sql("SELECT count(*) FROM faq_report")[0][0]

    def _go_on(self, ask, keep):
        self.started.wait(30)
        connection = None
        until = time.monotonic() + 400
        while not self.over.is_set() and time.monotonic() < until:
            try:
                if connection is None or connection.sock is None:  # nginx ends one after a thousand requests
                    connection = self.front.connect()
                status = ask(connection)
                if status >= 500:
                    self.failed.append((ask.__name__, status))
                self.counts[status] = self.counts.get(status, 0) + 1
            except (OSError, http.client.HTTPException) as error:
                self.failed.append((ask.__name__, repr(error)))
                if connection:
                    connection.close()
                connection = None
            if connection and not keep:
                connection.close()
                connection = None
        if connection:
            connection.close()

    def _read(self, connection):
        path = ("/", "/answers/library/2/how-long-may-i-keep-a-book/", "/questions/?q=card", "/admin/login/")
        connection.request("GET", path[sum(self.counts.values()) % len(path)])
        answer = connection.getresponse()
        assert b"</html>" in answer.read()
        return answer.status

    def _report(self, connection):
        """Send each form until it is stored; those that come after twenty others have to wait."""
        if not self.tokens:
            connection.request("GET", FORM)
            answer = connection.getresponse()
            self.tokens.append(_token(answer.read()))
            return answer.status
        token, kind = self.tokens.popleft(), {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", FORM, f"text=It+is+four+weeks.&website=&point=&token={token}", kind)
        answer = connection.getresponse()
        answer.read()
        if answer.status != 303:
            self.tokens.append(token)
        return answer.status
