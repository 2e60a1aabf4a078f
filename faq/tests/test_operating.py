"""What operators are given in ops/deploy, run as far as one machine can: real nginx in front of real nodes, under load.

nginx, systemd's checker and openssl come from Debian's packages nginx-light, systemd and openssl; where they are
missing these tests are skipped, saying so, but never in CI."""

import contextlib
import http.client
import importlib.util
import json
import os
import re
import shlex
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from django.core.management import get_commands

from faq.tests.conftest import LIBRARY
from faq.tests.test_commands import Site
from kb_site import settings as settings_of_the_site

pytestmark = pytest.mark.commands

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "ops" / "deploy"
HOST = "example.org"
WORDS = "unmistakable-words"


def program_of(path):
    """A program of ours as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


jobs, audit = program_of(DEPLOY / "jobs.py"), program_of(ROOT / "ops" / "audit.py")


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
        self.http, self.https = free_ports(2)  # anew: it may be long since the first ones were free
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
        assert failed.status in (500, 503)
        site.sql("ALTER TABLE gone RENAME TO faq_synonym")
        for node in nodes:
            assert node.stop() == 0
        assert front.ask(f"/questions/?q={WORDS}3", source="127.0.0.3", **reader).status == 502
        first, last = map(json.loads, front.log("access.log").removeprefix(before).splitlines())
        assert (first["message"], last["message"]) == (f"answered {failed.status}", "answered 502")
        said = [line for node in nodes for line in lines_of(node) if line["logger"] == "django.request"]
        error = said[0]
        assert {line["request"] for line in said} == {error["request"]}  # nginx asked the other node, too
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
        said = [line for node in running.nodes for line in lines_of(node) if line["level"] == "ERROR"]
        assert [line for line in said if line["logger"] in ("_granian", "django.request")] == []


UNITS = sorted((DEPLOY / "systemd").glob("kb-site*.service")) + sorted((DEPLOY / "systemd").glob("kb-site*.timer"))


class TestSystemd:
    pytestmark = needs("systemd-analyze", "systemd")

    def test_the_units_are_well_formed(self, tmp_path):
        """With the programs that they start where these tests have them."""
        for path in UNITS:
            text = path.read_text().replace("/opt/kb-site/current/.venv/bin", str(Path(sys.executable).parent))
            text = text.replace("User=kb-site", "User=daemon").replace("Group=kb-site", "Group=daemon")
            text = text.replace("file:/opt/kb-site/current/", f"file:{ROOT}/")
            for name in {path.name, path.name.replace("@.", "@a.")}:  # the template, and one that is made from it
                (tmp_path / name).write_text(text)
        names = [str(tmp_path / path.name.replace("@.", "@a.")) for path in UNITS]
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", *names],
            capture_output=True, text=True, timeout=60, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
        )  # fmt: skip
        assert done.returncode == 0 and done.stderr == "", done.stderr

    @pytest.mark.parametrize("name", ["kb-site@.service", "kb-site-job@.service"])
    def test_what_runs_the_site_may_do_little_else(self, name):
        command = ["systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold=20"]
        done = subprocess.run([*command, str(DEPLOY / "systemd" / name)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout[-300:]  # an exposure of at most 2.0 of 10

    def test_times_are_what_they_are_meant_to_be(self):
        for path in UNITS:
            for when in re.findall(r"^OnCalendar=(.*)$", path.read_text(), re.M):
                done = subprocess.run(["systemd-analyze", "calendar", when], capture_output=True, text=True, timeout=60)
                assert done.returncode == 0, (path.name, done.stderr)


@pytest.mark.pure
def test_the_guide_names_what_is_there():
    guide = (ROOT / "docs" / "operating.md").read_text()
    commands = set(re.findall(r"kb-site manage\.py ([a-z_]+)", guide)) - {"help"}
    assert len(commands) > 8 and commands <= set(get_commands())
    for name in re.findall(r"(?<![\w/])(?:systemd|nginx)/[\w.*-]+\w", guide):
        assert list(DEPLOY.glob(name)), name
    for path in re.findall(r"(ops/[\w/-]+\.\w+)", guide):
        assert (ROOT / path).exists(), path
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"`make ([a-z]+)", guide)) <= targets
    messages = {line.split("`")[1] for line in guide.splitlines() if re.match(r"\| `[a-z0-9… :]+` \| ", line)}
    assert {"started", "admin", "slow", "refused: …", "answered 500 …"} <= messages


def calendar(how, day, clock):
    days = {"daily": "*-*-*", "weekly": f"{['Mon', 'Tue'][day or 0]} *-*-*", "monthly": "*-*-01"}
    return f"{days[how]} {clock}:00"


@pytest.mark.pure
def test_timers_and_containers_start_the_same_commands_at_the_same_times():
    timers = {}
    for path in (DEPLOY / "systemd").glob("*.timer"):
        text = path.read_text()
        [job] = re.findall(r"^Unit=kb-site-job@(\w+)\.service$", text, re.M)
        [timers[job]] = re.findall(r"^OnCalendar=(.*)$", text, re.M)
        assert path.stem == f"kb-site-{job.replace('_', '-')}" and "Persistent=yes" in text
    assert timers == {job: calendar(*when) for job, when in jobs.JOBS.items()}
    assert set(timers) <= set(get_commands())


@pytest.mark.pure
@pytest.mark.parametrize(
    ("job", "now", "last"),
    [
        ("backup", "2026-03-05 02:10", "2026-03-05 02:10"),
        ("backup", "2026-03-05 02:09", "2026-03-04 02:10"),
        ("verify_log", "2026-03-05 12:00", "2026-03-02 04:10"),
        ("check_links", "2026-03-03 04:09", "2026-02-24 04:10"),
        ("verify_backup", "2026-03-01 05:09", "2026-02-01 05:10"),
        ("verify_backup", "2026-03-31 00:00", "2026-03-01 05:10"),
    ],
)
def test_a_job_is_due_once_for_each_time_also_when_it_was_missed(job, now, last):
    now, last = (datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (now, last))
    assert jobs.last_time(job, now) == last
    assert jobs.due(now, {job: last - timedelta(seconds=1)}) == [job]
    assert jobs.due(now, {job: last}) == []


def test_the_containers_timer_runs_what_is_due_notes_it_and_stops_when_told(tmp_path):
    site = Site(tmp_path)
    site.environment["PYTHONWARNINGS"] = ""
    site.manage("migrate", "-v0")
    long_ago = dict.fromkeys(("backup", "reviews_due"), "2026-01-01T00:00:00+00:00")
    (tmp_path / "var" / "jobs.json").write_text(json.dumps(long_ago))
    process = site.start(DEPLOY / "jobs.py")
    said = [json.loads(process.stdout.readline()) for _ in range(5)]
    process.terminate()
    rest = process.communicate(timeout=30)[0]
    assert process.returncode == 0 and rest == b""
    assert [(line["message"], line.get("job")) for line in said] == [
        ("waiting", None), ("started", "backup"), ("ended", "backup"), ("started", "reviews_due"),
        ("ended", "reviews_due"),
    ]  # fmt: skip
    assert said[2]["status"] == 0 and "Prove it: manage.py verify_backup" in said[2]["said"]
    assert len(list((tmp_path / "var" / "backups").iterdir())) == 1
    noted = json.loads((tmp_path / "var" / "jobs.json").read_text())
    assert set(noted) == set(jobs.JOBS) and noted["backup"] > "2026-01-02"


@pytest.mark.pure
class TestContainers:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    dockerfile = (DEPLOY / "Dockerfile").read_text()

    def test_every_variable_that_is_set_is_one_that_the_settings_know(self):
        known = set(re.findall(r"^    ([A-Z_]+) ", settings_of_the_site.__doc__, re.M))
        known |= {f"{name}_FILE" for name in known}
        ours = [service for service in self.compose["services"].values() if service["image"] == "kb-site"]
        assert len(ours) == 4
        for service in ours:
            assert set(service["environment"]) <= known
        names = re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "environment").read_text(), re.M)
        names += re.findall(r"^#?([A-Z_]+)=", (DEPLOY / "compose.env.example").read_text(), re.M)
        assert set(names) <= known and {"ALLOWED_HOSTS", "PROXY", "DATABASE_URL"} <= set(names)
        python = {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
        assert (
            set(re.findall(r"\b([A-Z_]+)=", re.findall(r"\nENV (PATH(?:.*\\\n)*.*)", self.dockerfile)[0]))
            <= known | python
        )

    def test_nothing_runs_as_root_on_a_root_that_can_be_written(self):
        for name, service in self.compose["services"].items():
            assert "no-new-privileges:true" in service["security_opt"], name
            if name != "postgres":
                assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert re.findall(r"^USER (.*)$", self.dockerfile, re.M) == ["10001:10001"]

    def test_only_nginx_can_be_reached_from_outside(self):
        assert [name for name, service in self.compose["services"].items() if "ports" in service] == ["nginx"]
        assert self.compose["networks"]["inside"]["internal"] is True
        for name in ("postgres", "cache", "prepare", "site-a", "site-b"):
            assert self.compose["services"][name]["networks"] == ["inside"]

    def test_all_that_is_mounted_and_copied_exists(self):
        mounted = [v.split(":")[0] for s in self.compose["services"].values() for v in s.get("volumes", [])]
        for path in [path for path in mounted if path.startswith("./")]:
            assert (DEPLOY / path).exists(), path
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", self.dockerfile, re.M):
            for path in line.split():
                assert (ROOT / path).exists(), path
                assert f"!{path}\n" in (DEPLOY / "Dockerfile.dockerignore").read_text(), path
        named = {volume for volume in mounted if re.fullmatch(r"[a-z]+", volume)}
        assert named == set(self.compose["volumes"])
        used = {secret for service in self.compose["services"].values() for secret in service.get("secrets", [])}
        assert used == set(self.compose["secrets"])


def test_the_steps_of_the_dockerfile_make_a_site_that_runs_on_a_root_that_cannot_be_written(tmp_path):
    """No engine is needed for it: the COPY and RUN lines are carried out by hand, and the command is started where only
    a scratch folder may be written. (The packages are those of these tests, whose lock holds the server's.)"""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    build, last = text.split("\nFROM ")[1:]
    root = tmp_path / "opt"
    root.mkdir()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().split("*\n", 1)[1]
    assert "faq/tests" in ignored and "**/__pycache__" in ignored
    for line in re.findall(r"^COPY (?!--from)(.*)$", build, re.M):
        *sources, target = line.split()
        for source in sources:
            path, goal = ROOT / source, root / source if target == "./" else root / target
            if path.is_dir():
                shutil.copytree(path, goal, ignore=shutil.ignore_patterns("__pycache__", "*.pyc", "tests"))
            else:
                shutil.copy(path, goal)
    (root / ".venv").symlink_to(Path(sys.executable).parents[1])
    [collect] = [line for line in re.findall(r"^RUN (.*)$", build, re.M) if "collectstatic" in line]
    collect = collect.replace("/opt/kb-site", str(root)).replace("/tmp/build", str(tmp_path / "build"))
    collect = collect.replace(" .venv/lib", "")
    subprocess.run(["sh", "-ec", collect], cwd=root, env=clean_environment(), check=True, capture_output=True)
    assert (root / "collected" / "staticfiles.json").exists()

    state = tmp_path / "state"
    state.mkdir()
    [variables] = re.findall(r"^ENV (PATH=.*)$", last, re.M)
    [port] = free_ports(1)
    places = {"/opt/kb-site": str(root), "/var/lib/kb-site": str(state), "$PATH": os.environ["PATH"]}
    for place, instead in places.items():
        variables = variables.replace(place, instead)
    environment = clean_environment() | dict(entry.split("=", 1) for entry in shlex.split(variables))
    environment |= {"ALLOWED_HOSTS": "example.org", "PROXY": "on", "PORT": str(port), "HOME": str(state)}
    command = json.loads(re.findall(r"^CMD (.*)$", last, re.M)[-1])
    command = [word.replace("0.0.0.0", "127.0.0.1").replace("8000", str(port)) for word in command]
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink() and ".venv" not in path.parts:
            path.chmod(0o555 if path.is_dir() else 0o444)
    # Root without its powers: the files say who may write, and nobody may. (Another user could not reach Python where
    # that lies in root's own folder.)
    bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    facts = {"cwd": root, "env": environment}
    for attempt in (root / "kb_site" / "new.py", root / "collected" / "new.css", root / "new"):
        assert subprocess.run([*bare, "touch", attempt], capture_output=True).returncode != 0
    migrate = [*bare, sys.executable, "manage.py", "migrate", "--no-input", "-v0"]
    subprocess.run(migrate, check=True, capture_output=True, timeout=120, **facts)
    check = [*bare, sys.executable, *json.loads(re.findall(r"CMD (\[\"python\".*?\])", last)[0])[1:]]
    assert subprocess.run(check, capture_output=True, timeout=30, **facts).returncode != 0  # not yet
    command[0] = str(Path(sys.executable).parent / command[0])
    out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    server = subprocess.Popen([*bare, *command], **out, **facts)
    try:
        patiently(lambda: subprocess.run(check, capture_output=True, timeout=30, **facts).returncode == 0)
    finally:
        server.terminate()
        written = server.communicate(timeout=60)[0]
    lines = [json.loads(line) for line in written.splitlines()]
    assert server.returncode == 0 and "started" in [line["message"] for line in lines], written
    assert {path.name for path in state.iterdir()} <= {"kb.sqlite3", "kb.sqlite3-wal", "kb.sqlite3-shm", "secret_key"}


def clean_environment():
    kept = ("PATH", "LANG", "LC_ALL", "HOME", "TMPDIR")
    return {name: os.environ[name] for name in kept if name in os.environ}


@pytest.mark.pure
def test_an_audit_that_audited_nothing_does_not_say_that_all_is_well():
    known = {"name": "alpha", "version": "1", "vulns": []}
    bad = {"name": "beta", "version": "2", "vulns": [{"id": "X-1", "aliases": ["Y-1"], "fix_versions": ["3"]}]}
    unknown = {"name": "gamma", "skip_reason": "not found"}
    assert audit.verdict({"dependencies": [unknown]}) == ([], [], ["gamma"])
    assert audit.verdict({"dependencies": [known, unknown]}) == ([], ["alpha"], ["gamma"])
    assert audit.verdict({"dependencies": [known, bad]})[0] == ["beta 2: X-1, Y-1 (mended in 3)"]
    done = subprocess.run(
        [sys.executable, ROOT / "ops" / "audit.py", "/no/such/program"], capture_output=True, text=True
    )
    assert done.returncode == 0 and "NOT AUDITED: no service of vulnerabilities can be reached" in done.stdout
    must = [sys.executable, ROOT / "ops" / "audit.py", "/no/such/program", "--must"]
    assert subprocess.run(must, capture_output=True).returncode == 1


# Stands in for systemd: starts a node anew by the unit's command, with the code that is current.
SYSTEMCTL = """#!{python}
import json, os, signal, subprocess, sys, time
folder = {folder!r}
name = sys.argv[2].partition("@")[2]
assert sys.argv[1] == "restart"
path = os.path.join(folder, name + ".json")
with open(path) as file:
    node = json.load(file)
if node["pid"]:
    os.kill(node["pid"], signal.SIGTERM)
    while os.path.exists("/proc/%d/exe" % node["pid"]) and open("/proc/%d/stat" % node["pid"]).read().split()[2] != "Z":
        time.sleep(0.05)
if os.path.exists(node["socket"]):
    os.unlink(node["socket"])
with open(os.path.join(folder, name + ".log"), "a") as log:
    started = subprocess.Popen(node["command"], cwd=node["home"], env=node["environment"], stdout=log, stderr=log)
with open(path, "w") as file:
    json.dump(node | {{"pid": started.pid}}, file)
"""


class TestUpgrade:
    pytestmark = [*with_nginx, needs("git", "git"), needs("curl", "curl")]

    @pytest.fixture
    def server(self, tmp_path):
        """A machine as docs/operating.md sets it up, with a stand-in for systemd."""
        with tempfile.TemporaryDirectory(prefix="kb-", dir="/tmp") as name:
            folder = Path(name)
            server = Server(folder, tmp_path)
            try:
                yield server
            finally:
                server.stop()

    def test_a_version_is_put_into_service_and_taken_back_under_load(self, server):
        first, second = server.commit("1.0.0"), server.commit("2.0.0")
        server.upgrade(first)  # the first one: there is nothing to copy yet, and nothing runs
        server.front.start()
        assert server.versions() == ["1.0.0", "1.0.0"] and not (server.state / "backups").exists()
        (server.folder / "library.txt").write_text(LIBRARY)
        server.run("kb-site", "manage.py", "import_seed", str(server.folder / "library.txt"), "--publish")
        with Load(server) as load:
            said = server.upgrade(second)
        load.assert_nothing_lost()
        assert server.versions() == ["2.0.0", "2.0.0"] and len(list((server.state / "backups").iterdir())) == 1
        assert "node a runs" in said and "node b runs" in said
        server.upgrade(first)
        assert server.versions() == ["1.0.0", "1.0.0"]

    def test_a_version_that_cannot_migrate_changes_nothing(self, server):
        first = server.commit("1.0.0")
        server.upgrade(first)
        command = "from django.core.management.commands.migrate import Command as Real, CommandError\n"
        command += "class Command(Real):\n"
        command += "    def handle(self, *arguments, **options): raise CommandError('no migration today')\n"
        broken = server.commit("2.0.0", {"faq/management/commands/migrate.py": command})
        refused = server.run("kb-site-upgrade", broken, code=1)
        assert "could not be migrated. Nodes were not touched" in refused, refused[-900:]
        assert (server.home / "current").readlink().name == first[:12] and server.versions() == ["1.0.0", "1.0.0"]


class Server:
    """`home` is as /opt/kb-site, `state` as /var/lib/kb-site; nodes and nginx as in the other tests."""

    def __init__(self, folder, tmp_path):
        self.folder, self.home, self.state = folder, tmp_path / "opt", tmp_path / "state"
        self.state.mkdir()
        (self.home / "releases").mkdir(parents=True)
        git = ["git", "-c", "safe.directory=*"]
        subprocess.run([*git, "clone", "-q", ROOT, self.home / "source"], check=True, capture_output=True)
        programs = folder / "bin"
        programs.mkdir()
        for name in ("kb-site", "kb-site-upgrade"):
            shutil.copy(DEPLOY / name, programs)
        # An environment takes a minute to install; the packages are those of these tests.
        python = f'#!/bin/sh\n[ "$2" = venv ] || exit 1\nln -s {Path(sys.executable).parents[1]} "$3"\n'
        self._program("python-for-venv", python)
        self._program("systemctl", SYSTEMCTL.format(python=sys.executable, folder=str(folder)))
        (folder / "environment").write_text(f"ALLOWED_HOSTS={HOST}\nPROXY=on\nVAR_DIR={self.state}\n")
        self.environment = clean_environment() | {
            "PATH": f"{programs}:{os.environ['PATH']}", "PYTHON": str(programs / "python-for-venv"),
            "KB_SITE_HOME": str(self.home), "KB_SITE_SOCKETS": str(folder), "KB_SITE_USER": "root",
            "KB_SITE_ENVIRONMENT": str(folder / "environment"), "PIP_NO_INDEX": "1",
        }  # fmt: skip
        settings = clean_environment() | {"ALLOWED_HOSTS": HOST, "PROXY": "on", "VAR_DIR": str(self.state)}
        for name in "ab":
            node = Node(name, folder, settings)
            command = [word.replace(str(ROOT), str(self.home / "current")) for word in node.command]
            environment = node.environment | {"PYTHONPATH": str(self.home / "current")}
            facts = {"pid": 0, "socket": str(node.socket), "home": str(self.home / "current"), "command": command}
            (folder / f"{name}.json").write_text(json.dumps(facts | {"environment": environment}))
        self.front = Front(folder)
        self.site = self

    def _program(self, name, text):
        path = self.folder / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def sql(self, statement):
        with contextlib.closing(sqlite3.connect(self.state / "kb.sqlite3")) as connection:
            return connection.execute(statement).fetchall()

    def commit(self, version, files=()):
        """A version of the code, by its commit."""
        source = self.home / "source"
        project = source / "pyproject.toml"
        project.write_text(re.sub(r'^version = ".*"', f'version = "{version}"', project.read_text(), flags=re.M))
        for path, text in dict(files).items():
            (source / path).write_text(text)
        who = ["-c", "user.name=Tests", "-c", "user.email=tests@example.org", "-c", "commit.gpgsign=false"]
        for act in (["add", "-A"], [*who, "commit", "-q", "-m", version], ["rev-parse", "HEAD"]):
            done = subprocess.run(["git", *act], cwd=source, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def run(self, *command, code=0):
        done = subprocess.run(command, env=self.environment, cwd="/", capture_output=True, text=True, timeout=400)
        assert done.returncode == code, done.stdout + done.stderr[-2000:]
        return done.stdout + done.stderr

    def upgrade(self, version):
        return self.run("kb-site-upgrade", version)

    def versions(self):
        """What each node said that it is, when it was started last."""
        logs = [(self.folder / f"{name}.log").read_text().splitlines() for name in "ab"]
        return [[line["version"] for line in map(json.loads, log) if line["message"] == "started"][-1] for log in logs]

    def stop(self):
        self.front.stop()
        for name in "ab":
            pid = json.loads((self.folder / f"{name}.json").read_text())["pid"]
            with contextlib.suppress(ProcessLookupError):
                if pid:
                    os.kill(pid, signal.SIGTERM)
