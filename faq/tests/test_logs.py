"""Logging of requests and errors, without anything about readers."""

import gzip
import http.server
import json
import logging
import math
import sqlite3
import threading
from io import StringIO

import brotli
import psycopg
import pytest
from django.db import OperationalError
from django.test import Client, override_settings

from faq.site import views
from faq.tests.conftest import form_token, logged_in
from faq.tests.installations import Site
from faq.tests.surfaces import public_addresses
from faq.tests.test_admin import form_data, page_of, question
from kb_site import logs

WORDS = "unmistakable-words"
TRACES = {
    "User-Agent": "agent-of-somebody",
    "Referer": "https://elsewhere.example/page",
    "X-Forwarded-For": "203.0.113.9",
}


@pytest.fixture
def lines(monkeypatch):
    """The lines that were written meanwhile, as the site writes them. No request is slow, however slow the machine."""
    monkeypatch.setattr(logs, "SLOW", math.inf)
    out = StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(logs.JsonFormatter())
    site, level = logging.getLogger("kb_site"), logging.getLogger("kb_site").level
    root = logging.getLogger()
    root.addHandler(handler)
    site.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    root.removeHandler(handler)
    site.setLevel(level)


@pytest.fixture
def failing(monkeypatch):
    """Pages of answers raise the error, whose message repeats a reader's words."""

    def fail(error):
        def get_queryset(*arguments, **options):
            raise error

        monkeypatch.setattr(views, "_known", get_queryset)

    return fail


def visitor():
    return Client(raise_request_exception=False, headers=TRACES, REMOTE_ADDR="198.51.100.7")


def test_reading_leaves_no_line_and_public_pages_bear_no_id(library, lines):
    for address in [*public_addresses(), f"/questions/?q={WORDS}", "/nowhere/", "/healthz"]:
        response = visitor().get(address)
        public = "public" in response.get("Cache-Control", "").split(", ")
        assert ("X-Request-ID" in response.headers) is not public, address
    assert lines() == []


def test_a_change_in_the_admin_is_logged_with_the_user_and_without_the_text(library, editor, lines):
    client, row = logged_in(editor), question()
    data = form_data(client, row) | {"text": f"{WORDS}?"}
    assert client.post(page_of(row), data, headers=TRACES).status_code == 302
    [line] = lines()
    ms, time, request = line.pop("ms"), line.pop("time"), line.pop("request")
    assert isinstance(ms, int) and time.endswith("+00:00") and len(request) == 32
    assert line == {
        "level": "INFO", "logger": "kb_site", "message": "admin", "status": 302, "method": "POST",
        "route": "admin:faq_question_change", "of": {"object_id": str(row.pk)}, "user": editor.pk,
    }  # fmt: skip


def test_text_in_place_of_a_primary_key_is_not_logged(library, lines):
    for address in (f"/admin/faq/question/{WORDS}/change/", f"/admin/faq/source/{WORDS}/delete/"):
        assert visitor().post(address).status_code == 302
    assert all("of" not in line and line["route"].startswith("admin:faq_") for line in lines()) and lines()


def test_a_login_is_logged_without_name_password_and_address(editor, lines):
    for password in ("wrong", "correct horse"):
        data = {"username": "erin", "password": password, "next": "/admin/"}
        visitor().post(f"/admin/login/?next={WORDS}", data)
    assert [(line["route"], line["status"], line["user"]) for line in lines()] == [
        ("admin:login", 200, None), ("admin:login", 302, editor.pk)
    ]  # fmt: skip
    assert_nothing_of_the_visitor_in(lines())
    assert "erin" not in json.dumps(lines()) and "correct" not in json.dumps(lines())


def test_a_refused_form_is_logged_by_kind(library, lines):
    strict = Client(enforce_csrf_checks=True, headers=TRACES | {"Origin": f"https://{WORDS}.example"})
    assert strict.post(f"/admin/login/?next={WORDS}", {"username": WORDS}).status_code == 403
    assert {line["message"] for line in lines()} == {"refused: csrf", "admin"}
    assert {line["status"] for line in lines()} == {403}
    assert_nothing_of_the_visitor_in(lines())


