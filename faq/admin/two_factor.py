"""The second factor: a code from an app on one's phone, beside the password, and codes on paper for when it is lost.

Whoever has one is asked for it. Publishers, site managers and superusers must have one wherever others can reach the
site (the setting SECOND_FACTOR).
"""

import secrets
from base64 import b32encode

import qrcode
import qrcode.image.svg
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django_otp import devices_for_user, match_token, user_has_device
from django_otp import login as pass_second_factor
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

CODES = 8
"""Recovery codes: each opens once."""

_POWERFUL = ("faq.publish_question", "auth.change_user")


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}),
    )

    def clean_code(self):
        return "".join(self.cleaned_data["code"].split()).lower()


def missing(user):
    """Whether this person, who has given a password, must still give a code or set up where codes come from."""
    if not (user.is_authenticated and user.is_active and user.is_staff) or user.is_verified():
        return False
    must = settings.SECOND_FACTOR and any(map(user.has_perm, _POWERFUL))
    return must or user_has_device(user)


class SecondFactorPages:
    """Mixed into the admin's site: nothing of it opens to whom a code is missing."""

    def has_permission(self, request):
        return super().has_permission(request) and not missing(request.user)

    def get_urls(self):
        return [
            path("second-factor/", never_cache(self.second_factor), name="second_factor"),
            path("second-factor/new/", never_cache(self.new_second_factor), name="new_second_factor"),
            *super().get_urls(),
        ]

    def to_second_factor(self, request):
        """Where somebody goes to whom a code is missing."""
        name = "second_factor" if user_has_device(request.user) else "new_second_factor"
        return redirect_to_login(request.get_full_path(), reverse(f"admin:{name}"))

    @method_decorator(sensitive_post_parameters())
    def second_factor(self, request):
        """Ask for a code. Wrong ones wait longer each time (django-otp does that)."""
        if not super().has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not missing(request.user):
            return HttpResponseRedirect(self._next(request))
        if not user_has_device(request.user):
            return self.to_second_factor(request)
        form = CodeForm(request.POST or None)
        if form.is_valid():
            if device := match_token(request.user, form.cleaned_data["code"]):
                pass_second_factor(request, device)
                return HttpResponseRedirect(self._next(request))
            form.add_error("code", "This code is wrong or was used already. After several wrong ones, wait a minute.")
        return self._page(request, "Second factor", form=form)

    @method_decorator(sensitive_post_parameters())
    def new_second_factor(self, request):
        """Set up an app on the phone. Whoever has one already must be past it."""
        if not super().has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if user_has_device(request.user) and not request.user.is_verified():
            raise PermissionDenied
        device = self._unconfirmed(request.user)
        form = CodeForm(request.POST or None)
        if form.is_valid():
            if device.verify_token(form.cleaned_data["code"]):
                codes = self._set_up(request.user, device)
                pass_second_factor(request, device)
                messages.success(request, "From now on, a code is asked for after your password.")
                return self._page(request, "Your recovery codes", codes=codes, next=self._next(request))
            form.add_error("code", "This code does not fit. Look at the app again: a new one comes every 30 seconds.")
        shown = {"device": device, "picture": _picture(device), "key": _key(device)}
        return self._page(request, "Set up a second factor", form=form, **shown)

    def _unconfirmed(self, user):
        device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
        return device or TOTPDevice.objects.create(user=user, name="phone", confirmed=False)

    @transaction.atomic
    def _set_up(self, user, device):
        """Make the device the only one, with new recovery codes, which are returned."""
        for old in devices_for_user(user, confirmed=None):
            if old != device:
                old.delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        paper = StaticDevice.objects.create(user=user, name="recovery codes")
        codes = [f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}" for _ in range(CODES)]
        for code in codes:
            paper.token_set.create(token=code)
        return codes

    def _next(self, request):
        wanted = request.POST.get("next") or request.GET.get("next") or ""
        safe = url_has_allowed_host_and_scheme(wanted, {request.get_host()}, require_https=request.is_secure())
        return wanted if safe else reverse("admin:index")

    def _page(self, request, title, **context):
        context = {"next": request.GET.get("next", ""), **self.each_context(request), "title": title, **context}
        return TemplateResponse(request, "admin/second_factor.html", context)


def _picture(device):
    """The device's address as a QR code (SVG)."""
    image = qrcode.make(device.config_url, image_factory=qrcode.image.svg.SvgPathImage, box_size=12)
    return mark_safe(image.to_string(encoding="unicode"))  # noqa: S308  (made of squares alone)


def _key(device):
    """The device's key as it is typed into an app: base 32, in groups of four."""
    letters = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))
