"""Real nginx, with the configuration that operators get, in front of real nodes, also under load."""

import contextlib
import http.client
import json
import re
import ssl
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest

from faq.tests.conftest import LIBRARY
from faq.tests.test_commands import Site
from ops.tests.deployed import HOST, WORDS, Front, Load, Node, patiently, with_nginx

pytestmark = pytest.mark.commands


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """nginx in front of two nodes: `front`, `nodes`, `site`. A test that stops a node starts it again."""
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
    def test_nginx_accepts_the_configuration_without_a_warning(self, tmp_path, upstream):
        front = Front(tmp_path)
        front.write(tmp_path, upstream)
        path = tmp_path / "upstream.conf"
        path.write_text(re.sub(r"site-[ab]", "127.0.0.1", path.read_text()))  # names of containers
        checked = front.check()
        assert checked.returncode == 0 and "warn" not in checked.stderr, checked.stderr

    def test_forwarded_headers_of_a_client_are_replaced(self, running):
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
        with contextlib.closing(front.connect()) as connection:
            # To the site, these would have the names that nginx sets itself.
            connection.request("GET", "/about/", headers={"Host": HOST, "X_Forwarded_Proto": "http"})
            assert connection.getresponse().status == 200

    def test_password_guessing_is_limited_by_the_real_address(self, running):
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

    def test_http_redirects_to_https_and_other_names_get_no_answer(self, running):
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

    def test_only_this_machine_can_read_readyz(self, running):
        front = running.front
        assert b"database: ok" in front.ask("/readyz").text
        assert front.ask("/readyz", source="127.0.0.2").status == 403
        assert front.ask("/healthz", source="127.0.0.2").text == b"alive\n"

    def test_the_logs_contain_nothing_about_readers(self, running):
        """The logs of nginx and of the site: for a page, for a page that fails, and without a running node."""
        front, nodes, site = running.front, running.nodes, running.site
        reader = {"User_Agent": "agent-of-somebody", "Referer": "https://elsewhere.example/"}
        before = front.log("access.log")
        assert front.ask(f"/questions/?q={WORDS}", source="127.0.0.3", **reader).status == 200
        assert front.log("access.log") == before and front.log("all.log") == ""
        site.sql("ALTER TABLE faq_synonym RENAME TO gone")
        failed = front.ask(f"/questions/?q={WORDS}2", source="127.0.0.3", **reader)
        assert failed.status in (500, 503)
        site.sql("ALTER TABLE gone RENAME TO faq_synonym")
        try:
            for node in nodes:
                assert node.stop() == 0
            assert front.ask(f"/questions/?q={WORDS}3", source="127.0.0.3", **reader).status == 502
            # (It is written once the answer is sent.)
            written = patiently(
                lambda: len(lines := front.log("access.log").removeprefix(before).splitlines()) > 1 and lines
            )
            first, last = map(json.loads, written)
            assert (first["message"], last["message"]) == (f"answered {failed.status}", "answered 502")
            said = [line for node in nodes for line in lines_of(node) if line["logger"] == "django.request"]
            error = said[0]
            assert {line["request"] for line in said} == {error["request"]}  # nginx asked the other node, too
            assert error["route"] == "question_list" and error["error"][0]["kind"].endswith("IndexBroken")
            assert error["request"] == failed.headers["X-Request-ID"] == first["request"]
            said = [line["message"] for line in lines_of(nodes[0])]
            assert said[0].startswith("Starting granian") and "started" in said
            everything = "".join(path.read_text() for path in front.folder.glob("*.log"))
            for trace in (WORDS, "127.0.0.3", *reader.values(), "questions/"):
                assert trace not in everything, trace
        finally:
            for node in nodes:
                node.stop()
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
