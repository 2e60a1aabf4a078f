"""Load fixtures, and append their public changes to the audit log."""

from collections import defaultdict

from django.core.management.commands import loaddata
from django.db import DEFAULT_DB_ALIAS

from faq.models import Check, Edition, Question
from faq.workflow import audit


class Command(loaddata.Command):
    """Django's command. It also logs loaded questions, editions and checks, in the same transaction."""

    def loaddata(self, fixture_labels):
        self.loaded = defaultdict(set)
        super().loaddata(fixture_labels)
        if self.using == DEFAULT_DB_ALIAS:  # the log is in the default database
            audit.note_loaded(self.loaded)

    def save_obj(self, obj):
        saved = super().save_obj(obj)
        if saved and isinstance(obj.object, Question | Edition | Check):
            self.loaded[type(obj.object)].add(obj.object.pk)
        return saved
