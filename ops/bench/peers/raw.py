"""R: the least that a Python server can do. A WSGI application that says hello, and knows nothing else."""

BODY = b"Hello"
HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(BODY)))]


def application(environ, start_response):
    start_response("200 OK", HEADERS)
    return [BODY]
