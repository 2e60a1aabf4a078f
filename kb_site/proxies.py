"""What a proxy in front says of a request: the scheme, and the address of who sent it."""

import re
from contextlib import suppress
from ipaddress import IPv6Address, ip_address

from django.conf import settings

_PAIR = re.compile(r'(\w+)=("[^"]*"|[^;\s"]*)')
_WITH_PORT = re.compile(r"\[(?P<six>[^\]]+)\](:\d+)?|(?P<four>[\d.]+):\d+")


def forwarded(application):
    """WSGI middleware: believe the header Forwarded (RFC 7239) instead of X-Forwarded-For and X-Forwarded-Proto.

    WSGI gives `X_Forwarded_For` the same name as `X-Forwarded-For`, and of the two granian hands on the one that comes
    last; nothing that the application is given tells them apart. So where a proxy passes on names with underscores, a
    client can speak for it. A name without a hyphen has no such double. The proxy's own part is behind the last comma,
    also where a client sent the header, too."""

    def wrapped(environ, start_response):
        last = environ.get("HTTP_FORWARDED", "").rpartition(",")[2]
        said = {name.lower(): value.strip('"') for name, value in _PAIR.findall(last)}
        environ["HTTP_X_FORWARDED_FOR"] = said.get("for", "")
        environ["HTTP_X_FORWARDED_PROTO"] = said.get("proto", "").lower()
        return application(environ, start_response)

    return wrapped


def client(request):
    """The address that failed log-ins are counted for, or None.

    Of an IPv6 address its /64, since that is what one client usually has. The last address in X-Forwarded-For is the
    one that our own proxy wrote."""
    given = request.META.get("HTTP_X_FORWARDED_FOR", "") if settings.PROXY else ""
    for text in (given.rpartition(",")[2].strip(), request.META.get("REMOTE_ADDR", "")):
        with suppress(ValueError):
            return _counted(text)
    return None


def _counted(text):
    if found := _WITH_PORT.fullmatch(text):
        text = found["six"] or found["four"]
    address = ip_address(text)
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address) >> 64 << 64))
