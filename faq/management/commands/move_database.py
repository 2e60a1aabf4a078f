"""Move everything from another database into the site's own."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from faq import moving


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
            moved = moving.move(old, self._progress)
        except moving.CannotMove as error:
            raise CommandError(str(error)) from None
        tables = sum(count > 0 for count in moved.rows.values())
        self.stdout.write(
            f"{moved.rows.total():,} rows of {tables} tables came over and read the same in both databases.\n"
            f"{moved.verdict.entries:,} entries of the log follow from one another, and {moved.verdict.editions:,} "
            f"editions are as sealed. Last hash: {moved.verdict.head or 'none yet'}\n"
            f"{moved.indexed:,} questions are in the search index."
        )
        if moved.left:
            self.stderr.write(self.style.WARNING(f"Left behind, as nothing here knows them: {', '.join(moved.left)}."))
        self.stdout.write(
            "Next: start the site with DATABASE_URL as it is now, then manage.py backup and verify_backup. Put the old "
            "database away once that is proved: nobody writes to it any more."
        )

    def _progress(self, rows, total, what):
        return tqdm(rows, desc=what, total=total, unit=" rows", disable=None, leave=False, mininterval=0.5)
