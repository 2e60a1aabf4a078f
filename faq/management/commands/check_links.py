"""Visit the sources' addresses."""

from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from faq.operations import link_checker


class Command(BaseCommand):
    help = (
        "Visit the addresses of sources, one at a time and politely, and note which do not answer. Run it weekly. It "
        "can be stopped and started again: what was visited lately is not visited twice."
    )

    def add_arguments(self, parser):
        parser.add_argument("--days", type=int, default=7, help="leave out what was visited in so many days (7)")
        parser.add_argument(
            "--pause", type=float, default=link_checker.PAUSE, help="seconds between two requests to one host"
        )
        parser.add_argument(
            "--private", action="store_true", help="also visit addresses in private networks, such as this machine"
        )

    def handle(self, days, pause, private, **options):
        waiting = list(link_checker.due(timezone.now() - timedelta(days=days)))
        with tqdm(total=len(waiting), unit="address", disable=None, leave=False) as bar:
            try:
                failed = link_checker.check(waiting, private=private, pause=pause, visited=lambda source: bar.update())
            except KeyboardInterrupt:
                self.stdout.write(f"Stopped after {bar.n} of {len(waiting)} addresses. Start it again to go on.")
                return
        for source in failed:
            self.stdout.write(self.style.WARNING(f"{source}: {source.failure}\n  {source.address}"))
        answered = len(waiting) - len(failed)
        self.stdout.write(f"{len(waiting)} addresses visited: {answered} answered, {len(failed)} did not.")
