"""What a log-in knows: when its person was here before, whether somebody else tried, and whether they were away.

Whoever was away for long gives the password again before something becomes public. What is typed stays where it is: the
form that is sent comes back with one more field.
"""

import hashlib
import time
from datetime import timedelta

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.core.cache import caches
from django.dispatch import receiver
from django.utils import timezone

AWAY = timedelta(minutes=30)
"""Without a sign of life."""
REMEMBERED = timedelta(days=30)
"""How long failed log-ins are counted. Only their number is kept: no address, and no name but as a hash."""

_MARK = 120  # seconds between two notes in the session: each is a write


@receiver(user_logged_in, dispatch_uid="faq.admin.reauthentication")
def _logged_in(request, user, **kwargs):
    """(Connected before Django's own receiver, which writes the new time over the one before.)"""
    request.session["login"] = {
        "before": user.last_login.isoformat() if user.last_login else None,
        "failed": _failures().get(_key(user.get_username()), 0),
    }
    request.session["seen"], request.session["away"] = time.time(), False
    # Counted from now: every sign of life is noted in the session, and would else begin the time anew.
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    _failures().delete(_key(user.get_username()))


@receiver(user_login_failed, dispatch_uid="faq.admin.reauthentication")
def _failed(credentials, **kwargs):
    """For every name that is tried, so that it takes as long for one that nobody has."""
    key = _key(str(credentials.get("username", "")))
    _failures().add(key, 0, REMEMBERED.total_seconds())
    _failures().incr(key)
    _failures().touch(key, REMEMBERED.total_seconds())  # where the cache is a database, `incr` left five minutes


def notice(request):
    """What the desk says of the log-in: ``{"before": datetime or None, "failed": number}``, or None."""
    login = request.session.get("login")
    before = login and login["before"] and timezone.datetime.fromisoformat(login["before"])
    return login and {"before": before, "failed": login["failed"]}


def note(request):
    """Note a sign of life, or that there was none for long."""
    now, seen = time.time(), request.session.get("seen", 0)
    if now - seen > AWAY.total_seconds():
        request.session["away"] = True
    if now - seen > _MARK:
        request.session["seen"] = now


def ask_again(form, request):
    """Give the form a field for the password if whoever uses it was away."""
    if request.session.get("away", True):
        form.fields["password"] = forms.CharField(
            label="Your password, again",
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            help_text="You were away for a while. This makes sure that it is you.",
        )


def accepts(form, request):
    """Whether a form is valid, with the password in it if it asks for one."""
    if not form.is_valid():
        return False
    if "password" in form.fields:
        given = form.cleaned_data.pop("password")
        if authenticate(request, username=request.user.get_username(), password=given) != request.user:
            form.add_error("password", "This is not your password. What you typed above is still there.")
            return False
        request.session["away"] = False
    return True


def _failures():
    return caches["shared"]


def _key(name):
    return "failed-log-ins:" + hashlib.sha256(name.encode(errors="replace")).hexdigest()
