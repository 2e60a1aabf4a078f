"""A page of raw FTS5: the least that a search page over SQLite can be.

One query for the twenty best by bm25, with marked excerpts, one to count, and a small template; Django around it as in
`hello`. The text is in RAW_SEARCH."""

import os
import re
import sqlite3
import threading

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.shortcuts import render
from django.urls import path

settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.middleware.common.CommonMiddleware",
    ],
    TEMPLATES=[
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    (
                        "django.template.loaders.locmem.Loader",
                        {
                            "results.html": "<!DOCTYPE html><title>Search</title><h1>{{ count }} found</h1>"
                            "<ol>{% for id, title, passage in rows %}<li><a href='/{{ id }}/'>{{ title }}</a>"
                            "<p>{{ passage|safe }}</p>{% endfor %}</ol>"
                        },
                    )
                ]
            },
        }
    ],
    LOGGING_CONFIG=None,
)

_mine = threading.local()
_PAGE = """
    SELECT text.id, text.title, snippet(found, 1, '<mark>', '</mark>', '…', 24)
    FROM found JOIN text ON text.id = found.rowid WHERE found MATCH ? ORDER BY rank LIMIT 20
"""


def results(request):
    if not hasattr(_mine, "connection"):
        _mine.connection = sqlite3.connect(os.environ["RAW_SEARCH"])
    wanted = " OR ".join(f'"{word}"' for word in re.findall(r"\w+", request.GET["q"]))
    rows = _mine.connection.execute(_PAGE, [wanted]).fetchall()
    count = _mine.connection.execute("SELECT count(*) FROM found WHERE found MATCH ?", [wanted]).fetchone()[0]
    return render(request, "results.html", {"rows": rows, "count": count})


def ready(request):
    return render(request, "results.html", {"rows": [], "count": 0})


urlpatterns = [path("questions/", results), path("", ready)]
application = get_wsgi_application()
