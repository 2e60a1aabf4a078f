"""Load fixtures, and note in the log what they bring."""

from collections import defaultdict

from django.core.management.commands import loaddata
from django.db import DEFAULT_DB_ALIAS

from faq.models import Check, Edition, Question
from faq.workflow import audit


class Command(loaddata.Command):
    """Django's own. What a fixture brings for the public to see goes into the log, in the same transaction."""

    def loaddata(self, fixture_labels):
        self.loaded = defaultdict(set)
        super().loaddata(fixture_labels)
        if self.using == DEFAULT_DB_ALIAS:  # the log is that database's
            audit.note_loaded(self.loaded)

    def save_obj(self, obj):
        saved = super().save_obj(obj)
        if saved and isinstance(obj.object, Question | Edition | Check):
            self.loaded[type(obj.object)].add(obj.object.pk)
        return saved
