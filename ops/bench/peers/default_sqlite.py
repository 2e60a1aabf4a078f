"""The site's settings, with SQLite as Django sets it up by default."""

from kb_site.settings import *  # noqa: F403
from kb_site.settings import DATABASES

DATABASES["default"]["OPTIONS"] = {}
