"""Accounts in the admin: who may change whose."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User

admin.site.unregister(User)


@admin.register(User)
class AccountAdmin(UserAdmin):
    """Nobody gives themselves more than they have: superusers are made and changed by superusers only, and who
    looks after accounts changes the groups of others, not their own."""

    def get_readonly_fields(self, request, obj=None):
        kept = ["last_login", "date_joined"]  # nobody types them, and a log-in is no change by somebody else
        if request.user.is_superuser:
            return kept
        own = obj is not None and obj.pk == request.user.pk
        return [*kept, "is_superuser", "user_permissions", *(["groups", "is_staff", "is_active"] if own else [])]

    def has_change_permission(self, request, obj=None):
        allowed = super().has_change_permission(request, obj)
        return allowed and (request.user.is_superuser or obj is None or not obj.is_superuser)
