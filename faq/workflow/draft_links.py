"""Signed links that show one draft to somebody without an account, for two weeks or until it is published."""

from datetime import timedelta

from django.core import signing
from django.utils import timezone

from faq.models import Question

from .publishing import last_number

LASTS = timedelta(days=14)

_SALT = "faq.workflow.draft_links"


class Over(Exception):
    """The link's time is over, or the draft was published: `question` is what it was about, if that is known."""

    def __init__(self, question=None):
        self.question = question


def token(question):
    """What the link ends in. It is good until something is published or withdrawn."""
    return signing.dumps([question.pk, *_state(question)], salt=_SALT)


def ends(now=None):
    """The day on which a link that is made now stops working."""
    return timezone.localdate((now or timezone.now()) + LASTS)


def find(text):
    """The question whose draft a token shows. Raises `Over`, or `signing.BadSignature` for what was never a token."""
    try:
        pk, *state = signing.loads(text, salt=_SALT, max_age=LASTS)
    except signing.SignatureExpired:
        raise Over from None
    question = Question.objects.select_related("collection", "live").filter(pk=pk).first()
    if question is None:
        raise Over
    if state != _state(question):
        raise Over(question)
    return question


def _state(question):
    """What ends the link when it changes."""
    return [last_number(question), question.live_id]
