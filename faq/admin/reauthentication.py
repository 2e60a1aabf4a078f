"""Per-session login metadata, and password confirmation after inactivity.

The session stores the previous log-in, the number of failed log-ins since then, and whether the user was inactive.
After inactivity, forms that change public content have a password field.
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

INACTIVE_AFTER = timedelta(minutes=30)
FAILURES_LAST = timedelta(days=30)
"""Time for which failed log-ins are counted, by a hash of the user name."""

_UPDATE_INTERVAL = 120  # seconds between two updates of the session, since each is a write


@receiver(user_logged_in, dispatch_uid="faq.admin.reauthentication")
def _logged_in(request, user, **kwargs):
    """Start the metadata. (Connected before Django's receiver, which overwrites `last_login`.)"""
    request.session["login"] = {
        "before": user.last_login.isoformat() if user.last_login else None,
        "failed": _failures().get(_key(user.get_username()), 0),
    }
    request.session["seen"], request.session["away"] = time.time(), False
    # A fixed time. An age would be counted again from each update of the session.
    request.session.set_expiry(timezone.now() + timedelta(seconds=settings.SESSION_COOKIE_AGE))
    _failures().delete(_key(user.get_username()))


@receiver(user_login_failed, dispatch_uid="faq.admin.reauthentication")
def _failed(credentials, **kwargs):
    """Count the failure. Unknown names are counted too, so that the response time does not reveal them."""
    key = _key(str(credentials.get("username", "")))
    _failures().add(key, 0, FAILURES_LAST.total_seconds())
    _failures().incr(key)
    _failures().touch(key, FAILURES_LAST.total_seconds())  # `incr` of the database cache resets the timeout


def login_info(request):
    """Return ``{"before": datetime or None, "failed": number}`` for the desk, or None."""
    login = request.session.get("login")
    before = login and login["before"] and timezone.datetime.fromisoformat(login["before"])
    return login and {"before": before, "failed": login["failed"]}


def record_activity(request):
    """Update the time of the last activity, and store whether the user was inactive before."""
    now, seen = time.time(), request.session.get("seen", 0)
    if now - seen > INACTIVE_AFTER.total_seconds():
        request.session["away"] = True
    if now - seen > _UPDATE_INTERVAL:
        request.session["seen"] = now


def require_password(form, request):
    """Add a password field to the form if the user was inactive."""
    if request.session.get("away", True):
        form.fields["password"] = forms.CharField(
            label="Your password",
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
            help_text="You were inactive for more than 30 minutes. Confirm that it is you.",
        )


def is_valid(form, request):
    """Validate the form and, if it has a password field, the password."""
    if not form.is_valid():
        return False
    if "password" in form.fields:
        password = form.cleaned_data.pop("password")
        if authenticate(request, username=request.user.get_username(), password=password) != request.user:
            form.add_error("password", "This is not your password. Your input above was kept. Try again.")
            return False
        request.session["away"] = False
    return True


def _failures():
    return caches["shared"]


def _key(name):
    return "failed-log-ins:" + hashlib.sha256(name.encode(errors="replace")).hexdigest()
