"""Verify a backup."""

import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from faq.operations import backups


class Command(BaseCommand):
    help = "Restore a backup to a temporary database, verify its log and editions, and record it. Run it monthly."

    def add_arguments(self, parser):
        parser.add_argument("file", nargs="?", type=Path, help="the backup (default: the newest in VAR_DIR/backups)")

    def handle(self, file, **options):
        start = time.monotonic()
        try:
            path = file or backups.latest()
            result = backups.prove(path)
        except backups.CannotBackUp as error:
            raise CommandError(str(error)) from None
        for problem in result.verdict.problems:
            self.stderr.write(self.style.ERROR(problem))
        if result.verdict.problems:
            raise CommandError(f"{path} is damaged or was changed. Make a new backup, and look for the cause.")
        self.stdout.write(
            f"{path} was restored and verified in {time.monotonic() - start:.1f} s: {result.questions} questions, "
            f"{result.verdict.editions} editions, {result.verdict.entries} entries of the log."
        )
