"""Taking readers' reports: what is accepted, how much of it, and how long the words are kept.

Readers are not told apart, since no address is kept; so the limits are for all of them together.
"""

import secrets
from datetime import timedelta

from django import forms
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from faq.answers import content as contents
from faq.answers import seedfile
from faq.models import Report

MAX_LENGTH = 2000
LIMITS = ((timedelta(hours=1), 60), (timedelta(days=1), 300))
KEEP_WORDS = timedelta(days=90)


class TooMany(Exception):
    """The site takes no more reports for the moment."""


class ReportForm(forms.Form):
    point = forms.TypedChoiceField(label=_("Which part is it about?"), required=False, coerce=int, empty_value=None)
    text = forms.CharField(
        label=_("What is wrong or unclear?"),
        max_length=MAX_LENGTH,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={"required": _("Write in a few words what is wrong or unclear.")},
        help_text=_(
            "Please write nothing about yourself or other people: no names, no case numbers, no places, no contact. "
            "At most 2,000 characters."
        ),
    )
    # Hidden by the style sheet; programs that fill in every field give themselves away.
    website = forms.CharField(required=False, label=_("Leave this field empty"))

    def __init__(self, *args, edition, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["point"].choices = [
            ("", _("The whole answer")),
            *((block.key, Truncator(contents.said(block)).chars(70)) for block in edition.content.blocks),
        ]

    def clean_text(self):
        lines = seedfile.without_turning(self.cleaned_data["text"]).splitlines()
        text = "\n".join(line.strip() for line in lines)
        for line in text.splitlines():
            if line and (problem := seedfile.problem_with(line, seedfile.NUMBERED)):
                raise ValidationError(problem)
        return text

    def clean_website(self):
        if self.cleaned_data["website"]:
            raise ValidationError(_("This was not stored, because a field that must stay empty was filled in."))
        return ""


@transaction.atomic
def store(edition, point, text):
    """Keep a report and return it; raises `TooMany`."""
    now = timezone.now()
    for period, most in LIMITS:
        if Report.objects.filter(received_at__gt=now - period).count() >= most:
            raise TooMany
    return Report.objects.create(edition=edition, point=point, text=text, receipt=secrets.token_urlsafe(12))


def forget_words():
    """Empty the words of reports older than `KEEP_WORDS`; state and receipt stay. Returns how many."""
    old = Report.objects.filter(received_at__lt=timezone.now() - KEEP_WORDS).exclude(text="")
    return old.update(text="")
