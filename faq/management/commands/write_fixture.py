"""Export a collection as a fixture."""

from django.core.management.base import BaseCommand, CommandError

from faq.models import Collection
from faq.workflow import fixtures


class Command(BaseCommand):
    help = "Print a collection as a fixture for `manage.py loaddata`: questions, points, editions, topics, tags, notes."

    def add_arguments(self, parser):
        parser.add_argument("collection", help="the collection's slug")

    def handle(self, collection, **options):
        try:
            row = Collection.objects.get(slug=collection)
        except Collection.DoesNotExist:
            slugs = ", ".join(Collection.objects.values_list("slug", flat=True)) or "none"
            raise CommandError(f"There is no collection “{collection}”. Collections: {slugs}.") from None
        fixtures.dump(row, self.stdout._out)