def test_a_report_that_has_to_wait_is_logged(library, lines):
    address, sent = "/answers/library/2/report/", {"text": WORDS, "token": form_token(0)}
    assert visitor().post(f"{address}?q={WORDS}", sent).status_code == 429
    [line] = lines()
    assert (line["message"], line["route"], line["of"]) == (
        "refused: too many", "report", {"collection": "library", "number": 2}
    )  # fmt: skip
    assert_nothing_of_the_visitor_in(lines())


def said_by(driver, code, words=WORDS):
    """An error as Django raises it, with the driver's error and its code as the cause."""
    error = OperationalError(words)
    error.__cause__ = driver(words)
    if driver is sqlite3.OperationalError:
        error.__cause__.sqlite_errorname = code
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError(f"invalid literal for int(): '{WORDS}'"), None),
        (KeyError(WORDS), None),
        (UnicodeError("\n\r\x1b[31m forged"), None),
        (OperationalError(f"no such column: {WORDS}"), None),
        (said_by(sqlite3.OperationalError, "SQLITE_BUSY"), "SQLITE_BUSY"),
        (said_by(psycopg.errors.AdminShutdown, "57P01"), "57P01"),
        (said_by(psycopg.OperationalError, None, "connection refused"), "connection refused"),
        (OSError(28, "No space left on device", f"/tmp/{WORDS}"), "No space left on device"),
    ],
)
def test_an_error_is_logged_in_one_line_with_its_places_and_without_input(library, lines, failing, error, told):
    failing(error)
    response = visitor().get(f"/answers/library/1/history/?q={WORDS}")
    assert response.status_code in (500, 503)  # what an operator can mend is “unavailable”
    [line] = lines()
    assert line["level"] == "ERROR" and line["message"].startswith(f"answered {response.status_code} ")
    assert line["route"] == "history" and line["of"] == {"collection": "library", "number": 1}
    assert line["request"] == response.headers["X-Request-ID"]
    link = line["error"][0]
    assert link["kind"].rpartition(".")[2] == type(error).__name__
    assert "raise error" in link["at"][-1] and any(place.startswith("faq/site/views.py:") for place in link["at"])
    assert link.get("message") == told
    assert_nothing_of_the_visitor_in(lines())


def test_the_causes_of_an_error_are_logged_once_each(lines):
    first, second = ValueError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    logging.getLogger("kb_site").error("x", exc_info=first)
    assert [(link["kind"], link["message"]) for link in lines()[0]["error"]] == [
        ("ValueError", "first"), ("RuntimeError", "second")
    ]  # fmt: skip


def test_a_slow_page_is_logged_by_its_route_alone(library, lines, monkeypatch):
    monkeypatch.setattr(logs, "SLOW", 0)
    visitor().get(f"/questions/?q={WORDS}")
    visitor().get("/drafts/a-token-that-opens-something/")
    assert [(line["message"], line["route"]) for line in lines()] == [
        ("slow", "question_list"), ("slow", "draft")
    ]  # fmt: skip
    assert_nothing_of_the_visitor_in(lines())
    assert "token" not in json.dumps(lines())


def test_nothing_in_a_message_ends_the_line_or_steers_a_terminal():
    for formatter in (logs.JsonFormatter(), logs.TextFormatter()):
        hostile = 'a\nb\r\x1b[2Jc\u2028d\u202ee\ud800"'
        record = logging.makeLogRecord({"msg": hostile, "name": "x", "levelname": "INFO", "fields": {"route": hostile}})
        line = formatter.format(record)
        assert line.isprintable() and len(line.splitlines()) == 1


