"""The application's configuration."""

from django.apps import AppConfig


class FaqConfig(AppConfig):
    name = "faq"
    verbose_name = "Questions and answers"

    def ready(self):
        from django.db.models.signals import post_migrate

        from . import roles
        from .models import triggers
        from .search import following, rebuilding  # noqa: F401  (`following` connects its receivers)

        # After each migrate, so that a table which a migration rebuilt keeps its triggers.
        post_migrate.connect(triggers.install, sender=self, dispatch_uid="faq.triggers")
        post_migrate.connect(rebuilding.install, sender=self, dispatch_uid="faq.search")
        # After every application, since permissions are made one application at a time.
        post_migrate.connect(roles.install, dispatch_uid="faq.roles")
