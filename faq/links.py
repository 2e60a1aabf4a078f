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

from .models import Source

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
    source.visited_at, source.failure = now, problem or ""
    source.fails_since = (source.fails_since or now) if problem else None
    source.save(update_fields=["visited_at", "failure", "fails_since"])


def _opener(private):
    class Connection(http.client.HTTPConnection):
        def connect(self):
            super().connect()
            _refuse(self.sock, private)

    class SecureConnection(http.client.HTTPSConnection):
        def connect(self):
            super().connect()
            _refuse(self.sock, private)

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


def _refuse(connected, private):
    """Looks at whom the connection reached, and not at a name, which may lead elsewhere a moment later."""
    peer = ipaddress.ip_address(connected.getpeername()[0].partition("%")[0])
    if not peer.is_global and not private:
        connected.shutdown(socket.SHUT_RDWR)
        raise OSError("the address leads into a private network, which is not visited")
