"""A small Wagtail site to compare with: the project that `wagtail start` makes, one page type, the same texts.

`bench.py` runs it in an environment of its own. WAGTAIL_VAR names the folder with the database. The page shows what a
question page shows at least: the question, its answer, the pages above it, the one before and the one after.
"""

import json
import os
from html import escape
from pathlib import Path

import django
from django.conf import settings

VAR = Path(os.environ["WAGTAIL_VAR"])
TEMPLATE = """{% load wagtailcore_tags wagtailuserbar %}<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{{ page.seo_title|default:page.title }}</title>
    <meta name="viewport" content="width=device-width, initial-scale=1">
  </head>
  <body>
    {% wagtailuserbar %}
    <nav>{% for above in page.get_ancestors %}{% if not above.is_root %}
      <a href="{% pageurl above %}">{{ above.title }}</a>{% endif %}{% endfor %}
    </nav>
    <h1>{{ page.title }}</h1>
    {{ page.body|richtext }}
    <p>{{ page.last_published_at|date }}</p>
    <nav>
      {% for other in page.get_prev_siblings.live|slice:":1" %}<a href="{% pageurl other %}">{{ other }}</a>{% endfor %}
      {% for other in page.get_next_siblings.live|slice:":1" %}<a href="{% pageurl other %}">{{ other }}</a>{% endfor %}
    </nav>
  </body>
</html>"""

settings.configure(
    SECRET_KEY="x" * 50,
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="wagtail.urls",
    WAGTAIL_SITE_NAME="Notices",
    WAGTAILADMIN_BASE_URL="http://127.0.0.1",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
    STATIC_URL="/static/",
    LOGGING_CONFIG=None,
    INSTALLED_APPS=[
        *("wagtail.contrib.forms", "wagtail.contrib.redirects", "wagtail.embeds", "wagtail.sites"),
        *("wagtail.users", "wagtail.snippets", "wagtail.documents", "wagtail.images", "wagtail.search"),
        *("wagtail.admin", "wagtail", "modelcluster", "taggit", "django.contrib.auth", "django.contrib.contenttypes"),
        *("django.contrib.sessions", "django.contrib.messages", "django.contrib.staticfiles"),
    ],
    MIDDLEWARE=[
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
        "wagtail.contrib.redirects.middleware.RedirectMiddleware",
    ],
    TEMPLATES=[{
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "context_processors": [
                f"django.{name}"
                for name in ("template.context_processors.request", "contrib.auth.context_processors.auth",
                             "contrib.messages.context_processors.messages")
            ],
            "loaders": [("django.template.loaders.cached.Loader", [
                ("django.template.loaders.locmem.Loader", {"answer.html": TEMPLATE}),
                "django.template.loaders.app_directories.Loader",
            ])],
        },
    }],
    DATABASES={
        "default": {  # as the measured site has it
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": VAR / "wagtail.sqlite3",
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
                "transaction_mode": "IMMEDIATE",
            },
        }
    },
)  # fmt: skip
django.setup()

from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from wagtail.fields import RichTextField  # noqa: E402
from wagtail.models import Page, Site  # noqa: E402


class AnswerPage(Page):
    body = RichTextField()
    template = "answer.html"

    class Meta:
        app_label = "wagtailcore"  # an app of its own would need a package with migrations


application = get_wsgi_application()


def fill() -> None:
    """Make the database from VAR/answers.json, a list of [title, [paragraph, …]]; page n is at /answers/n/."""
    call_command("migrate", verbosity=0)
    with connection.schema_editor() as editor:
        editor.create_model(AnswerPage)
    Page.objects.filter(depth=2).delete()
    home = Page.objects.get(depth=1).add_child(instance=Page(title="Notices", slug="home"))
    Site.objects.update_or_create(hostname="127.0.0.1", defaults={"root_page": home, "is_default_site": True})
    section = home.add_child(instance=Page(title="Answers", slug="answers"))
    for number, (title, paragraphs) in enumerate(json.loads((VAR / "answers.json").read_text()), start=1):
        body = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in paragraphs)
        page = section.add_child(instance=AnswerPage(title=title, slug=str(number), body=body))
        page.save_revision().publish()
