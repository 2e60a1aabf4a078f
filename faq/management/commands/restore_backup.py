"""Restore a backup."""

from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from faq.operations import backups


class Command(BaseCommand):
    help = "Replace the whole database with a backup. Stop the site first. The current database is saved first."

    def add_arguments(self, parser):
        parser.add_argument("file", type=Path, help="the backup")
        parser.add_argument("--yes", action="store_true", help="replace the database without asking")

    def handle(self, file, yes, **options):
        if not yes and not self._confirmed():
            raise CommandError("Nothing was changed.")
        try:
            before = backups.restore(file)
        except backups.CannotBackUp as error:
            raise CommandError(str(error)) from None
        call_command("migrate", verbosity=0)
        self.stdout.write(f"The database was restored from {file}. The previous database is in {before}.")

    def _confirmed(self):
        try:
            answer = input("This replaces the whole database. Has the site been stopped? Type “yes”: ")
        except EOFError:
            raise CommandError(
                "Nothing was changed, because there is no terminal for the confirmation. Add --yes."
            ) from None
        return answer == "yes"
