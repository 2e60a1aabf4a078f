"""Prepare the site for the start of the web server."""

import os
import secrets

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from faq.models import Collection
from kb_site import private

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Command(BaseCommand):
    help = (
        "Migrate the database and collect static files. On the first start, also import the seeds, unless EMPTY=1, and "
        "create accounts for an editor, a publisher and a manager. You can run it again at any time."
    )

    def handle(self, **options):
        host, port = os.environ.get("HOST", "127.0.0.1"), os.environ.get("PORT", "8000")
        self._refuse_unreachable(host)
        call_command("migrate", verbosity=0)
        call_command("collectstatic", interactive=False, verbosity=0)
        private.tighten(settings.VAR_DIR)
        if not Collection.objects.exists() and os.environ.get("EMPTY", "").lower() not in ("1", "on", "yes", "true"):
            for seed in sorted((settings.BASE_DIR / "seeds").glob("*.txt")):
                call_command("import_seed", seed, publish=True, stdout=self.stdout, stderr=self.stderr)
        passwords = self._create_accounts()
        self._print_summary(f"http://{f'[{host}]' if ':' in host else host}:{port}", passwords)

    def _refuse_unreachable(self, host):
        if host not in LOOPBACK and host not in settings.ALLOWED_HOSTS and "ALLOWED_HOSTS" not in os.environ:
            raise CommandError(
                f"HOST={host} makes the site reachable from other machines, but it would refuse their requests: set "
                "ALLOWED_HOSTS to the names that readers will use, with commas between them."
            )

    @transaction.atomic
    def _create_accounts(self):
        """Create the first accounts if there is none. Returns passwords by login name."""
        User = get_user_model()
        if User.objects.exists():
            return {}
        passwords = {}
        for name, group in (("editor", "Editors"), ("publisher", "Publishers"), ("manager", "Site managers")):
            passwords[name] = secrets.token_urlsafe(12)
            user = User.objects.create_user(name, password=passwords[name], is_staff=True)
            user.groups.add(Group.objects.get(name=group))
        return passwords

    def _print_summary(self, address, passwords):
        database = settings.DATABASES["default"]["NAME"] if connection.vendor == "sqlite" else "PostgreSQL"
        lines = [
            "",
            f"  Read   {address}/",
            f"  Edit   {address}/admin/",
            *(f"         log in as {name:<10} password {password}" for name, password in passwords.items()),
            *(
                ["         These passwords are shown only once. Save them now, and change them after the first log-in."]
                if passwords
                else []
            ),
            f"  Data   {database}",
            "  Stop   Ctrl-C",
            "",
        ]
        self.stdout.write("\n".join(lines))
