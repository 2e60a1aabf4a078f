"""Questions are numbered in their collections for life, so their place can be their key."""

from django.db import models

NUMBERS = 2**30
"""More than a question's number can be (see `seedfile.MAX_NUMBER`)."""


class PlaceField(models.BigIntegerField):
    """The key of a row with `collection_id` and `number`, made of both.

    So whatever is ordered by it, every index that ends with it included, stands in the order of lists: by collection,
    then by number. A page of any list is a short stretch of an index, however long the list."""

    def get_pk_value_on_save(self, instance):
        return place(instance.collection_id, instance.number)


def place(collection_id, number):
    return collection_id * NUMBERS + number
