"""Signed links that show one draft to somebody without an account, for two weeks or until it is published."""

from datetime import timedelta

from django.core import signing
from django.utils import timezone

from faq.models import Question

from .publishing import last_number

LIFETIME = timedelta(days=14)

_SALT = "faq.workflow.draft_links"


class LinkExpired(Exception):
    """The link has expired, or its draft was published or deleted. `question` is its question, or None if unknown."""

    def __init__(self, question=None):
        self.question = question


def token(question):
    """Return the last part of the link, valid until `ends` or until the question is published or withdrawn."""
    return signing.dumps([question.pk, *_state(question)], salt=_SALT)


def ends(now=None):
    """Return the date on which a link that is created now expires."""
    return timezone.localdate((now or timezone.now()) + LIFETIME)


def find(text):
    """Return the question of a token. Raises `LinkExpired`, or `signing.BadSignature` for an invalid token."""
    try:
        pk, *state = signing.loads(text, salt=_SALT, max_age=LIFETIME)
    except signing.SignatureExpired:
        raise LinkExpired from None
    question = Question.objects.select_related("collection", "live").filter(pk=pk).first()
    if question is None:
        raise LinkExpired
    if state != _state(question):
        raise LinkExpired(question)
    return question


def _state(question):
    """Return values that a token contains; it expires when one of them changes."""
    return [last_number(question), question.live_id]
