"""Collected static files, and pages that can be read without them."""

import logging
import os
from functools import lru_cache

import rcssmin
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Names each file by its content, and keeps no more of a style sheet than a browser needs.

    One that was not collected costs the page its looks, not its words."""

    def _save(self, name, content):
        if name.endswith(".css"):
            content = ContentFile(rcssmin.cssmin(b"".join(content.chunks())))
        return super()._save(name, content)

    def post_process(self, *args, **kwargs):
        """WhiteNoise writes compressed files without asking which permissions static files have."""
        before = os.umask(0o777 & ~self.directory_permissions_mode)
        try:
            yield from super().post_process(*args, **kwargs)
        finally:
            os.umask(before)

    def stored_name(self, name):
        try:
            return super().stored_name(name)
        except ValueError:
            if not _say_missing(name):
                raise  # WhiteNoise asks for names that nobody has, to find out
            return name


@lru_cache
def _say_missing(name):
    """Once for each file, and not with each page. Returns whether there is such a file to be collected."""
    if finders.find(name) is None:
        return False
    logging.getLogger(__name__).error("The static file %s was not collected. Run: manage.py collectstatic", name)
    return True
