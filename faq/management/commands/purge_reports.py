"""Delete the texts of old reports, and old searches without results."""

from django.core.management.base import BaseCommand

from faq.search import zero_results
from faq.site import reports


class Command(BaseCommand):
    help = "Delete texts of reports, and searches without results, that are older than 90 days. Run it daily."

    def handle(self, **options):
        count = reports.forget_words()
        self.stdout.write(f"The words of {count} report{'s' if count != 1 else ''} were deleted.")
        if count := zero_results.forget():
            self.stdout.write(f"{count} search{'es' * (count != 1)} that had found nothing: deleted.")
