"""Accounts in the admin."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Prevents that users raise their own permissions.

    Only superusers can create and change superusers, and other users cannot change their own groups."""

    def get_readonly_fields(self, request, obj=None):
        # Read-only fields are not compared by `OptimisticLockForm`, so a log-in is not taken for a change.
        dates = ["last_login", "date_joined"]
        if request.user.is_superuser:
            return dates
        own = obj is not None and obj.pk == request.user.pk
        return [*dates, "is_superuser", "user_permissions", *(["groups", "is_staff", "is_active"] if own else [])]

    def has_change_permission(self, request, obj=None):
        allowed = super().has_change_permission(request, obj)
        return allowed and (request.user.is_superuser or obj is None or not obj.is_superuser)
