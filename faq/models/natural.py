"""Natural keys, so that fixtures name rows by what they are and not by a number of one database."""

from django.db import models


class NaturalManager(models.Manager):
    """Finds a row by the values of its model's `NATURAL_KEY` (names of fields, also of related rows)."""

    def get_by_natural_key(self, *values):
        return self.get(**dict(zip(self.model.NATURAL_KEY, values, strict=True)))


class NaturalKey(models.Model):
    """Gives the key that `NaturalManager` understands."""

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
