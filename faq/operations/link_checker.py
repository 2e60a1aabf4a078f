"""Requests the addresses of sources, and stores which of them fail.

Requests run one at a time, with a pause between two to the same host. Their content is discarded. Only public
IP addresses are requested, so that an editor cannot make the server connect to its own network."""

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
"""Seconds for a request."""
PAUSE = 5
"""Seconds between two requests to the same host."""

AGENT = "link-check/1.0 (looks once whether a cited document is still there)"


def check(sources, *, private=False, pause=PAUSE, visited=lambda source: None):
    """Visit the address of each source, store the result, and call `visited(source)`. Returns the sources that failed.

    Each result is stored at once, so `due` continues after an interruption. `private` allows private IP addresses."""
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
    """Return the sources with an address that was not visited since `older_than`, the oldest visit first."""
    waiting = Source.objects.filter(Q(visited_at__isnull=True) | Q(visited_at__lt=older_than)).exclude(address="")
    return waiting.order_by(F("visited_at").asc(nulls_first=True), "pk")


def visit(address, *, private=False):
    """Request the address. Returns the problem as text, or None."""
    try:
        for method in ("HEAD", "GET"):
            request = urllib.request.Request(address, method=method, headers={"User-Agent": AGENT, "Accept": "*/*"})  # noqa: S310
            try:
                with _opener(private).open(request, timeout=TIMEOUT):
                    return None
            except urllib.error.HTTPError as error:
                error.close()
                # The page exists if it requires a log-in or limits the rate. Some servers refuse HEAD.
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
    """Store the result of a visit: a problem, or None."""
    now = timezone.now()
    problem = "".join(filter(str.isprintable, problem or ""))[:200]
    source.visited_at, source.failure = now, problem
    source.fails_since = (source.fails_since or now) if problem else None
    source.save(update_fields=["visited_at", "failure", "fails_since"])


def _opener(private):
    """Return an opener that connects with `_connect`, also after redirects."""

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

    # The default opener would use proxies from the environment, and file: and ftp: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        Plain(), Secure(), urllib.request.HTTPRedirectHandler(), urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(), urllib.request.UnknownHandler(),
    ):  # fmt: skip
        opener.add_handler(handler)
    return opener


def _connect(address, timeout, private):
    """Resolve the host, refuse private IP addresses, and connect to the first one.

    The name is resolved once, since a second look-up could return a private address."""
    resolved = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    if not private and not all(is_public(ip_address[0]) for *_, ip_address in resolved):
        raise OSError("the address leads into a private network, which is not visited")
    family, kind, protocol, _, ip_address = resolved[0]
    connection = socket.socket(family, kind, protocol)
    try:
        connection.settimeout(timeout)
        connection.connect(ip_address)
    except OSError:
        connection.close()
        raise
    return connection


def is_public(text):
    """Whether this IP address is public. Tunnels to other addresses, such as 6to4, are not."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if address.version == 6:
        unicast = address in ipaddress.ip_network("2000::/3") and address not in ipaddress.ip_network("2002::/16")
        return unicast and address.is_global
    return address.is_global and not address.is_multicast
