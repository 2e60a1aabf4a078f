"""The application's configuration."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class FaqConfig(AppConfig):
    name = "faq"
    verbose_name = "Questions and answers"

    def ready(self):
        from django.apps import apps
        from django.db.models.signals import post_migrate

        # These modules connect signal receivers.
        from faq.admin import reauthentication, roles  # noqa: F401
        from faq.models import triggers
        from faq.search import rebuilding, signals  # noqa: F401

        # After each migrate, because a migration that rebuilds a table drops its triggers.
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="faq.triggers")
        post_migrate.connect(_create_cache_table, sender=self, dispatch_uid="faq.cache")
        post_migrate.connect(rebuilding.install, sender=self, dispatch_uid="faq.search")
        # Without `sender`: each application creates its permissions after its own migrations.
        post_migrate.connect(roles.install, dispatch_uid="faq.admin.roles")
        apps.get_app_config("taggit").verbose_name = "Keywords"


def _create_cache_table(using, **kwargs):
    """Create the table of the shared cache, if the settings use the database cache."""
    from django.core.management import call_command

    call_command("createcachetable", database=using, verbosity=0)


class DeskConfig(AdminConfig):
    """Use `faq.admin.site.Desk` as the default admin site."""

    default_site = "faq.admin.site.Desk"
