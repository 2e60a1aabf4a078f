"""Visits the addresses of sources, politely, and notes which no longer answer.

One request at a time, a pause between two to the same host, nothing kept of what comes back but whether it came. Only
addresses of the public internet are visited: an editor must not make the server knock at doors of its own network."""

import http.client
import ipaddress
import socket
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from django.db.models import F, Q
from django.utils import timezone

from faq.models import Source

TIMEOUT = 20
PAUSE = 5
"""Seconds: for one answer, and between two requests to the same host."""

AGENT = "link-check/1.0 (looks once whether a cited document is still there)"


def check(sources, *, private=False, pause=PAUSE, visited=lambda source: None):
    """Visit each source's address and note what came of it; `visited` is called after each. Returns the failed ones.

    Can be stopped at any time: what was visited is noted, and `due` does not name it again."""
    last, failed = {}, []
    for source in sources:
        host = urlsplit(source.address).hostname
        if (wait := last.get(host, 0) + pause - time.monotonic()) > 0 and host in last:
            time.sleep(wait)
        problem = visit(source.address, private=private)
        last[host] = time.monotonic()
        note(source, problem)
        if problem:
            failed.append(source)
        visited(source)
    return failed


def due(older_than):
    """Sources with an address that nobody has visited since `older_than`, the longest unvisited first."""
    waiting = Source.objects.filter(Q(visited_at__isnull=True) | Q(visited_at__lt=older_than)).exclude(address="")
    return waiting.order_by(F("visited_at").asc(nulls_first=True), "pk")


def visit(address, *, private=False):
    """Why the address does not answer, in words; or None if it does."""
    try:
        for method in ("HEAD", "GET"):
            request = urllib.request.Request(address, method=method, headers={"User-Agent": AGENT, "Accept": "*/*"})  # noqa: S310
            try:
                with _opener(private).open(request, timeout=TIMEOUT):
                    return None
            except urllib.error.HTTPError as error:
                error.close()
                # Some servers refuse HEAD; what asks for a log-in or for less haste is there.
                if error.code in (401, 403, 429):
                    return None
                if method == "GET" or error.code in (404, 410):
                    return f"the server says {error.code} {error.reason}"[:200]
    except urllib.error.URLError as error:
        return f"no answer: {error.reason}"[:200]
    except (OSError, ValueError, http.client.HTTPException) as error:
        return f"no answer: {error or type(error).__name__}"[:200]
    return None


def note(source, problem):
    """Write down what a visit found."""
    now = timezone.now()
    problem = "".join(filter(str.isprintable, problem or ""))[:200]
    source.visited_at, source.failure = now, problem
    source.fails_since = (source.fails_since or now) if problem else None
    source.save(update_fields=["visited_at", "failure", "fails_since"])


def _opener(private):
    def connect(address, timeout, *args):
        return _connect(address, timeout, private)

    class Connection(http.client.HTTPConnection):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._create_connection = connect

    class SecureConnection(http.client.HTTPSConnection):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            self._create_connection = connect

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(Connection, request)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(SecureConnection, request)

    # No proxy from the environment, no file: or ftp: address, whatever a redirect says.
    opener = urllib.request.OpenerDirector()
    for handler in (
        Plain(), Secure(), urllib.request.HTTPRedirectHandler(), urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _connect(address, timeout, private):
    """A connection to the first address that a name leads to. All are looked at before the first is knocked at, and
    what was looked at is what is connected to: a name may lead elsewhere a moment later."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    if not private and not all(is_public(place[0]) for *_, place in found):
        raise OSError("the address leads into a private network, which is not visited")
    family, kind, protocol, _, place = found[0]
    connected = socket.socket(family, kind, protocol)
    try:
        connected.settimeout(timeout)
        connected.connect(place)
    except OSError:
        connected.close()
        raise
    return connected


def is_public(text):
    """Whether this is an address of the public internet that leads to no other one behind it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.version == 6:
        unicast = address in ipaddress.ip_network("2000::/3") and address not in ipaddress.ip_network("2002::/16")
        return unicast and address.is_global
    return address.is_global and not address.is_multicast
