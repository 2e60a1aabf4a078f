"""Put a backup in place of the database."""

from pathlib import Path

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from faq.operations import backups


class Command(BaseCommand):
    help = "Put a backup in place of the whole database. Stop the site first. What was there is kept, too."

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
        self.stdout.write(f"The database is what {file} holds. What was there before is in {before}.")

    def _confirmed(self):
        try:
            answer = input("This replaces the whole database. Has the site been stopped? Type “yes”: ")
        except EOFError:
            raise CommandError("Nothing was changed: nobody is there to confirm it. Add --yes to go on.") from None
        return answer == "yes"
