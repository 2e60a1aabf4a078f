"""The real server, started as `make run` does, behind a proxy that passes on every header that a client makes up.

The tests are that proxy: what it sends itself stands in `Forwarded`."""

import http.client
import re
from urllib.parse import urlencode

import pytest

from ops import servers

pytestmark = pytest.mark.commands

HOST = "answers.example.org"
READER = 'for="[2001:db8::7]:4711"'
LIES = [
    ("X_Forwarded_For", "203.0.113.{}"), ("X-Forwarded-For", "203.0.113.{}"), ("X-Forwarded_For", "203.0.113.{}"),
    ("X_Forwarded_Proto", "https"), ("X-Forwarded-Proto", "https"), ("X-Forwarded_Proto", "https"),
]  # fmt: skip


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    folder = tmp_path_factory.mktemp("proxied")
    settings = {"ALLOWED_HOSTS": f"{HOST},127.0.0.1", "TLS": "on", "PROXY": "forwarded"}
    env = servers.environment(VAR_DIR=folder / "var", **settings)
    servers.manage(env, "prepare")
    with servers.serving(env, log=folder / "log") as site:
        yield int(site.address.rpartition(":")[2])


def ask(port, path, headers, method="GET", body=""):
    """A request with these headers, in this order, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in [("Host", HOST), *headers]:
        connection.putheader(name, value)
    if body:
        connection.putheader("Content-Length", len(body))
        connection.putheader("Content-Type", "application/x-www-form-urlencoded")
    connection.endheaders(body.encode() or None)
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


def orders(headers, own):
    """The proxy's own header before those of the client, among them and behind them."""
    return [[*headers[:place], own, *headers[place:]] for place in (0, 3, len(headers))]


def test_a_client_does_not_choose_its_scheme(port):
    assert ask(port, "/about/", LIES).status == 301  # to https: without the proxy's own word nothing is believed
    for headers in orders(LIES, ("Forwarded", f"{READER};proto=http")):
        answer = ask(port, "/about/", headers)
        assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/about/")
    lies = [(name, "http") for name, _ in LIES]
    for headers in orders(lies, ("Forwarded", f"{READER};proto=https")):
        assert ask(port, "/about/", headers).status == 200


@pytest.mark.parametrize("sent", ["for=203.0.113.9;proto=https", 'for="203.0.113.9;proto=https', 'proto="https', ","])
def test_what_a_client_sends_in_the_proxys_own_header_stands_before_the_last_comma(port, sent):
    for value in ([("Forwarded", sent), ("Forwarded", f"{READER};proto=http")],
                  [("Forwarded", f"{sent}, {READER};proto=http")]):  # fmt: skip
        assert ask(port, "/about/", value).status == 301
    assert ask(port, "/about/", [("Forwarded", f"{sent}, Proto=HTTPS;{READER}")]).status == 200


def test_a_client_does_not_choose_the_address_that_its_failures_are_counted_for(port):
    def guess(reader, number):
        own = ("Forwarded", f"for=203.0.113.{number}, {reader};proto=https")
        page = ask(port, "/admin/login/", [own])
        token = re.search(r'name="csrfmiddlewaretoken"\s+value="(\w+)"', page.text)[1]
        cookie = page.headers["Set-Cookie"].partition(";")[0]
        form = {"csrfmiddlewaretoken": token, "username": "somebody", "password": "wrong", "next": "/admin/"}
        lies = [(name, value.format(number)) for name, value in LIES]
        headers = orders(lies, own)[number % 3]
        more = [("Cookie", cookie), ("Referer", f"https://{HOST}/")]
        return ask(port, "/admin/login/", [*headers, *more], "POST", urlencode(form)).status

    assert [guess(f'for="[2001:db8::{number}]"', number) for number in range(10)] == [200] * 9 + [429]
    assert guess('for="[2001:db8::ffff]"', 11) == 429
    assert guess('for="[2001:db8:0:1::1]"', 12) == 200
    assert guess("for=198.51.100.7", 13) == 200
