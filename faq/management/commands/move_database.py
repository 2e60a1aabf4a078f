"""Copy another database into the site's database."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from faq.operations import database_copy


class Command(BaseCommand):
    help = (
        "Copy an old database into the empty database of DATABASE_URL, from SQLite to PostgreSQL or back. Stop the "
        "site first. Either everything is copied or nothing, and the old database does not change."
    )

    def add_arguments(self, parser):
        parser.add_argument("old", help="the old database: the path of an SQLite file, or postgres://user@host/name")

    def handle(self, old, **options):
        try:
            copied = database_copy.copy(old, self._progress)
        except database_copy.CannotCopy as error:
            raise CommandError(str(error)) from None
        tables = sum(count > 0 for count in copied.rows.values())
        self.stdout.write(
            f"{sum(copied.rows.values()):,} rows of {tables} tables copied.\n"
            f"{copied.verdict.entries:,} log entries and {copied.verdict.editions:,} editions "
            f"verified. Last hash: {copied.verdict.head or 'none yet'}\n"
            f"{copied.indexed:,} questions indexed."
        )
        if copied.unknown:
            self.stderr.write(
                self.style.WARNING(f"Not copied, because this site has no such tables: {', '.join(copied.unknown)}.")
            )
        self.stdout.write(
            "Next: start the site with this DATABASE_URL, and run manage.py backup and verify_backup. After that, "
            "archive the old database."
        )

    def _progress(self, rows, total, table):
        return tqdm(rows, desc=table, total=total, unit=" rows", disable=None, leave=False, mininterval=0.5)
