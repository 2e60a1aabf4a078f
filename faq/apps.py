"""The application's configuration."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class FaqConfig(AppConfig):
    name = "faq"
    verbose_name = "Questions and answers"

    def ready(self):
        from django.apps import apps
        from django.db.models.signals import post_migrate

        from faq.admin import reauthentication, roles  # noqa: F401  (`logins` and `topics` connect their receivers)
        from faq.models import triggers
        from faq.search import rebuilding, signals  # noqa: F401  (`following` connects its receivers)

        # After each migrate, so that a table which a migration rebuilt keeps its triggers.
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="faq.triggers")
        post_migrate.connect(_make_cache, sender=self, dispatch_uid="faq.cache")
        post_migrate.connect(rebuilding.install, sender=self, dispatch_uid="faq.search")
        # After every application, since permissions are made one application at a time.
        post_migrate.connect(roles.install, dispatch_uid="faq.admin.roles")
        apps.get_app_config("taggit").verbose_name = "Keywords"


def _make_cache(using, **kwargs):
    """The table of the cache that all processes share, if it is in the database."""
    from django.core.management import call_command

    call_command("createcachetable", database=using, verbosity=0)


class DeskConfig(AdminConfig):
    """Django's admin, with the editors' desk as its first page."""

    default_site = "faq.admin.site.Desk"
