"""What only a server sees: crooked bytes on a socket, and the headers that it sends. On the real server, by https as it
comes from a proxy."""

import http.client
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parents[3]
HOST = "answers.example.org"

HEAD = f"Host: {HOST}\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n".encode()
FORM = HEAD + b"Content-Type: application/x-www-form-urlencoded\r\n"

# What is sent, as parts with a pause between them.
CROOKED = {
    "nothing": [b""],
    "an empty line": [b"\r\n\r\n"],
    "no version": [b"GET /\r\n\r\n"],
    "a version that is none": [b"GET / HTTP/9.9\r\n" + HEAD + b"\r\n"],
    "NULs": [b"\0" * 4096],
    "a TLS greeting": [bytes.fromhex("16030100c8010000c40303") + b"\x11" * 190],
    "the start of HTTP/2": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 9],
    "another protocol": [b"SSH-2.0-OpenSSH_9.6\r\n"],
    "a method of 10 kB": [b"X" * 10_000 + b" / HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "an address of 60 kB": [b"GET /questions/?q=" + b"a" * 60_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "an address of 2 MB": [b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a header of 2 MB": [b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * 2_000_000 + b"\r\n\r\n"],
    "5,000 headers": [b"GET / HTTP/1.1\r\n" + HEAD + b"".join(b"X-%d: y\r\n" % n for n in range(5000)) + b"\r\n"],
    "cookies of 100 kB": [b"GET / HTTP/1.1\r\n" + HEAD + b"Cookie: " + b"a=b; " * 20_000 + b"\r\n\r\n"],
    "no host": [b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"],
    "two hosts": [b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + HEAD + b"\r\n"],
    "another host": [b"GET / HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"],
    "an address with a host": [b"GET http://evil.example/ HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "an address that starts with two slashes": [b"GET //evil.example/ HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a star": [b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a tunnel": [b"CONNECT evil.example:443 HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "raw bytes in the address": [b"GET /\xff\xfe\xed\xa0\x80 HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a space in the address": [b"GET /a b/ HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a lone surrogate in the address": [b"GET /%ED%A0%80/?q=%ED%A0%80 HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "NUL in a header": [b"GET / HTTP/1.1\r\n" + HEAD + b"X: a\0b\r\n\r\n"],
    "a folded header": [b"GET / HTTP/1.1\r\n" + HEAD + b"X: a\r\n b\r\n\r\n"],
    "a header name with a space": [b"GET / HTTP/1.1\r\n" + HEAD + b"X Y: a\r\n\r\n"],
    "a header with an underscore": [b"GET /admin/ HTTP/1.1\r\n" + HEAD + b"X_Forwarded_Proto: http\r\n\r\n"],
    "lone line feeds": [b"GET / HTTP/1.1\n" + HEAD.replace(b"\r", b"") + b"\n"],
    "lone carriage returns": [b"GET / HTTP/1.1\r" + HEAD.replace(b"\n", b"") + b"\r"],
    "two lengths": [b"POST / HTTP/1.1\r\n" + FORM + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\na=bc"],
    "a length and chunks": [b"POST / HTTP/1.1\r\n" + FORM + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin/ HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a negative length": [b"POST / HTTP/1.1\r\n" + FORM + b"Content-Length: -1\r\n\r\n"],
    "a length that is none": [b"POST / HTTP/1.1\r\n" + FORM + b"Content-Length: 3, 3\r\n\r\na=b"],
    "a length of 19 digits": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Content-Length: 9000000000000000000\r\n\r\na=b"],
    "a body that breaks off": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Content-Length: 500\r\n\r\na=b"],
    "a slow body": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Content-Length: 3\r\n\r\na", b"=", b"b"],
    "a slow head": [b"GET / HT", b"TP/1.1\r\nHo", b"st: " + HOST.encode() + b"\r\nConnection: close\r\n\r\n"],
    "a body of 4 MB in a form": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Content-Length: 4000000\r\n\r\n" + b"a" * 4_000_000],
    "a body with a GET": [b"GET / HTTP/1.1\r\n" + FORM + b"Content-Length: 3\r\n\r\na=b"],
    "chunks": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n0\r\n\r\n"],
    "chunks without an end": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n3\r\na=b\r\n"],
    "chunks of no size": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\na=b\r\n0\r\n\r\n"],
    "a chunk of any size": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na"],
    "a chunk with an extension of 200 kB": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000 + b"\r\na\r\n0\r\n\r\n"],
    "an encoding that nobody knows": [b"POST / HTTP/1.1\r\n" + FORM + b"Transfer-Encoding: xchunked\r\n\r\na=b"],
    "a wish to be told to go on": [b"POST /admin/login/ HTTP/1.1\r\n" + FORM + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", b"a=b"],
    "a wish for another protocol": [b"GET / HTTP/1.1\r\n" + HEAD.replace(b"close", b"Upgrade") + b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"],
    "two requests at once": [(b"GET /about/ HTTP/1.1\r\nHost: " + HOST.encode() + b"\r\nX-Forwarded-Proto: https\r\n\r\n") * 2 + b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"],
    "a range": [b"GET /static/favicon.svg HTTP/1.1\r\n" + HEAD + b"Range: bytes=5-2, 0-0, 9999999999-\r\n\r\n"],
}  # fmt: skip


class Server:
    """The site on the real server, with a scratch database and an editor's account."""

    def __init__(self, port, password=""):
        self.port, self.password, self.cookies = port, password, {}

    def exchange(self, parts, pause=0.2, patience=1.5):
        """Send parts of bytes; all that comes back until the server closes or stays silent. Returns (bytes, closed)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as connection:
            received, ended = b"", False
            try:
                self._send(connection, parts, pause)
                while True:
                    try:
                        if not (piece := connection.recv(65536)):
                            return received, True
                        received += piece
                    except TimeoutError:
                        if ended:
                            return received, False
                        connection.shutdown(socket.SHUT_WR)  # nothing more comes, and it is told so
                        ended = True
            except OSError:  # it had enough
                return received, True

    @staticmethod
    def _send(connection, parts, pause):
        for number, part in enumerate(parts):
            if number:
                time.sleep(pause)
            try:
                connection.sendall(part)
            except OSError:  # it has answered already, and does not wait for the rest
                return

    def ask(self, path, method="GET", body=None, headers=None, https=True, keep=True):
        """The answer to an ordinary request as (status, list of headers, bytes)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        wanted = {"Host": HOST, "Referer": f"https://{HOST}/", **({"X-Forwarded-Proto": "https"} if https else {})}
        if self.cookies and keep:
            wanted["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        connection.request(method, path, body, {**wanted, **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        connection.close()
        found = response.getheaders()
        for name, value in found:
            if name.lower() == "set-cookie" and keep:
                self.cookies |= {key: morsel.value for key, morsel in SimpleCookie(value).items()}
        return response.status, found, content

    def log_in(self):
        """As the editor; from then on requests are the editor's."""
        self.ask("/admin/login/")
        data = {
            "username": "editor",
            "password": self.password,
            "next": "/admin/",
            "csrfmiddlewaretoken": self.cookies["csrftoken"],
        }
        status, _, content = self.ask(
            "/admin/login/", "POST", urlencode(data), {"Content-Type": "application/x-www-form-urlencoded"}
        )
        assert status == 302, (status, content[:500])


@contextmanager
def server(folder, port, log, **settings):
    """A running `Server` in `folder`; `log` is a file for all that it prints, `settings` are for the environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "SECRET_KEY"))}
    environment |= {
        "VAR_DIR": str(folder),
        "ALLOWED_HOSTS": f"{HOST},127.0.0.1",
        "TLS": "on",
        "PROXY": "on",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        **settings,
    }
    prepared = subprocess.run(
        [sys.executable, "manage.py", "prepare"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    [command] = re.findall(r"granian (--interface .*)", (ROOT / "Makefile").read_text().replace("\\\n", " "))
    options = shlex.split(command.replace("$(HOST)", "127.0.0.1").replace("$(PORT)", str(port)))
    process = subprocess.Popen(
        [Path(sys.executable).parent / "granian", *options],
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    found = Server(port, re.search(r"log in as editor +password (\S+)", prepared.stdout)[1])
    try:
        _wait(found, process)
        yield found
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait(server, process):
    for _ in range(600):
        try:
            if server.ask("/healthz")[0] == 200:
                return
        except OSError:
            time.sleep(0.1)
        if process.poll() is not None:
            break
    raise RuntimeError("The server did not start.")


def attack(server, crooked=CROOKED):
    """Send everything crooked; for each (what, statuses of the answers, faults)."""
    for what, parts in crooked.items():
        received, closed = server.exchange(parts)
        statuses = [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3})", received)]
        faults = [f"status {status}" for status in statuses if status >= 500]
        if not closed and not received:
            faults.append("neither an answer nor an end in 3 seconds")
        if b"Traceback" in received or re.search(rb"(?im)^server:.*\d", received):
            faults.append("says what is inside")
        if b"evil.example" in received and re.search(rb"(?im)^location:.*evil", received):
            faults.append("leads to another host")
        if server.ask("/healthz", keep=False)[0] != 200:
            faults.append("the server does not answer any more")
        yield what, statuses, faults


def addresses(server):
    """What the scan of headers looks at: (kind, path, how it is asked for)."""
    home = server.ask("/", keep=False)[2].decode()
    [style] = re.findall(r'href="(/static/css/site\.[0-9a-f]+\.css)"', home)
    answer = re.search(r'href="(/answers/[\w-]+/1/[\w-]+/)"', home)[1]
    collection = answer.rsplit("/", 3)[0] + "/"
    for path in ("/", "/es/", "/questions/?q=court", "/questions/?q=zzzz", answer, collection, f"{collection}1/history/", f"{collection}1/editions/1/",
                 f"{collection}1/report/", "/changes/", "/changes.atom", "/sitemap.xml", "/robots.txt", "/about/", "/accessibility/"):  # fmt: skip
        yield "public", path, {"keep": False}
    for path in ("/healthz", "/readyz"):
        yield "health", path, {"keep": False, "https": False}
    for path in (style, "/static/favicon.svg", "/static/admin/css/base.css"):
        yield "static", path, {"keep": False}
    yield "not modified", "/about/", {"keep": False, "headers": {"If-None-Match": "*"}}
    for path in ("/about", f"{collection}1/", f"{collection}1/old-words/"):
        yield "moved", path, {"keep": False}
    yield "to https", "/about/", {"keep": False, "https": False}
    yield "to https", "/admin/", {"keep": False, "https": False}
    yield "400", "/about/", {"keep": False, "headers": {"Host": "evil.example"}}
    yield "400", "/about/", {"keep": False, "headers": {"Host": "evil.example"}, "https": False}
    yield "404", "/nowhere/", {"keep": False}
    yield "404", "/static/nowhere.css", {"keep": False}
    yield "405", "/about/", {"keep": False, "method": "POST", "body": "a=b"}
    question = re.search(r'"(/admin/faq/question/\d+/)change/', server.ask("/admin/faq/question/")[2].decode())[1]
    yield "log-in", "/admin/login/", {"keep": False}
    yield "to log-in", "/admin/", {"keep": False}
    for path in ("/admin/", "/admin/faq/question/", f"{question}change/", f"{question}submit/", f"{question}compare/",
                 f"{question}preview/", f"{question}history/", "/admin/faq/question/import/", "/admin/faq/question/export/",
                 "/admin/faq/source/", "/admin/faq/source/add/", "/admin/faq/report/", "/admin/faq/synonym/", "/admin/faq/missedsearch/", "/admin/faq/note/",
                 "/admin/password_change/", "/admin/second-factor/new/", "/admin/jsi18n/", "/admin/autocomplete/?app_label=faq&model_name=citation&field_name=source"):  # fmt: skip
        yield "admin", path, {}
    yield "403", f"{question}publish/", {}
    yield "403", "/admin/auth/user/", {}
    yield "403", f"{question}submit/", {"method": "POST", "body": "a=b"}
    yield "404", "/admin/faq/question/999999/preview/", {}
