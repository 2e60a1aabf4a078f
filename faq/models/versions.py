"""The content version: a number that every transaction raises if it changes what the public sees."""

from django.db import models


class ContentVersion(models.Model):
    """One row. Raised by the database itself, whoever writes to it (see `triggers`); read by `faq.version`.

    It rises by a random amount, so that a number which was seen once never comes back with other content: not even
    where a backup took the place of a newer database."""

    id = models.BigIntegerField(primary_key=True)
    version = models.BigIntegerField()

    def __str__(self):
        return str(self.version)
