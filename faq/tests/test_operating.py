"""What operators are given in ops/deploy, run as far as one machine can: real nginx in front of real nodes, under load.

nginx, systemd's checker and openssl come from Debian's packages nginx-light, systemd and openssl; where they are
missing these tests are skipped, saying so, but never in CI."""

import contextlib
import http.client
import json
import os
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from faq.tests.conftest import LIBRARY
from faq.tests.test_commands import Site

pytestmark = pytest.mark.commands

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "ops" / "deploy"
HOST = "example.org"
WORDS = "unmistakable-words"


def needs(program, package):
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    return pytest.mark.skipif(
        found is None and os.environ.get("CI") != "true", reason=f"no {program} here: apt-get install {package}"
    )


with_nginx = [needs("nginx", "nginx-light"), needs("openssl", "openssl")]


def free_ports(count):
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def patiently(ask, seconds=30):
    """What `ask` returns as soon as it is true; an OSError is no answer yet."""
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
        [settings] = re.findall(r"^Environment=(.*)$", unit, re.M)
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
        self.http, self.https = free_ports(2)
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


class Load:
    """Readers and people who report a problem, without a pause, until told to stop."""

    def __init__(self, running):
        self.front, self.site = running.front, running.site
        self.over, self.started = threading.Event(), threading.Barrier(7)
        self.counts, self.failed = {}, []

    def __enter__(self):
        self.before = self._reports()
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
        assert self.counts[200] > 100 and self.counts.get(303, 0) + self.counts.get(429, 0) > 10
        assert self._reports() - self.before == self.counts.get(303, 0)  # none lost, and none twice

    def _reports(self):
        return self.site.sql("SELECT count(*) FROM faq_report")[0][0]

    def _go_on(self, ask, keep):
        self.started.wait(30)
        connection = None
        until = time.monotonic() + 120
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
        body, kind = "text=It+is+four+weeks.&website=&point=", "application/x-www-form-urlencoded"
        connection.request("POST", "/answers/library/2/report/", body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
        return answer.status


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """nginx in front of two nodes: `front`, `nodes`, `site`. Whoever stops a node starts it again."""
    folder = tmp_path_factory.mktemp("site")
    site = Site(folder)
    site.environment |= {"ALLOWED_HOSTS": HOST, "PROXY": "on", "PYTHONWARNINGS": ""}
    site.manage("migrate", "-v0")
    site.manage("collectstatic", "--no-input", "-v0")
    (folder / "library.txt").write_text(LIBRARY)
    site.manage("import_seed", folder / "library.txt", "--publish")
    with tempfile.TemporaryDirectory(prefix="kb-", dir="/tmp") as name:  # short: a socket's path may not be long
        short = Path(name)
        nodes = [Node(name, short, site.environment) for name in "ab"]
        front = Front(short)
        try:
            for node in nodes:
                node.start()
            front.start()
            yield SimpleNamespace(front=front, nodes=nodes, site=site)
        finally:
            front.stop()
            for node in nodes:
                node.stop()


def lines_of(node):
    return [json.loads(line) for line in node.written().splitlines()]


class TestBehindNginx:
    pytestmark = with_nginx

    @pytest.mark.parametrize("upstream", ["upstream.conf", "upstream-compose.conf"])
    def test_nginx_takes_the_configuration_without_a_warning(self, tmp_path, upstream):
        front = Front(tmp_path)
        front.write(tmp_path, upstream)
        path = tmp_path / "upstream.conf"
        path.write_text(re.sub(r"site-[ab]", "127.0.0.1", path.read_text()))  # names of containers
        checked = front.check()
        assert checked.returncode == 0 and "warn" not in checked.stderr, checked.stderr

    def test_the_site_is_told_what_nginx_saw_and_nothing_that_a_client_made_up(self, running):
        front = running.front
        with contextlib.closing(front.connect(protocols=["h2", "http/1.1"])) as connection:
            assert connection.sock.selected_alpn_protocol() == "h2"
        page = front.ask("/answers/library/2/how-long-may-i-keep-a-book/", Accept_Encoding="br")
        assert page.status == 200 and page.headers["Content-Encoding"] == "br"
        assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
        assert page.headers["Server"] == "nginx"  # without a version
        assert page.headers["Set-Cookie"] is None and page.headers["X-Request-ID"] is None
        lies = {
            "X_Forwarded_Proto": "http", "X_Forwarded_Host": "evil.example", "X_Forwarded_Port": "81",
            "Forwarded": "for=203.0.113.9;host=evil.example;proto=http", "X_Request_ID": "0123456789abcdef0123",
        }  # fmt: skip
        page = front.ask("/answers/library/2/how-long-may-i-keep-a-book/", **lies)
        assert page.status == 200 and b"evil.example" not in page.text
        assert f"https://{HOST}/answers/library/2/".encode() in page.text
        login = front.ask("/admin/login/", **lies)
        assert re.fullmatch(r"[0-9a-f]{32}", login.headers["X-Request-ID"])
        assert "; Secure" in login.headers["Set-Cookie"] and "HttpOnly" in login.headers["Set-Cookie"]
        assert login.headers["Content-Encoding"] is None  # holds a token, whose length compression would give away
        with pytest.raises(http.client.RemoteDisconnected):
            front.ask("/", Host="evil.example")

    def test_whoever_guesses_passwords_waits_whatever_address_they_claim(self, running):
        front = running.front
        page = front.ask("/admin/login/")
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        [token] = re.findall(r'name="csrfmiddlewaretoken"\s+value="(\w+)"', page.text.decode())
        body = f"csrfmiddlewaretoken={token}&username=somebody&password=wrong&next=/admin/"
        kind = {"Content_Type": "application/x-www-form-urlencoded", "Cookie": cookie, "Referer": f"https://{HOST}/"}
        for number in range(11):
            claimed = f"203.0.113.{number}"
            lies = {"X_Forwarded_For": claimed, "X_Real_IP": claimed}
            answer = front.ask("/admin/login/", "POST", body, source="127.0.0.4", **lies, **kind)
        assert answer.status == 429
        other = front.ask("/admin/login/", "POST", body, source="127.0.0.5", **kind)
        assert other.status == 200  # somebody else's address

    def test_plain_http_leads_to_https_and_other_names_to_nothing(self, running):
        front = running.front
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", front.http, timeout=10)) as plain:
            plain.request("GET", f"/questions/?q={WORDS}", headers={"Host": HOST})
            answer = plain.getresponse()
            assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/questions/?q={WORDS}")
            answer.read()
            plain.request("GET", "/", headers={"Host": "evil.example"})
            with pytest.raises(http.client.RemoteDisconnected):
                plain.getresponse()
        with pytest.raises(ssl.SSLError):
            front.connect(host="evil.example")

    def test_what_is_said_of_backups_and_migrations_is_kept_from_strangers(self, running):
        front = running.front
        assert b"database: ok" in front.ask("/readyz").text
        assert front.ask("/readyz", source="127.0.0.2").status == 403
        assert front.ask("/healthz", source="127.0.0.2").text == b"alive\n"

    def test_no_log_knows_who_read_what(self, running):
        """Of nginx's and the site's: while all is well, when a page fails, and when nobody is left to answer."""
        front, nodes, site = running.front, running.nodes, running.site
        reader = {"User_Agent": "agent-of-somebody", "Referer": "https://elsewhere.example/"}
        before = front.log("access.log")
        assert front.ask(f"/questions/?q={WORDS}", source="127.0.0.3", **reader).status == 200
        assert front.log("access.log") == before and front.log("all.log") == ""
        site.sql("ALTER TABLE faq_synonym RENAME TO gone")
        failed = front.ask(f"/questions/?q={WORDS}2", source="127.0.0.3", **reader)
        assert failed.status == 500
        site.sql("ALTER TABLE gone RENAME TO faq_synonym")
        for node in nodes:
            assert node.stop() == 0
        assert front.ask(f"/questions/?q={WORDS}3", source="127.0.0.3", **reader).status == 502
        first, last = map(json.loads, front.log("access.log").removeprefix(before).splitlines())
        assert (first["message"], last["message"]) == ("answered 500", "answered 502")
        [error] = [line for node in nodes for line in lines_of(node) if line["level"] == "ERROR"]
        assert error["route"] == "question_list" and error["error"][0]["message"] == "no such table: faq_synonym"
        assert error["request"] == failed.headers["X-Request-ID"] == first["request"]
        said = [line["message"] for line in lines_of(nodes[0])]
        assert said[0].startswith("Starting granian") and "started" in said
        everything = "".join(path.read_text() for path in front.folder.glob("*.log"))
        for trace in (WORDS, "127.0.0.3", *reader.values(), "questions/"):
            assert trace not in everything, trace
        for node in nodes:
            node.log.unlink()
            node.start()


class TestUnderLoad:
    pytestmark = with_nginx

    def test_workers_come_and_go_without_a_failed_request(self, running):
        """Both nodes take new workers at once, three times."""
        with Load(running) as load:
            for _ in range(3):
                with ThreadPoolExecutor(2) as both:
                    list(both.map(Node.reload, running.nodes))
        load.assert_nothing_lost()

    def test_nodes_are_replaced_one_after_the_other_without_a_failed_request(self, running):
        with Load(running) as load:
            for _ in range(2):
                for node in running.nodes:
                    assert node.stop() == 0, node.written()
                    node.start()
        load.assert_nothing_lost()
        # (Of workers that have just gone, granian says now and then that they refused to: two of its threads wait.)
        assert [line for node in running.nodes for line in lines_of(node) if line["level"] == "ERROR"] == []
