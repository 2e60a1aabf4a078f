"""Temporary storage of uploaded spreadsheets between the preview and the confirmation."""

import secrets

from django.core.cache import caches
from import_export.tmp_storages import CacheStorage


class SharedStorage(CacheStorage):
    """Stores the file in the shared cache for at most an hour, since another process may confirm the import."""

    CACHE_LIFETIME = 60 * 60

    def save(self, data):
        self.name = self.name or secrets.token_hex(16)
        caches["shared"].set(self._key, data, self.CACHE_LIFETIME)

    def read(self):
        data = caches["shared"].get(self._key)
        if data is None:  # an empty file would be imported and reported as a success
            raise FileNotFoundError("The file was uploaded more than an hour ago, or was already imported.")
        return data if "b" in self.read_mode else data.decode(self.encoding or "utf-8")

    def remove(self):
        caches["shared"].delete(self._key)

    @property
    def _key(self):
        return self.CACHE_PREFIX + self.name
