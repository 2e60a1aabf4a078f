"""Prove that the log and the editions are what they were."""

from django.core.management.base import BaseCommand, CommandError

from faq.workflow import audit


class Command(BaseCommand):
    help = (
        "Walk the whole log, compare all questions, editions and checks with it, and say whether anything was changed, "
        "taken out or put in between. Keep the hash that it prints somewhere else: given back later with --hash, it "
        "proves that the log was not replaced."
    )

    def add_arguments(self, parser):
        parser.add_argument("--hash", default="", help="a hash that this command printed earlier")

    def handle(self, hash, **options):
        verdict = audit.verify(hash.strip().lower())
        for problem in verdict.problems:
            self.stderr.write(self.style.ERROR(problem))
        if verdict.problems:
            raise CommandError(f"{len(verdict.problems)} problems: this database is not as it was written.")
        self.stdout.write(
            f"{verdict.entries} entries follow from one another, and {verdict.editions} editions are as sealed."
        )
        self.stdout.write(f"Last hash: {verdict.head or 'none yet'}")
