"""Two-factor authentication: codes of an authenticator app, and recovery codes.

Every user who has set up a device must enter a code after the password. With SECOND_FACTOR on,
publishers, site managers and superusers must set one up.
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

RECOVERY_CODES = 8
"""Number of recovery codes. Each is valid once."""

_PERMISSIONS = ("faq.publish_question", "auth.change_user")


class CodeForm(forms.Form):
    code = forms.CharField(
        label="Code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "text", "autofocus": True}),
    )

    def clean_code(self):
        return "".join(self.cleaned_data["code"].split()).lower()


def needs_second_factor(user):
    """Whether this user has logged in with a password and must still enter a code or set up a device."""
    if not (user.is_authenticated and user.is_active and user.is_staff) or user.is_verified():
        return False
    required = settings.SECOND_FACTOR and any(map(user.has_perm, _PERMISSIONS))
    return required or user_has_device(user)


class SecondFactorPages:
    """Mixin for the admin site. Without the second factor, users have no permission for it."""

    def has_permission(self, request):
        return super().has_permission(request) and not needs_second_factor(request.user)

    def get_urls(self):
        return [
            path("second-factor/", never_cache(self.second_factor), name="second_factor"),
            path("second-factor/new/", never_cache(self.new_second_factor), name="new_second_factor"),
            *super().get_urls(),
        ]

    def redirect_to_second_factor(self, request):
        name = "second_factor" if user_has_device(request.user) else "new_second_factor"
        return redirect_to_login(request.get_full_path(), reverse(f"admin:{name}"))

    @method_decorator(sensitive_post_parameters())
    def second_factor(self, request):
        """Ask for a code. (django-otp increases the delay after each wrong code.)"""
        if not super().has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if not needs_second_factor(request.user):
            return HttpResponseRedirect(self._next(request))
        if not user_has_device(request.user):
            return self.redirect_to_second_factor(request)
        form = CodeForm(request.POST or None)
        if form.is_valid():
            if device := match_token(request.user, form.cleaned_data["code"]):
                pass_second_factor(request, device)
                return HttpResponseRedirect(self._next(request))
            form.add_error("code", "This code is wrong or was already used. After several wrong codes, wait a minute.")
        return self._page(request, "Second factor", form=form)

    @method_decorator(sensitive_post_parameters())
    def new_second_factor(self, request):
        """Set up an authenticator app. Users with a device must first enter a code of it."""
        if not super().has_permission(request):
            return redirect_to_login(request.get_full_path(), reverse("admin:login"))
        if user_has_device(request.user) and not request.user.is_verified():
            raise PermissionDenied
        device = self._unconfirmed_device(request.user)
        form = CodeForm(request.POST or None)
        if form.is_valid():
            if device.verify_token(form.cleaned_data["code"]):
                codes = self._confirm_device(request.user, device)
                pass_second_factor(request, device)
                messages.success(request, "From now on, you must enter a code after your password.")
                return self._page(request, "Your recovery codes", codes=codes, next=self._next(request))
            form.add_error("code", "This code is wrong. The app shows a new code every 30 seconds. Try again.")
        context = {"device": device, "qr_code": _qr_code(device), "key": _key(device)}
        return self._page(request, "Set up a second factor", form=form, **context)

    def _unconfirmed_device(self, user):
        device = TOTPDevice.objects.filter(user=user, confirmed=False).first()
        return device or TOTPDevice.objects.create(user=user, name="phone", confirmed=False)

    @transaction.atomic
    def _confirm_device(self, user, device):
        """Confirm the device, delete all others, and return new recovery codes."""
        for old in devices_for_user(user, confirmed=None):
            if old != device:
                old.delete()
        device.confirmed = True
        device.save(update_fields=["confirmed"])
        recovery = StaticDevice.objects.create(user=user, name="recovery codes")
        codes = [f"{secrets.token_hex(2)}-{secrets.token_hex(2)}-{secrets.token_hex(2)}" for _ in range(RECOVERY_CODES)]
        for code in codes:
            recovery.token_set.create(token=code)
        return codes

    def _next(self, request):
        address = request.POST.get("next") or request.GET.get("next") or ""
        safe = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
        return address if safe else reverse("admin:index")

    def _page(self, request, title, **context):
        context = {"next": request.GET.get("next", ""), **self.each_context(request), "title": title, **context}
        return TemplateResponse(request, "admin/second_factor.html", context)


def _qr_code(device):
    """Return the address of the device as a QR code in SVG."""
    image = qrcode.make(device.config_url, image_factory=qrcode.image.svg.SvgPathImage, box_size=12)
    return mark_safe(image.to_string(encoding="unicode"))  # noqa: S308  (contains no user input as text)


def _key(device):
    """Return the key of the device in base 32, in groups of four letters."""
    letters = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(letters[start : start + 4] for start in range(0, len(letters), 4))
