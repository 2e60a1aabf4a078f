"""Natural keys, with which fixtures identify rows independently of primary keys."""

from django.db import models


class NaturalManager(models.Manager):
    """Implements `get_by_natural_key` with `NATURAL_KEY`, the model's list of field lookups."""

    def get_by_natural_key(self, *values):
        return self.get(**dict(zip(self.model.NATURAL_KEY, values, strict=True)))


class NaturalKey(models.Model):
    """Implements `natural_key` with `NATURAL_KEY`."""

    class Meta:
        abstract = True

    def natural_key(self):
        values = []
        for path in self.NATURAL_KEY:
            value = self
            for name in path.split("__"):
                value = getattr(value, name)
            values.append(value)
        return tuple(values)
