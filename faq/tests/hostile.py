"""Hostile requests and forged rows for `make attack` and `test_hostile.py`, and how an answer to them is judged."""

import csv
import gzip
import http.client
import io
import json
import logging
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes, urljoin, urlsplit

import brotli
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import LocalePrefixPattern
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from lxml import etree, html
from taggit.models import Tag

from faq import models
from faq.models import AnswerPoint, Citation, Question, Source, triggers
from faq.site import reports
from faq.site.sitemaps import SITEMAPS
from faq.workflow import audit, draft_links, publishing, working_copy
from ops import servers
from ops.tests import deployed

SECRET = "quetzalword"
"""Stands in drafts only: an answer to a reader must not have it."""
SLOW = 5
"""Seconds of processor time that one answer may take."""

OVERRIDE, TURNING = "\u202e", re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the direction of text: the first of them, and all."""

# Payloads. No page may have an element or attribute “xinj”, load from “evil.example”, or run “{{ … }}”.

TEXTS = [
    "<xinj>", "\"'><xinj xinj=1 onclick=alert(1)>", "</title></script></textarea></style>--><xinj>", "]]><xinj/>",
    "<img src=//evil.example/x onerror=alert(1)>", '<base href="//evil.example/">', "&lt;xinj&gt;", "\\u003cxinj\\u003e",
    "[x](javascript:alert(1)) ![x](https://evil.example/x.png)", "[" * 5000, "> " * 3000, "- " * 2000 + "x", "`" * 3000,
    "javascript:alert(1)", "java\nscript:alert(1)", "//evil.example/", "/\\evil.example/", "https:evil.example", "http://[",
    "https://evil.example\\@testserver/", "data:text/html,x", "http://\ud800/", "http://" + "a" * 3000 + ".example/",
    "'", '"', "' OR '1'='1", "'; DROP TABLE faq_question; --", "%", "_", "\\", "NEAR(a b, 3)", '"unbalanced', "a AND",
    "NOT", "*", "^a", "a:b", "--", "(((((", "{a b} : c", "a:*", "<->", "& | !", '{{ "seven"|add:"-and-eight" }}',
    "{% debug %}", "{0.__class__}", "%(x)s%s%n%d", "${7*7}", "x\r\nX-Injected: 1", "x\nFORGED: y", "x\u2028FORGED: y",
    "x\x85FORGED: y", "\x1b[2JFORGED", '"}\n{"level": "FORGED"}', "\0", "a\0b", "\ud800", "\udcff\udc80", "\uffff",
    "\ufeffx", "\x7f", "\u202egnp.exe", "\u2067\u2068\u2069", "\u200b", "a" + "\u0301" * 2000, "مرحبا (12)", "ﷺ" * 500,
    "İ" * 300, "ﬃ" * 300, "\U0001f468\u200d\U0001f469", "２", "½", "\xad", "\t", "\n", " ", "\xa0", "a" * 100_000,
    "é" * 50_000, "<" * 20_000, '"' * 5001, "(" * 5000, "借" * 34_000, "a," * 20_000, "a-" * 9000, "?" * 5000, "x" * 151,
    "=1+1", "@SUM(1)", "+1", "\t=1", "＝1+1", "../../etc/passwd", "",
]  # fmt: skip
NUMBERS = [
    "-1", "0", "1", "2", "999999", str(2**31), str(2**63 - 1), str(2**63), "9" * 30, "9" * 5000, "1.5", "1e400", "NaN", "0x10",
    "1_000", "²", "٣", " 1", "1\0", "+1", "1,2", ",", "None", "[]", "last", "0000-00-00", "9999-12-31", "10000-01-01",
    "2026-02-30", "2026-01-01T25:00", "now()",
]  # fmt: skip
BYTES = [b"\xff", b"%ED%A0%80", b"%C0%AE", b"%ff", b"%", b"%zz", b"%u0041", b"%00", b"+", b"&&&", b"=", b"a=b=c"]
PATHS = [
    b"", b"*", b"//", b"///admin/", b"//evil.example/", b"/%2f%2fevil.example/", b"/admin//evil.example/", b"/\\evil.example",
    b"/es//evil.example/", b"/../etc/passwd", b"/%2e%2e/etc/passwd", b"/static/../manage.py", b"/static/%2e%2e/settings.py",
    b"/static/%00", b"/static/%ff", b"/.env", b"/admin;x=1/", b"/%00", b"/%ED%A0%80/", b"/%ff", b"/%", b"/%0d%0aX-Injected:1",
    b"/%E2%80%AE/", b"/" + b"a" * 20_000, b"/" + b"a/" * 5000, b"/%3Cxinj%3E/", b"/admin/%3Cxinj%3E/", b"/about",
    b"/drafts/" + b"a" * 9000 + b"/", b"/drafts/%00:%00:%00/", b"/drafts/x:y:z/", b"http://evil.example/",
]  # fmt: skip
NAMES = [
    "q", "page", "topic", "tag", "checked", "collection", "exact", "edition", "point", "next", "p", "o", "e", "all", "_popup",
    "_to_field", "_changelist_filters", "_facets", "state__in", "kind__exact", "topics__id__exact", "day__year",
    "received_at__gte", "id__in", "password__startswith", "text__regex", "format", "term", "app_label", "model_name",
    "field_name", "action", "seen", "user", "", "a[]", "__proto__",
]  # fmt: skip
METHODS = ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X" * 500, "", "<xinj>"]
BODIES = [
    (b"{", "application/json"), (b"[" * 20_000, "application/json"), (b"\xff\xfe" * 500, "text/plain"), (b"x", "\xe9;;;"),
    (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "text/xml"),
    *((body, "application/x-www-form-urlencoded") for body in (
        b"\0" * 1000, b"a=" + b"b" * 3_000_000, b"&".join(b"a%d=1" % n for n in range(1500)), b"=&=&=", b"%=%&%ff=%ff")),
    *((body, "multipart/form-data; boundary=b") for body in (
        b"", b"--b--", b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n", b"--b\r\n" + b"X: y\r\n" * 5000,
        b'--b\r\nContent-Disposition: form-data; name="a"; filename="../x\0.csv"\r\n\r\nx\r\n--b--\r\n',
        b'--b\r\nContent-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64\r\n\r\n//8=\r\n--b--\r\n')),
    (b"x", "multipart/form-data; boundary=" + "b" * 500), (b"x", "multipart/form-data; boundary=\xff"),
]  # fmt: skip
HEADERS = {
    "HTTP_HOST": ["evil.example", "", "testserver:x", "testserver@evil.example", "a" * 9000, "\xff", "testserver\0", "<xinj>"],
    "HTTP_X_FORWARDED_FOR": ["<xinj>", "\0", "1.2.3.4, " * 500, "x\nFORGED: y"], "HTTP_X_FORWARDED_HOST": ["evil.example"],
    "HTTP_X_REQUEST_ID": ["x\nFORGED: y", "<xinj>", "a" * 9000], "HTTP_REFERER": ["javascript:alert(1)", "http://[", "\xff"],
    "HTTP_ACCEPT_LANGUAGE": ["xx-" * 3000, ";q=;q=", "es;q=9e999", "../../etc/passwd", "\0", "\xff", "es," * 900],
    "HTTP_ACCEPT_ENCODING": ["br;q=0", "gzip;q=x", "br," * 5000, "\xff", ";;;"], "HTTP_ORIGIN": ["null", "http://["],
    "HTTP_IF_NONE_MATCH": ["*", 'W/"', '"' * 999, "\xff"], "HTTP_IF_MODIFIED_SINCE": ["x", "Mon, 01 Jan 99999 00:00:00 GMT"],
    "HTTP_RANGE": ["bytes=9-1", "bytes=" + "0-1," * 900, "x", "bytes=99999999999999999999999-"],
    "HTTP_COOKIE": ["sessionid=" + "a" * 9000, "=;=;", "\xff=\xff", "messages=x; sessionid=\0", "csrftoken=<xinj>", ";" * 5000],
    "HTTP_USER_AGENT": ["<xinj>", "x\nFORGED: y", ""], "HTTP_AUTHORIZATION": ["Basic x"], "REMOTE_ADDR": ["", "x", "::1%eth0"],
    "HTTP_X_ORIGINAL_URL": ["/admin/"], "HTTP_X_HTTP_METHOD_OVERRIDE": ["DELETE"], "CONTENT_LENGTH": ["-1", "9" * 20],
    "HTTP_X_REQUESTED_WITH": ["XMLHttpRequest"], "HTTP_TRANSFER_ENCODING": ["chunked"],
}  # fmt: skip
HEAD = b"collection,number,topics,keywords\r\n"
FILES = [
    b"", b"\0" * 5000, b"\xff\xfe\0\0" * 100, HEAD + b"library,1\r\n,,,,,,,\r\n", HEAD + b"library,1,,x\r\n" * 25_000,
    b"collection,number," + b"topics," * 5000 + b"\r\nlibrary,1\r\n", HEAD + b"library,1," + b"a" * 3_000_000,
    HEAD + b'library,1,"unclosed', "collection,number,keywords\r\nlibrary,1,x".encode("utf-16"), b"MZ" + b"\x90" * 2000,
    HEAD + b"library,1,,\xe9\r\n", HEAD + b"library,1,,=1+1\r\nlibrary,2,,@SUM(1)\r\n", HEAD + b"library,1,<xinj>,<xinj>\r\n",
]  # fmt: skip
FORM = b"Host: example.org\r\nX-Forwarded-Proto: https\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
POST = b"POST /admin/login/ HTTP/1.1\r\n" + FORM
CROOKED = {
    "nothing": b"", "NULs": b"\0" * 4096, "no version": b"GET /\r\n\r\n", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("16030100c8010000c40303") + b"\x11" * 190, "no host": b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: evil.example\r\n" + FORM + b"\r\n",
    "an address with a host": b"GET http://evil.example/ HTTP/1.1\r\n" + FORM + b"\r\n",
    "an address of 2 MB": b"GET /" + b"a" * 2_000_000 + b" HTTP/1.1\r\n" + FORM + b"\r\n",
    "5,000 headers": b"GET / HTTP/1.1\r\n" + FORM + b"X: y\r\n" * 5000 + b"\r\n",
    "raw bytes": b"GET /\xff\xed\xa0\x80 HTTP/1.1\r\n" + FORM + b"X: a\0b\r\n\r\n",
    "line feeds": b"GET / HTTP/1.1\n" + FORM.replace(b"\r", b"") + b"\n", "length -1": POST + b"Content-Length: -1\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\na=bc",
    "length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /admin/ HTTP/1.1\r\n\r\n",
    "a broken body": POST + b"Content-Length: 500\r\n\r\na=b", "4 MB": POST + b"Content-Length: 4000000\r\n\r\n" + b"a" * 4_000_000,
    "a chunk of any size": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\na",
    "a charset that is none": POST.replace(b"coded", b"coded; charset=base64") + b"Content-Length: 3\r\n\r\na=b",
}  # fmt: skip


def build(library):
    """Hostile words in every field and state of the site, beside the public collection `library`.

    Returns the users by name, and the values that exist for the arguments of addresses."""
    users = {
        "superuser": User.objects.create_superuser("root"), "stranger": User.objects.create_user("stranger"),
        **{name: User.objects.create_user(name, is_staff=True) for name in ("Editors", "Publishers", "Site managers")},
        "evil": User.objects.create_user("evil", first_name=TEXTS[1], last_name=OVERRIDE),
    }  # fmt: skip
    for name in ("Editors", "Publishers", "Site managers"):
        users[name].groups.add(Group.objects.get(name=name))
    by, words = users["evil"], " ".join(text for text in TEXTS if len(text) < 90 and text.isprintable())
    topic = models.Topic.objects.create(slug="hostile", name=words[:100], description=words + OVERRIDE)
    tag = Tag.objects.create(name=words[:100], slug="hostile")
    addresses = ["javascript:alert(1)", 'https://evil.example/"onclick=alert(1)', "//evil.example/", "data:text/html,x"]
    facts = {"title": words[:300], "publisher": words[:200], "failure": words[:200], "fails_since": timezone.now()}
    sources = [Source.objects.create(key=f"s{n}", address=a, archived=a, **facts) for n, a in enumerate(addresses)]
    collection = models.Collection.objects.create(
        slug="hostile", title=words[:200], description=words, jurisdiction=words[:200], origin=words
    )
    for number, state in enumerate(("public", "withdrawn", "draft", "submitted", "checked", "conflict"), start=1):
        row = Question.objects.create(collection=collection, number=number, text=words[:900], short_answer=words[:400])
        for position, kind in enumerate(("numbered", "paragraph", "bullet"), start=1):
            point = AnswerPoint(question=row, position=position, kind=kind, label=words[:60], text=words)
            point.save()
            cited = {"place": words[:100], "quotation": words, "consulted": "2026-01-02"}
            Citation.objects.bulk_create(Citation(point=point, source=source, **cited) for source in sources)
        row.topics.add(topic)
        models.QuestionTag.objects.create(content_object=row, tag=tag)
        working_copy.refresh(row, by)
        if state != "draft":
            edition = publishing.preview(row)
            edition.change_note, edition.contributors = words, [audit.signature(by)]
            publishing.seal([(row, edition)], override=words)
        if state == "checked":
            publishing.check(row, by=by, comment=words)
        if state in ("draft", "submitted"):
            Question.objects.filter(pk=row.pk).update(text=f"{SECRET} {words[:900]}")
            working_copy.refresh(Question.objects.get(pk=row.pk), by)
        if state == "submitted":
            publishing.submit(Question.objects.get(pk=row.pk), by=by, note=words)
        if state == "withdrawn":
            publishing.withdraw(row, because=words, by=by)
        if state == "conflict":
            Question.objects.filter(pk=row.pk).update(seed_conflict=words)
    for name in models.SiteText.Name:
        models.SiteText.objects.create(name=name, text=words)
    models.Synonym.objects.create(words="word", means=words[:200])
    models.MissedSearch.objects.create(words=words[:100], day=timezone.localdate())
    models.Note.objects.create(collection=collection, kind="<xinj>", text=words)
    live, draft = collection.questions.get(number=1).live, collection.questions.get(number=3)
    report = reports.store(live, live.content.blocks[0].key, words)
    for device in (TOTPDevice, StaticDevice):
        device.objects.create(user=by, name=words[:60])
    keys = collection.questions.order_by("number").values_list("pk", flat=True)
    return users, {
        "collection": ["hostile", "library"], "number": [1, 2], "edition": [1], "slug": ["hostile", "cards"],
        "receipt": [report.receipt], "token": [draft_links.token(draft)], "pk": keys, "id": [by.pk], "app_label": ["faq"],
        "section": list(SITEMAPS), "url": ["nothing"], "content_type_id": [1],
    }  # fmt: skip


# Answers


def header_faults(path, headers, tls=False, private=False):
    """Say which security headers (a list of pairs) of an answer are missing or wrong. `private`: to a logged-in user."""
    found = {name.lower(): value for name, value in headers}
    policy, desk = found.get("content-security-policy", ""), path.startswith("/admin/")
    wanted = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin|no-referrer"}
    if not re.match(r"text/(css|javascript)\b", found.get("content-type", "")):
        wanted |= {"permissions-policy": r".*camera=\(\)", "cross-origin-opener-policy": "same-origin"}
        wanted |= {"x-frame-options": "DENY", "content-security-policy": ".*default-src 'none'"}
        parts = ("frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'")
        yield from (f"policy without {part}" for part in parts if part not in policy)
    if tls:
        wanted["strict-transport-security"] = "max-age=31536000"
    if desk and private:
        wanted["cache-control"] = ".*(private|no-store)"
    yield from (f"{n}: {found.get(n)}" for n, value in wanted.items() if not re.match(value, found.get(n, "")))
    words = ["unsafe", "*", "http:", "https:", *([] if desk else ["script-src", "data:"])]
    yield from (f"policy with {word}" for word in words if word in policy)
    yield from (f"{n}: {found[n]}" for n in ("server", "via") if re.search(r"\d|python|django", found.get(n, ""), re.I))
    for name, value in headers:
        if name.lower() == "set-cookie" and "expires=Thu, 01 Jan 1970" not in value:
            if not desk:
                yield "a cookie for a reader"
            flags = ["HttpOnly", "SameSite=Lax", *(["Secure"] if tls else [])]
            yield from (f"a cookie without {flag}" for flag in flags if flag.lower() not in value.lower())


def judge(response, path, visitor="reader"):
    """Say everything that is wrong with a response of Django's test client to a hostile request."""
    body, kind = b"".join(response), response.get("Content-Type", "").partition(";")[0]
    if body and (coding := response.get("Content-Encoding")):
        body = {"br": brotli.decompress, "gzip": gzip.decompress}[coding](body)
    if response.status_code >= 500:
        yield f"status {response.status_code}"
    if getattr(response, "exc_info", None):
        yield f"exception {response.exc_info[1]!r}"[:300]
    cookies = [("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()]
    yield from header_faults(path, [*response.items(), *cookies], private=visitor not in ("reader", "stranger"))
    location = response.get("Location", "")
    if re.match(r"[/\\]{2}|(?!https?:)\w+:", location) or urlsplit(location).netloc not in ("", "testserver"):
        yield f"leads elsewhere: {location[:200]}"
    if found := re.search(rb"Traceback \(most|sqlite3\.|psycopg\.|File \"/|md5\$|root:x:0|seven-and-eight", body):
        yield f"says {found[0]!r}"
    if settings.SECRET_KEY.encode() in body:
        yield "says the secret key"
    outsider = visitor in ("reader", "stranger") and not path.startswith(("/drafts/", "/es/drafts/"))
    published = Question.objects.public().filter(live__content__icontains=SECRET)  # by a request of this attack
    if outsider and SECRET.encode() in body and not published.exists():
        yield "shows a draft"
    public = not path.startswith("/admin/") or "/preview/" in path
    if public and kind in ("text/html", "application/atom+xml") and TURNING.search(body.decode()):
        yield "turns the direction of text"
    if kind == "text/html" and body:
        for element in html.document_fromstring(body, parser=html.HTMLParser(encoding="utf-8", huge_tree=True)).iter():
            yield from _element_faults(element, public)
    elif kind.endswith("xml") and body:
        for element in etree.fromstring(body, parser=etree.XMLParser(resolve_entities=False, huge_tree=True)).iter():
            if "xinj" in str(element.tag) or urlsplit(element.get("href", "")).netloc not in ("", "testserver"):
                yield f"markup in XML: {etree.tostring(element)[:200]}"
    elif kind.endswith("json") and body:
        json.loads(body)
    elif kind == "text/csv":
        cells = (cell for row in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")) for cell in row)
        yield from (f"a formula: {cell[:60]!r}" for cell in cells if re.match(r"[=+\-@\t\r\n＝＋－＠]", cell))


def _element_faults(element, public):
    if not isinstance(element.tag, str):
        return
    names = [element.tag, *element.attrib]
    inline = element.tag == "script" and not element.get("src") and "json" not in element.get("type", "")
    if any("xinj" in name or name.startswith("on") for name in names) or inline:
        yield f"markup injected: {etree.tostring(element)[:200]}"
    # (The differences of a spreadsheet have styles, which the policy stops.)
    styled = (element.tag == "style" or "style" in element.attrib) and (public or element.tag not in ("ins", "del"))
    foreign = element.tag in ("iframe", "object", "embed", "base", "audio", "video") or "http-equiv" in element.attrib
    if styled or foreign:
        yield f"no page has this: {etree.tostring(element)[:200]}"
    for name in ("src", "srcset", "action", "formaction", "data", "poster", "href"):
        value = re.sub(r"[\x00-\x20]", "", element.get(name, ""))
        scheme = (re.match(r"([\w+.-]+):", value.lower()) or [None, ""])[1]
        if name == "href" and element.tag == "a":
            wrong = scheme not in ("", "http", "https", "mailto", "tel")
        else:
            wrong = scheme and not value.startswith("http://testserver/")
        if wrong or re.match(r"[/\\]{2}", value):
            yield f"{element.tag} {name}={value[:100]!r}"


# Requests


def raw(value):
    """The bytes of a value; a lone surrogate as a careless program sends it."""
    return str(value).encode("utf-8", "surrogatepass")


def encoded(pairs):
    """A query or a form from pairs."""
    return "&".join("=".join(quote_from_bytes(raw(part), safe="") for part in pair) for pair in pairs).encode()


def routes(resolver=None, before="/"):
    """All patterns of addresses, each as a list of text and names of arguments in turn."""
    for entry in (resolver or get_resolver()).url_patterns:
        prefixes = ["", "es/"] if isinstance(entry.pattern, LocalePrefixPattern) else [str(entry.pattern)]
        for prefix in prefixes:
            if hasattr(entry, "url_patterns"):
                yield from routes(entry, before + prefix)
            else:
                pattern = re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", before + prefix).replace("^", "").replace("$", "")
                yield re.split(r"<(?:\w+:)?(\w+)>", pattern)


@contextmanager
def undone():
    """Roll the database back at the end, and empty the cache."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
    cache.clear()


class Attack:
    """Sends hostile requests; `log` has (kind, status, seconds, faults, request) of each."""

    def __init__(self, chance, library):
        self.chance, self.log = chance, []
        users, self.values = build(library)
        self.clients = {name: Client(raise_request_exception=False) for name in (*users, "reader")}
        for name in users:
            self.clients[name].force_login(users[name])
        del self.clients["evil"]  # has a second factor, so is asked for it everywhere
        self.routes = [route for route in routes() if "logout" not in route[0]]
        self.paths, self.forms = [], {}

    def send(self, kind, visitor, path, query=b"", method="GET", body=b"", content_type="", **headers):
        """Send one request as one of the visitors, judge the answer, and return it."""
        client, begun = self.clients[visitor], time.thread_time()
        cookies = client.cookies.copy()
        headers = {name: raw(value).decode("latin-1") for name, value in headers.items()}
        place = {"PATH_INFO": unquote_to_bytes(path).decode("latin-1"), "QUERY_STRING": query.decode("latin-1")}
        response = client.generic(method, "/", body, content_type, **place, **headers)
        seconds = time.thread_time() - begun
        client.cookies = cookies
        request = f"{visitor}: {method[:20]} {path[:200]} {query[:200]} {body[:300]} {str(headers)[:200]}"
        return self.note(kind, response, path.decode("latin-1"), visitor, seconds, request)

    def note(self, kind, response, path, visitor, seconds, request):
        try:
            faults = list(judge(response, path, visitor))
        except (ValueError, etree.LxmlError) as error:
            faults = [f"cannot be read: {error!r}"]
        faults += [f"took {seconds:.1f} seconds"] if seconds > SLOW else []
        self.log.append((kind, response.status_code, seconds, faults, request))
        return response

    def fill(self, route, place=None, value=b""):
        """An address of this pattern with arguments that exist, or with `value` as one of them."""
        parts = [part.encode() for part in route]
        for number in range(1, len(route), 2):
            known = self.values.get(route[number], [1])
            found = re.match(r"/admin/(\w+)/(\w+)/", route[0])
            if found and route[number] == "object_id":
                known = apps.get_model(*found.groups())._default_manager.values_list("pk", flat=True)[:3]
            parts[number] = value if number == place else raw(self.chance.choice(list(known) or [1]))
        return b"".join(parts)

    def visit(self, visitors):
        """Visit every address as each of these; remember addresses and forms. Returns patterns that never answered."""
        unreached = []
        for route in self.routes:
            statuses = set()
            for visitor in visitors:
                path = self.fill(route)
                with undone():
                    response = self.send("visit", visitor, path)
                statuses.add(response.status_code)
                self.note_forms(response, path, visitor)
            self.paths.append(path)
            if not statuses & {200, 301, 302, 410}:
                unreached.append("".join(route))
        for path, (visitor, form) in list(self.forms.values()):  # the pages that confirm an action on several rows
            if "action" in form.fields and "_selected_action" in form.fields:
                keys = [("_selected_action", key) for key in form.xpath(".//input[@name='_selected_action']/@value")]
                for action in filter(None, form.inputs["action"].value_options):
                    with undone():
                        response = self.post("visit", visitor, path, [("action", action), *keys[:3]])
                    self.note_forms(response, path, visitor, action)
        return unreached

    def note_forms(self, response, path, visitor, action=""):
        page = response.status_code == 200 and response.get("Content-Type", "").startswith("text/html")
        if page and response.content:
            for form in html.document_fromstring(response.content, parser=html.HTMLParser(encoding="utf-8")).forms:
                target = urljoin(path.decode(), form.action or "").encode()
                if not target.endswith((b"/logout/", b"/i18n/setlang/")):
                    known = (re.sub(rb"\d+", b"", target), form.method, action, visitor)
                    self.forms[known] = target, (visitor, form)

    def post(self, kind, visitor, path, pairs, query=b""):
        body, urlencoded = encoded(pairs), "application/x-www-form-urlencoded"
        return self.send(kind, visitor, path, query, "POST", body, urlencoded)

    def run(self, size):
        """Send `size` hostile requests of all kinds; what they change is undone."""
        kinds = ["parameter", "argument", "field", "method", "body", "header", "upload", "lookup"]
        for kind in self.chance.choices(kinds, (25, 15, 30, 4, 6, 8, 4, 8), k=size):
            path, name = self.chance.choice(self.paths), self.chance.choice(list(HEADERS))
            pairs = [(self.chance.choice(NAMES), self.value()) for _ in range(self.chance.choice([1, 1, 2, 3]))]
            odd = b"&page=" + self.chance.choice(BYTES) if self.chance.random() < 0.1 else b""
            body, content_type = self.chance.choice(BODIES)
            with undone():
                match kind:
                    case "parameter":
                        self.send(kind, self.visitor(path), path, encoded(pairs) + odd)
                    case "method":
                        self.send(kind, self.visitor(path), path, method=self.chance.choice(METHODS))
                    case "body":
                        self.send(kind, self.visitor(path), path, b"", "POST", body, content_type)
                    case "header":
                        self.send(kind, self.visitor(path), path, **{name: self.chance.choice(HEADERS[name])})
                    case _:
                        getattr(self, kind)()
            yield kind

    def visitor(self, path):
        staff = ["superuser"] * 4 + ["Editors", "Publishers"] * 2 + ["Site managers", "stranger", "reader"]
        return self.chance.choice(staff) if path.startswith(b"/admin") else "reader"

    def value(self):
        return self.chance.choice(self.chance.choice([TEXTS, NUMBERS]))

    def argument(self):
        route, path = self.chance.choice(self.routes), self.chance.choice(PATHS)
        if len(route) > 1 and self.chance.random() < 0.8:
            value = quote_from_bytes(raw(self.value()), safe=self.chance.choice(["", "/"])).encode()[:60_000]
            path = self.fill(route, self.chance.randrange(1, len(route), 2), value)
        self.send("argument", self.visitor(path), path)

    def field(self):
        """A form with one to three hostile values; what it saved is then read, by the same person and by a reader."""
        path, (visitor, form) = self.chance.choice(list(self.forms.values()))
        pairs = dict(form.form_values())
        names = [name for name in form.fields if getattr(form.inputs[name], "type", "") != "file"] or [""]
        for _ in range(self.chance.choice([1, 1, 2, 3])):
            pairs[self.chance.choice(names)] = self.value()
        path, _, query = path.partition(b"?")
        if form.method == "GET":
            self.send("field", visitor, path, encoded(pairs.items()))
            return
        response = self.post("field", visitor, path, pairs.items(), query)
        if response.status_code in (302, 303):
            target = urlsplit(response["Location"])
            self.send("look after", visitor, target.path.encode(), target.query.encode())
            public = [path for path in self.paths if not path.startswith(b"/admin")]
            self.send("look after", "reader", self.chance.choice(public))

    def upload(self):
        path, cell = "/admin/faq/question/import/", raw(self.value()).replace(b'"', b'""')
        content = self.chance.choice([*FILES, HEAD + b'library,1,"' + cell + b'",x\r\n'])
        name = self.chance.choice(["desk.csv", "../../x.csv", '"><xinj>.csv', "a" * 5000 + ".csv", "desk.xlsx"])
        file, begun = SimpleUploadedFile(name, content), time.thread_time()
        page = self.clients["Editors"].post(path, {"import_file": file, "format": "0", "resource": "0"})
        seconds = time.thread_time() - begun
        self.note("upload", page, path, "Editors", seconds, f"{name[:50]} {content[:100]}")
        for form in html.document_fromstring(page.content).forms:
            if "process_import" in (form.action or ""):
                self.post("upload", "Editors", form.action.encode(), form.form_values())

    def lookup(self):
        """A lookup on a random field of a random list, or of a model related to it: refused."""
        top = model = self.chance.choice(sorted(admin.site._registry, key=str))
        names = []
        for _ in range(3):
            field = self.chance.choice(model._meta.get_fields())
            names.append(field.name)
            model = getattr(field, "related_model", None)
            if not model:
                break
            if model is User and self.chance.random() < 0.5:
                names.append("password")
                break
        how = self.chance.choice(["regex", "iregex", "startswith", "contains", "endswith", "gt"])
        query = encoded([("__".join([*names, how]), self.chance.choice(["(", r"^(\w+\s?)+$", "a", "1"]))])
        path = f"/admin/{top._meta.app_label}/{top._meta.model_name}/".encode()
        if self.send("lookup", "superuser", path, query, self.chance.choice(["GET", "POST"])).status_code != 400:
            self.log[-1][3].append("a lookup that ran")


# Forged rows

PUBLIC = ["live_id", "withdrawn_at", "withdrawn_because", "checked_on", "check_due", "unconfirmed", "number"]
"""Columns of a question that follow from the log. Those of sealed tables all do."""
VALUES = [None, True, False, 0, 2, "", "Forged.", "{}", "2020-01-01", "2039-01-01 10:00:00+00:00"]


def forge(chance):
    """Change one row of published answers by SQL, then undo it. Returns the statement with its values, and one of
    "refused" by the database, "found" by `audit.verify`, "unnoticed", and "unchanged" for a row that is what it was."""
    table = chance.choice(["faq_question", "faq_question", "faq_question", *triggers.SEALED])
    act = chance.choice(["UPDATE", "INSERT", "INSERT", "DELETE"])
    with undone(), connection.cursor() as cursor:
        before = _rows(cursor, table)
        row, other = chance.choice(before), chance.choice(before)
        new = {}
        names = [name for name in row if name != "id" and (table != "faq_question" or name in PUBLIC)]
        for name in chance.sample(names, chance.choice([1, 1, 2, 3])):
            respelled = [json.dumps(json.loads(row[name]), indent=1)] if name == "content" else []
            new[name] = chance.choice([other[name], *VALUES, *respelled])
        if act == "DELETE":
            sql, values = f"DELETE FROM {table} WHERE id = %s", [row["id"]]
        elif act == "INSERT" and table != "faq_question":
            new = {name: row[name] for name in names} | new | {"number": chance.randint(1, 999)}
            columns, marks = ", ".join(f'"{name}"' for name in new), ", ".join(["%s"] * len(new))
            sql, values = f"INSERT INTO {table} ({columns}) VALUES ({marks})", list(new.values())
        else:
            if table == "faq_question":  # a constraint ties the state to the other columns
                new["state"] = chance.choice(["draft", "public", "changed", "withdrawn"])
            columns = ", ".join(f'"{name}" = %s' for name in new)
            sql, values = f"UPDATE {table} SET {columns} WHERE id = %s", [*new.values(), row["id"]]
        statement = f"{sql} {str(values)[:500]}"
        try:
            with transaction.atomic():
                cursor.execute(sql, values)
                connection.check_constraints()
        except DatabaseError:
            return statement, "refused"
        if [row | {"state": ""} for row in _rows(cursor, table)] == [row | {"state": ""} for row in before]:
            return statement, "unchanged"
        return statement, "found" if audit.verify().problems else "unnoticed"


def _rows(cursor, table):
    only = "WHERE live_id IS NOT NULL OR withdrawn_at IS NOT NULL" if table == "faq_question" else ""
    cursor.execute(f"SELECT * FROM {table} {only} ORDER BY id")
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


# The server


class Server(deployed.Node):
    """The site as its systemd unit starts it, with the example questions, behind a proxy that says it took HTTPS."""

    def exchange(self, data):
        """Send bytes; return what comes back until the server closes the connection, or is silent for a second."""
        received = b""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(1)
            try:
                line.connect(str(self.socket))
                line.sendall(data)
                line.shutdown(socket.SHUT_WR)
                while piece := line.recv(65536):
                    received += piece
            except OSError:  # it had enough, or waits for more
                pass
        return received

    def get(self, path, https=True, **headers):
        """The status, headers and body of a request."""
        with closing(http.client.HTTPConnection(deployed.HOST, timeout=20)) as told:
            told.sock = socket.socket(socket.AF_UNIX)
            told.sock.connect(str(self.socket))
            told.request("GET", path, headers={"X-Forwarded-Proto": "https" if https else "http", **headers})
            response = told.getresponse()
            return response.status, response.getheaders(), response.read()


@contextmanager
def server():
    """A running `Server` with a scratch database."""
    with tempfile.TemporaryDirectory(prefix="kb-") as folder:
        options = {"VAR_DIR": folder, "ALLOWED_HOSTS": deployed.HOST, "TLS": "on", "PROXY": "on"}
        environment = servers.environment(**options)
        prepare = [sys.executable, "manage.py", "prepare"]
        subprocess.run(prepare, cwd=deployed.ROOT, env=environment, capture_output=True, check=True)
        node = Server("node", Path(folder), environment)
        try:
            node.start()
            yield node
        finally:
            node.stop()


def on_the_server():
    """Send crooked bytes to the real server, then look at the headers of every kind of public answer. Yields
    (kind, status, seconds, faults, request)."""
    with server() as node:
        for name, data in CROOKED.items():
            received = node.exchange(data)
            statuses = [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3})", received, re.M)]
            faults = [f"status {status}" for status in statuses if status >= 500]
            if re.search(rb"(?i)traceback|^location:.*evil", received) or node.get("/healthz", https=False)[0] != 200:
                faults.append(f"answered {received[:200]}")
            yield "bytes", max(statuses, default=400), 0, faults, name
        home = node.get("/")[2].decode()
        answer = re.search(r'href="(/answers/[\w-]+/1/)[\w-]+/"', home)[1]
        pages = ["/", "/es/", "/questions/?q=court", "/changes/", "/changes.atom", "/sitemap.xml", "/robots.txt", "/about/",
                 "/about", "/nowhere/", "/static/nowhere.css", "/static/favicon.svg", "/healthz", "/readyz", "/admin/",
                 "/admin/login/", answer, *(f"{answer}{part}" for part in ("history/", "report/", "editions/1/")),
                 *re.findall(r'href="(/static/css/site[^"]+)"', home)]  # fmt: skip
        for path in pages:
            for how in ({}, {"https": False}, {"Host": "evil.example"}, {"If-None-Match": "*"}):
                status, headers, _ = node.get(path, **how)
                faults = list(header_faults(path, headers, tls=how.get("https", True)))
                yield "headers", status, 0, faults, f"{path} {how}"
            # A kept page is the same after requests with hostile headers.
            names = ["X-Forwarded-Host", "X-Original-Url", "Origin", "Referer"]
            node.get(f"{path}?x=1", **dict.fromkeys(names, "https://evil.example/"))
            if b"evil.example" in node.get(f"{path}?x=1")[2]:
                yield "headers", 200, 0, ["another reader's page was changed"], path
        lines = [line for line in node.written().splitlines() if not line.startswith("{")]
        yield "log", 200, 0, [f"a line from outside: {line}" for line in lines], "the server's log"


@contextmanager
def log_lines():
    """A stream of everything that the site logs inside the block."""
    [console] = [handler for handler in logging.getLogger().handlers if handler.name == "console"]
    before = console.setStream(io.StringIO())
    try:
        yield console.stream
    finally:
        console.setStream(before)


def forged_lines(stream):
    return [line for line in stream.getvalue().splitlines() if re.match(r"FORGED|X-Injected", line) or "\x1b" in line]
