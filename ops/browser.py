"""A browser without scripts, for the tools: cookies, redirects and forms, with the standard library and lxml."""

import http.client
import re
import urllib.error
import urllib.request
from urllib.parse import urlencode

import lxml.html


class Page:
    """A response. Without one, `status` is 0 and `text` says why."""

    def __init__(self, status, headers, text):
        self.status, self.headers, self.text = status, headers, text
        found = re.search(r"<h1>(.*?)</h1>", text, re.DOTALL)
        self.title = " ".join(found[1].split()) if found else ""


class Browser:
    def __init__(self, address):
        self.address, self.opener = address, urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def get(self, path, pairs=None, timeout=90):
        """GET `path`, or POST `pairs` to it."""
        data = urlencode(pairs).encode() if pairs else None
        try:
            try:
                response = self.opener.open(self.address + path, data, timeout=timeout)
            except urllib.error.HTTPError as error:
                response = error
            with response:
                return Page(response.status, response.headers, response.read().decode())
        except (OSError, http.client.HTTPException) as error:
            return Page(0, {}, f"{type(error).__name__}: {error}")

    def send(self, path, page, **changes):
        """Send the largest form of `page`, which was loaded from `path`, with some of its fields changed."""
        forms = [form for form in lxml.html.fromstring(page.text or "<p>").forms if form.method == "POST"]
        if not forms:
            return page
        form = max(forms, key=lambda form: len(form.fields))
        pairs = [(name, value) for name, value in form.form_values() if name not in changes]
        return self.get(form.action or path, pairs + list(changes.items()))

    def log_in(self, name, password):
        path = "/admin/login/?next=/admin/"
        return self.send(path, self.get(path), username=name, password=password)
