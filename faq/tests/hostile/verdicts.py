"""What is wrong with an answer, in words; nothing is, most of the time."""

import csv
import gzip
import io
import json
import re
from urllib.parse import urlsplit

import brotli
from django.conf import settings
from lxml import etree, html

from faq.models import Question
from faq.tests.hostile import headers
from faq.tests.hostile.payloads import MARK, TEMPLATE_RAN
from faq.tests.hostile.requests import HOST
from faq.tests.hostile.world import UNPUBLISHED

STAFF = ("superuser", "editor", "publisher", "manager")

SENSIBLE = {200, 301, 302, 303, 304, 400, 403, 404, 405, 406, 410, 411, 412, 413, 415, 429}

# What turns the direction of text without being seen.
TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")

_OUR_WORDS_ONLY = re.compile(
    rb"Traceback \(most recent call last\)|django\.db\.utils|sqlite3\.\w*Error|psycopg\.|File \"/|argon2\$|pbkdf2_|md5\$|root:x:0"
)
_LOADS = {
    "src", "srcset", "action", "formaction", "data", "poster", "background", "ping", "manifest", "codebase", "classid", "cite",
    "longdesc", "lowsrc", "dynsrc", "profile", "archive", "imagesrcset", "xlink:href", "{http://www.w3.org/1999/xlink}href",
}  # fmt: skip
_NEVER = {
    "iframe",
    "frame",
    "frameset",
    "object",
    "embed",
    "applet",
    "base",
    "portal",
    "audio",
    "video",
    "source",
    "track",
    "style",
    "math",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def judge(answer):
    """A list of what is wrong."""
    coding = answer.get("Content-Encoding")
    if coding and answer.body:
        answer.body = {"br": brotli.decompress, "gzip": gzip.decompress}[coding](answer.body)
    return list(_faults(answer))


def _faults(answer):
    if answer.status not in SENSIBLE:
        yield f"status {answer.status}"
    for error in answer.errors:
        yield f"exception {type(error).__name__}: {str(error)[:200]}"
    yield from _head(answer)
    yield from headers.faults(
        answer.request.path.decode("latin-1"),
        answer.status,
        answer.headers,
        tls=False,
        staff=answer.request.visitor in STAFF,
    )
    if found := _OUR_WORDS_ONLY.search(answer.body):
        yield f"says what is inside: {found[0]!r}"
    if settings.SECRET_KEY.encode() in answer.body or TEMPLATE_RAN.encode() in answer.body:
        yield "ran what is text"
    anonymous = answer.request.visitor in ("reader", "stranger")
    if anonymous and UNPUBLISHED.encode() in answer.body and not _may_be_read(answer.request.path):
        yield "shows what is not public"
    kind = answer.get("Content-Type").partition(";")[0]
    if answer.request.method == "HEAD" or not answer.body:
        return
    if kind == "text/html":
        yield from _page(answer)
    elif kind.endswith("xml"):
        yield from _xml(answer)
    elif kind.endswith("json"):
        yield from _json(answer)
    elif kind == "text/csv":
        yield from _spreadsheet(answer)
    elif kind not in ("text/plain", "text/css", "text/javascript", "image/svg+xml", "font/woff2"):
        yield f"an answer of the kind {kind!r}"


def _may_be_read(path):
    """Whether the words are public by now, since somebody published them, or the address is the key to a draft."""
    return b"/drafts/" in path or Question.objects.public().filter(live__content__icontains=UNPUBLISHED).exists()


def _head(answer):
    for name, value in answer.headers:
        if name.lower() in ("x-injected", "forged") or re.search(r"[\r\n\0]", name + value):
            yield f"header injected: {name}: {value!r}"
    if any(cookie.startswith("injected") for cookie in answer.cookies):
        yield "cookie injected"
    if location := answer.get("Location"):
        yield from _location(answer, location)
    if answer.is_html and "charset=utf-8" not in answer.get("Content-Type"):
        yield "a page whose encoding is not said"


def _location(answer, location):
    try:
        to = urlsplit(location)
    except ValueError:
        yield f"leads to what is no address: {location!r}"
        return
    if (to.netloc and to.netloc != HOST) or to.scheme not in ("", "http", "https") or re.match(r"[/\\]{2}", location):
        yield f"leads elsewhere: {location[:200]!r}"


def _page(answer):
    body = answer.body
    if b"\0" in body:
        yield "a page with NUL"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        yield "a page that is not UTF-8"
        return
    public = not answer.request.path.startswith(b"/admin/") or b"/preview/" in answer.request.path
    if public and (found := TURNING.search(text)):
        yield f"text turned by U+{ord(found[0]):04X}: {text[max(0, found.start() - 60) : found.end() + 30]!r}"
    tree = html.document_fromstring(body, parser=html.HTMLParser(encoding="utf-8", huge_tree=True))
    for element in tree.iter():
        if isinstance(element.tag, str):
            yield from _element(element, public)


def _element(element, public):
    tag = element.tag.lower()
    if MARK in tag or any(MARK in name.lower() for name in element.attrib):
        yield f"markup injected: {etree.tostring(element)[:200]!r}"
    if tag in _NEVER and (public or tag != "style"):
        yield f"an element that no page has: {tag}"
    if tag == "script":
        yield from _script(element, public)
    if tag == "meta" and element.get("http-equiv"):
        yield f"meta http-equiv={element.get('http-equiv')!r}"
    for name, value in element.attrib.items():
        name = name.lower()
        if name.startswith("on"):
            yield f"handler {name} on {tag}"
        # (Differences of a spreadsheet have some, by a library; the policy stops them, and the elements do without.)
        if name == "style" and (public or tag not in ("ins", "del")):
            yield f"style on {tag}: {value[:80]!r}"
        if name in _LOADS and not _here(value):
            yield f"foreign request: {tag} {name}={value[:100]!r}"
        if name == "href":
            yield from _link(element, tag, value)


def _script(element, public):
    kind = element.get("type", "")
    if kind == "application/ld+json":
        try:
            json.loads(element.text or "")
        except ValueError:
            yield f"JSON-LD that cannot be read: {(element.text or '')[:100]!r}"
    elif public:
        yield "a script on a public page"
    elif not element.get("src") and kind != "application/json":
        yield f"a script in the page: {(element.text or '')[:80]!r}"


def _here(value):
    """Whether a browser would ask this site."""
    value = re.sub(r"[\t\r\n]", "", value).strip()
    return not re.match(r"[/\\]{2}|[a-zA-Z][a-zA-Z0-9+.-]*:", value)


def _link(element, tag, value):
    if tag in ("link", "area", "image", "use", "feimage"):
        if element.get("rel") in ("canonical", "alternate"):
            if not re.match(rf"https?://{HOST}/|/(?![/\\])", value):
                yield f"names another host as its own: {value[:100]!r}"
        elif not _here(value):
            yield f"foreign request: {tag} href={value[:100]!r}"
        return
    value = re.sub(r"[\x00-\x20]", "", value)
    if re.match(r"[/\\]{2}", value):
        yield f"a link to another host that looks like one to this: {value[:100]!r}"
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", value)
    if scheme and scheme[1].lower() not in ("http", "https", "mailto", "tel"):
        yield f"a link that a browser would run: {value[:100]!r}"


def _xml(answer):
    try:
        tree = etree.fromstring(answer.body, parser=etree.XMLParser(resolve_entities=False, huge_tree=True))
    except etree.XMLSyntaxError as error:
        yield f"XML that is not well formed: {error}"
        return
    for element in tree.iter():
        if MARK in str(element.tag):
            yield f"markup injected: {element.tag}"
        for name in ("href", "src"):
            if (value := element.get(name)) and urlsplit(value).netloc not in ("", HOST):
                yield f"a feed that leads elsewhere: {value[:100]!r}"
    if TURNING.search(answer.body.decode()):
        yield "text turned in XML"


def _json(answer):
    try:
        json.loads(answer.body)
    except ValueError as error:
        yield f"JSON that cannot be read: {error}"


def _spreadsheet(answer):
    for row in csv.reader(io.StringIO(answer.body.decode("utf-8-sig"), newline="")):
        for cell in row:
            if cell.startswith(_FORMULA):
                yield f"a formula in a spreadsheet: {cell[:60]!r}"
