"""Back up the database."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from faq.operations import backups


class Command(BaseCommand):
    help = "Back up the whole database to VAR_DIR/backups or to a file, while the site is running. Run it daily."

    def add_arguments(self, parser):
        parser.add_argument(
            "file", nargs="?", type=Path, help="the new file (default: a name with the time, in VAR_DIR/backups)"
        )

    def handle(self, file, **options):
        try:
            path = backups.make(file)
        except backups.CannotBackUp as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{path}: {path.stat().st_size:,} bytes. Next: manage.py verify_backup")