def test_the_text_format_puts_the_places_on_lines_of_their_own(lines):
    try:
        raise ValueError("two\nlines")
    except ValueError as error:
        facts = {"msg": "failed", "levelname": "ERROR", "name": "kb_site", "exc_info": (ValueError, error, None)}
        text = logs.TextFormatter().format(logging.makeLogRecord(facts)).splitlines()
    assert text[0].endswith("ERROR kb_site: failed") and text[1].strip().startswith("faq/tests/test_logs.py:")
    assert text[2:] == [r"  ValueError: two\x0alines"]


@pytest.mark.parametrize(
    ("proxy", "given", "kept"),
    [
        (True, "0123456789abcdef0123456789abcdef", True), (False, "0123456789abcdef0123456789abcdef", False),
        (True, "short", False), (True, "x" * 65, False), (True, "with blanks and {braces}", False),
        (True, "line\nbreak-of-some-length", False), (True, "ünïcödé-of-some-length", False),
    ],
)  # fmt: skip
def test_a_request_id_is_taken_only_from_the_proxy_and_only_if_well_formed(client, proxy, given, kept):
    with override_settings(PROXY=proxy):
        response = client.get("/admin/login/", HTTP_X_REQUEST_ID=given)
    assert (response.headers["X-Request-ID"] == given) is kept
    assert response.headers["X-Request-ID"].isascii() and len(response.headers["X-Request-ID"]) == 32


def test_each_request_has_an_id_of_its_own(client):
    ids = {client.get("/admin/login/").headers["X-Request-ID"] for _ in range(5)}
    assert len(ids) == 5 and logs.request_id.get() == ""


def test_an_error_outside_of_django_is_logged_and_answered(lines):
    def application(environ, start_response):
        raise ValueError(WORDS)

    answered = []
    body = logs.catch_errors(application)({}, lambda status, headers: answered.append(status))
    assert answered == ["500 Internal Server Error"] and b"try again" in body[0]
    [line] = lines()
    assert line["error"][0]["kind"] == "ValueError" and WORDS not in json.dumps(line)


# The database has no tables, so that each page fails; words, addresses and a body are there to be leaked.
FAIL = f"""
import logging, sentry_sdk
from django.test import Client
visitor = Client(raise_request_exception=False, headers={TRACES!r}, REMOTE_ADDR="198.51.100.7", HTTP_HOST="localhost")
print(visitor.get("/answers/library/1/?q={WORDS}").status_code)
print(visitor.post("/admin/login/?next={WORDS}", {{"username": "{WORDS}", "password": "{WORDS}"}}).status_code)
logging.getLogger("elsewhere").error("told of %s", "{WORDS}", extra={{"more": "{WORDS}"}})
sentry_sdk.flush(10)
"""


@pytest.mark.commands
def test_sentry_gets_kinds_and_places_of_errors_and_nothing_about_readers(tmp_path):
    """The real library reports to a receiver of our own, over HTTP."""
    received = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            unpack = {"gzip": gzip.decompress, "br": brotli.decompress}.get(self.headers["Content-Encoding"], bytes)
            received.append(unpack(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as receiver:
        threading.Thread(target=receiver.serve_forever).start()
        dsn = f"http://public-key@127.0.0.1:{receiver.server_port}/1"
        done = Site(tmp_path, SENTRY_DSN=dsn, PYTHONWARNINGS="default").manage("shell", "-v0", "-c", FAIL)
        receiver.shutdown()
    assert done.stdout.split() == [b"500", b"500"], done.stderr
    events = [json.loads(line) for body in received for line in body.splitlines() if b'"exception"' in line]
    told = [event["exception"]["values"][-1] for event in events]
    assert [(error["type"], error["value"]) for error in told] == [("OperationalError", "SQLITE_ERROR")] * 2
    assert told[0]["stacktrace"]["frames"] and len(events[0]["tags"]["request"]) == 32
    for body in received:
        for trace in (WORDS, "198.51.100.7", *TRACES.values()):
            assert trace.encode() not in body, trace


def assert_nothing_of_the_visitor_in(lines):
    written = json.dumps(lines)
    for trace in (WORDS, "198.51.100.7", *TRACES.values()):
        assert trace not in written, trace
