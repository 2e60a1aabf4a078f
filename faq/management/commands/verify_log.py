"""Verify the audit log and the editions."""

from django.core.management.base import BaseCommand, CommandError

from faq.workflow import audit


class Command(BaseCommand):
    help = (
        "Verify the hash chain of the log, and compare all questions, editions and checks with the log. Keep the "
        "printed hash outside of the database. Pass it later with --hash to verify that the log was not replaced."
    )

    def add_arguments(self, parser):
        parser.add_argument("--hash", default="", help="a hash that this command printed before")

    def handle(self, hash, **options):
        verdict = audit.verify(hash.strip().lower())
        for problem in verdict.problems:
            self.stderr.write(self.style.ERROR(problem))
        if verdict.problems:
            raise CommandError(f"{len(verdict.problems)} problems: the database or its log was changed.")
        self.stdout.write(f"{verdict.entries} log entries and {verdict.editions} editions verified.")
        self.stdout.write(f"Last hash: {verdict.head or 'none yet'}")
