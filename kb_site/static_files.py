"""Collected static files, and pages that can be read without them."""

import logging
from functools import lru_cache

from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Names each file by its content. One that was not collected costs the page its looks, not its words."""

    def stored_name(self, name):
        try:
            return super().stored_name(name)
        except ValueError:
            _say_missing(name)
            return name


@lru_cache
def _say_missing(name):
    """Once for each file, and not with each page."""
    logging.getLogger(__name__).error("The static file %s was not collected. Run: manage.py collectstatic", name)
