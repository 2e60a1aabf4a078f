"""Copy the database while the site runs."""

from pathlib import Path

from django.core.management.base import BaseCommand, CommandError

from faq.operations import backups


class Command(BaseCommand):
    help = "Copy the whole database, while the site runs, into VAR_DIR/backups or a named file. Run it daily."

    def add_arguments(self, parser):
        parser.add_argument("file", nargs="?", type=Path, help="where to (default: a new file in VAR_DIR/backups)")

    def handle(self, file, **options):
        try:
            path = backups.make(file)
        except backups.CannotBackUp as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"{path}: {path.stat().st_size:,} bytes. Prove it: manage.py verify_backup")
