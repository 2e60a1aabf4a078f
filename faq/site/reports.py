"""Reports of problems by readers: the form, the rate limit, and the deletion of old texts.

The site stores no IP addresses, so it cannot limit the reports of one reader. Instead, each form contains a signed
token. It is accepted once, and only some seconds after the form was opened. The delay grows with the number of recent
reports, so a flood delays all reports but prevents none.
"""

import math
import secrets
import time
from datetime import timedelta

from django import forms
from django.core import signing
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from faq.answers import content as contents
from faq.answers import seedfile
from faq.models import Report

MAX_LENGTH = 2000
WAITS = ((300, 600), (60, 120), (20, 30), (0, 3))
"""(Number of reports in the last hour, seconds before a form is accepted), highest first."""
TOKEN_LASTS = timedelta(days=1)
KEEP_WORDS = timedelta(days=90)

_SALT = "faq.reports"


class TooEarly(Exception):
    """The form cannot be accepted for another `seconds`."""

    def __init__(self, seconds):
        self.seconds = seconds


class TokenUsed(Exception):
    """A different report was stored with this token."""


def new_token():
    """Return a signed token with the receipt of the report and the time at which the form was opened."""
    return signing.dumps([secrets.token_urlsafe(12), int(time.time())], salt=_SALT)


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
    token = forms.CharField(required=False, widget=forms.HiddenInput)
    # A honeypot, hidden by the style sheet. Bots fill it in.
    website = forms.CharField(required=False, label=_("Leave this field empty"))

    def __init__(self, *args, edition, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["point"].choices = [
            ("", _("The whole answer")),
            *((block.key, Truncator(contents.said(block)).chars(70)) for block in edition.content.blocks),
        ]

    def clean_token(self):
        """Return the receipt and the time at which the form was opened (seconds since 1970)."""
        try:
            return signing.loads(self.cleaned_data["token"], salt=_SALT, max_age=TOKEN_LASTS)
        except signing.BadSignature:
            raise ValidationError("This token was not made here, or is too old.") from None

    def renew_token(self):
        self.data = self.data.copy()
        self.data["token"] = new_token()

    def clean_text(self):
        lines = seedfile.strip_direction_controls(self.cleaned_data["text"]).splitlines()
        text = "\n".join(line.strip() for line in lines)
        for line in text.splitlines():
            if line and (problem := seedfile.problem_with(line, seedfile.NUMBERED)):
                raise ValidationError(problem)
        return text

    def clean_website(self):
        if self.cleaned_data["website"]:
            raise ValidationError(_("This was not stored, because a field that must stay empty was filled in."))
        return ""


def save_report(edition, point, text, token):
    """Save a report and return it. If the same form is submitted twice, return the first report.

    `token` is what `ReportForm.clean_token` returns. Raises `TooEarly`, or `TokenUsed`."""
    receipt, opened = token
    if not Report.objects.filter(receipt=receipt).exists():
        recent = Report.objects.filter(received_at__gt=timezone.now() - timedelta(hours=1))[: WAITS[0][0]].count()
        wait = next(seconds for count, seconds in WAITS if recent >= count)
        if (left := wait - (time.time() - opened)) > 0:
            raise TooEarly(math.ceil(left / 5) * 5)
    report, created = Report.objects.get_or_create(
        receipt=receipt, defaults={"edition": edition, "point": point, "text": text}
    )
    if not created and (report.edition_id, report.point, report.text) != (edition.pk, point, text):
        raise TokenUsed
    return report


def store(edition, point, text):
    """Save a report without a form."""
    return Report.objects.create(edition=edition, point=point, text=text, receipt=secrets.token_urlsafe(12))


def forget_words():
    """Delete the text of reports older than `KEEP_WORDS`, but keep state and receipt. Returns the number of reports."""
    old = Report.objects.filter(received_at__lt=timezone.now() - KEEP_WORDS).exclude(text="")
    return old.update(text="")
