"""Prove a backup."""

import time
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from faq.operations import backups


class Command(BaseCommand):
    help = "Restore a backup into a scratch database, verify the log and every edition, and note when. Run it monthly."

    def add_arguments(self, parser):
        parser.add_argument("file", nargs="?", type=Path, help="the backup (default: the newest in VAR_DIR/backups)")

    def handle(self, file, **options):
        start = time.monotonic()
        try:
            path = file or backups.latest()
            found = backups.prove(path)
        except backups.CannotBackUp as error:
            raise CommandError(str(error)) from None
        for problem in found.verdict.problems:
            self.stderr.write(self.style.ERROR(problem))
        if found.verdict.problems:
            raise CommandError(f"{path} is not as it was written. Make a new backup, and look for the cause.")
        self.stdout.write(
            f"{path} was restored and verified in {time.monotonic() - start:.1f} s: {found.questions} questions, "
            f"{found.verdict.editions} editions, {found.verdict.entries} entries of the log."
        )
