"""Answers one request through the site's whole WSGI application, and ends: `first ADDRESS`. Its cost is measured."""

import sys
from io import BytesIO

from kb_site.wsgi import application

statuses = []
body = application(
    {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": sys.argv[1],
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "HTTP_ACCEPT_ENCODING": "br",
        "wsgi.input": BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
        "wsgi.multithread": False,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    },
    lambda status, headers, *more: statuses.append(status),
)
assert b"".join(body) and statuses[0].startswith("200"), statuses
