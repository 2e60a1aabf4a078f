"""Check the addresses of sources."""

from datetime import timedelta

from django.core.management.base import BaseCommand
from django.utils import timezone
from tqdm import tqdm

from faq.operations import link_checker


class Command(BaseCommand):
    help = (
        "Request the addresses of sources one at a time, and store which ones fail. Run it weekly. You can stop it and "
        "start it again: it skips addresses that were visited recently."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--days",
            type=int,
            default=7,
            help="skip addresses that were visited within this number of days (default: 7)",
        )
        parser.add_argument(
            "--pause", type=float, default=link_checker.PAUSE, help="seconds between two requests to one host"
        )
        parser.add_argument(
            "--private", action="store_true", help="also visit addresses in private networks and on this machine"
        )

    def handle(self, days, pause, private, **options):
        waiting = list(link_checker.due(timezone.now() - timedelta(days=days)))
        with tqdm(total=len(waiting), unit="address", disable=None, leave=False) as bar:
            try:
                failed = link_checker.check(waiting, private=private, pause=pause, visited=lambda source: bar.update())
            except KeyboardInterrupt:
                self.stdout.write(
                    f"Stopped after {bar.n} of {len(waiting)} addresses. Run the command again to continue."
                )
                return
        for source in failed:
            self.stdout.write(self.style.WARNING(f"{source}: {source.failure}\n  {source.address}"))
        answered = len(waiting) - len(failed)
        self.stdout.write(f"{len(waiting)} addresses visited: {answered} answered, {len(failed)} did not.")
