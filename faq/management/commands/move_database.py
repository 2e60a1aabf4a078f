"""Move everything from another database into the site's own."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from faq.operations import database_copy


class Command(BaseCommand):
    help = (
        "Copy everything from an old database into the site's own, which DATABASE_URL names and which must be empty: "
        "from an SQLite file to PostgreSQL, or back. All or nothing. Stop the site first; the old database stays as it "
        "is."
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
            f"{sum(copied.rows.values()):,} rows of {tables} tables were copied.\n"
            f"{copied.verdict.entries:,} entries of the log follow from one another, and {copied.verdict.editions:,} "
            f"editions are as sealed. Last hash: {copied.verdict.head or 'none yet'}\n"
            f"{copied.indexed:,} questions are in the search index."
        )
        if copied.unknown:
            self.stderr.write(
                self.style.WARNING(
                    f"Not copied, because they are not tables of this site: {', '.join(copied.unknown)}."
                )
            )
        self.stdout.write(
            "Next: start the site with DATABASE_URL as it is now, then manage.py backup and verify_backup. Put the old "
            "database away once that is proved: nobody writes to it any more."
        )

    def _progress(self, rows, total, table):
        return tqdm(rows, desc=table, total=total, unit=" rows", disable=None, leave=False, mininterval=0.5)
