"""Forget the words of old reports."""

from django.core.management.base import BaseCommand

from faq import reporting


class Command(BaseCommand):
    help = "Delete the words of readers' reports that are older than 90 days. Run it daily."

    def handle(self, **options):
        count = reporting.forget_words()
        self.stdout.write(f"The words of {count} report{'s' if count != 1 else ''} were deleted.")
