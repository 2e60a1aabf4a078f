"""Storage of static files."""

import logging
import os
from functools import lru_cache

import rcssmin
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage


class Storage(CompressedManifestStaticFilesStorage):
    """Adds a hash to the name of each file, and minifies style sheets.

    If a file was not collected, pages still render: the name without a hash is returned, and an error is logged."""

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
            if not _log_missing(name):
                raise  # WhiteNoise also asks for names that do not exist
            return name


@lru_cache
def _log_missing(name):
    """Log the error once per file. Return whether there is such a file to collect."""
    if finders.find(name) is None:
        return False
    logging.getLogger(__name__).error("The static file %s was not collected. Run: manage.py collectstatic", name)
    return True
