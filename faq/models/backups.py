"""The record of verified backups."""

from django.db import models


class BackupProof(models.Model):
    """A successful verification of a backup. Created by `faq.operations.backups`."""

    at = models.DateTimeField(db_index=True)
    name = models.CharField(max_length=200)
    editions = models.PositiveIntegerField()
    entries = models.PositiveBigIntegerField()

    def __str__(self):
        return f"{self.name}, proved {self.at:%Y-%m-%d}"
