"""Rebuild or check the search index."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from faq.search import rebuilding


class Command(BaseCommand):
    help = (
        "Rebuild the search index from the public answers. The site can keep running. With --check, report differences "
        "between the index and the public answers, and change nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--check", action="store_true", help="only report differences; the exit status is 1 if there are any"
        )

    def handle(self, check, **options):
        if check:
            if problems := rebuilding.drift():
                raise CommandError("\n".join([*problems, "To repair it, run: manage.py rebuild_search"]))
            self.stdout.write("The search index agrees with the public answers.")
            return
        count = rebuilding.rebuild(lambda batches: tqdm(batches, unit=" batches", disable=None, leave=False))
        self.stdout.write(self.style.SUCCESS(f"{count} question{'s' * (count != 1)} indexed."))
