"""Serialize a collection as a fixture with natural keys: all rows that its public pages, search and filters use."""

from datetime import datetime
from itertools import chain

from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from taggit.models import Tag

from faq.models import AnswerPoint, Check, Citation, Edition, Note, QuestionTag, Source, Topic


def rows(collection):
    """Return the rows of a collection in an order in which `loaddata` can load them."""
    questions = collection.questions.order_by("number")
    return chain(
        [collection],
        Topic.objects.filter(questions__in=questions).distinct(),
        Tag.objects.filter(tagged__content_object__in=questions).distinct().order_by("slug"),
        questions,
        AnswerPoint.objects.filter(question__in=questions).order_by("question__number", "position", "key"),
        Source.objects.filter(citations__point__question__in=questions).distinct(),
        Citation.objects.filter(point__question__in=questions).order_by("point__question__number", "point__key", "id"),
        QuestionTag.objects.filter(content_object__in=questions).order_by("content_object__number", "tag__slug"),
        # In the order of publication, because news are sorted by primary key.
        Edition.objects.filter(question__in=questions).order_by("published_at", "question__number", "number"),
        Check.objects.filter(edition__question__in=questions).order_by("edition__question__number", "number"),
        Note.objects.filter(collection=collection),
    )


class _Encoder(DjangoJSONEncoder):
    """Django's encoder cuts microseconds. Sealed rows must be loaded with the exact time that they have."""

    def default(self, o):
        return o.isoformat().replace("+00:00", "Z") if isinstance(o, datetime) else super().default(o)


def dump(collection, stream):
    """Write the collection to `stream` as JSON for `loaddata`."""
    serializers.serialize(
        "json",
        rows(collection),
        indent=1,
        ensure_ascii=False,
        use_natural_foreign_keys=True,
        use_natural_primary_keys=True,
        stream=stream,
        cls=_Encoder,
    )
    stream.write("\n")
