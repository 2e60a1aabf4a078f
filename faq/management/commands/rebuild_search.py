"""Make the search index anew, or find out whether it is right."""

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from faq.search import rebuilding


class Command(BaseCommand):
    help = (
        "Make the search index anew from what is public. The site may go on meanwhile. With --check, say what in the "
        "index differs from what is public, and change nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument("--check", action="store_true", help="only look; the exit status is 1 if something differs")

    def handle(self, check, **options):
        if check:
            if found := rebuilding.drift():
                raise CommandError("\n".join([*found, "To mend it: manage.py rebuild_search"]))
            self.stdout.write("The search index is in line with what is public.")
            return
        count = rebuilding.rebuild(lambda batches: tqdm(batches, unit=" batches", disable=None, leave=False))
        self.stdout.write(self.style.SUCCESS(f"{count} question{'s' * (count != 1)} indexed."))
