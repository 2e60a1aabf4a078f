"""One request and its answer, through the WSGI application that the server runs, with all middleware and CSRF checks."""

import io
import sys
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import unquote_to_bytes

from django.core.signals import got_request_exception, request_finished, request_started
from django.db import close_old_connections
from django.test import Client

from faq.tests.hostile.payloads import raw

HOST = "testserver"


@dataclass
class Request:
    """What is sent. Path and query are bytes with percent signs, as in a request line."""

    kind: str
    path: bytes
    query: bytes = b""
    method: str = "GET"
    body: bytes = b""
    content_type: str = ""
    headers: dict = field(default_factory=dict)
    visitor: str = "reader"

    def __str__(self):
        query = b"?" + self.query if self.query else b""
        body = f" body {self.body[:300]!r} ({self.content_type[:60]!r})" if self.body or self.content_type else ""
        headers = f" headers {str(self.headers)[:200]}" if self.headers else ""
        return f"[{self.kind}] {self.visitor}: {self.method[:20]} {(self.path + query)[:300]!r}{body}{headers}"


@dataclass
class Answer:
    request: Request
    status: int
    headers: list
    body: bytes
    errors: list

    def get(self, name, default=""):
        return next((value for key, value in self.headers if key.lower() == name.lower()), default)

    @property
    def is_html(self):
        return self.get("Content-Type").startswith("text/html")

    @property
    def cookies(self):
        return [value for key, value in self.headers if key.lower() == "set-cookie"]


class Visitor:
    """Somebody with a browser that keeps cookies, logged in or not."""

    def __init__(self, name, user=None):
        self.name, self.cookies = name, {}
        if user:
            client = Client()
            client.force_login(user)
            self.cookies = {key: morsel.value for key, morsel in client.cookies.items()}

    def send(self, application, request, keep=False):
        """The application's answer. With `keep`, cookies that it sets are sent from then on."""
        request.visitor = self.name
        environ = self._environ(request)
        caught, started = [], []

        def note(sender, request=None, **kwargs):
            caught.append(sys.exc_info()[1])

        def start_response(status, headers, exc_info=None):
            started[:] = [int(status.split()[0]), headers]

        got_request_exception.connect(note)
        # What a request changes is undone later, so the connection stays with the transaction that it is in.
        request_started.disconnect(close_old_connections)
        request_finished.disconnect(close_old_connections)
        try:
            result = application(environ, start_response)
            body = b"".join(result)
            if hasattr(result, "close"):
                result.close()
        finally:
            request_started.connect(close_old_connections)
            request_finished.connect(close_old_connections)
            got_request_exception.disconnect(note)
        answer = Answer(request, started[0], started[1], body, caught)
        if keep:
            for line in answer.cookies:
                self.cookies |= {key: morsel.value for key, morsel in SimpleCookie(line).items()}
        return answer

    def _environ(self, request):
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(request.path).decode("latin-1"),
            "QUERY_STRING": request.query.decode("latin-1"),
            "CONTENT_TYPE": request.content_type,
            "CONTENT_LENGTH": str(len(request.body)) if request.body else "",
            "SERVER_NAME": HOST,
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "HTTP_HOST": HOST,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(request.body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }
        if self.cookies:
            environ["HTTP_COOKIE"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        # As a server hands headers on: each byte is a letter.
        return {**environ, **{name: raw(value).decode("latin-1") for name, value in request.headers.items()}}
