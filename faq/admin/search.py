"""Synonyms and searches without results in the admin."""

from urllib.parse import urlencode

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html

from faq.models import MissedSearch, Synonym


@admin.register(Synonym)
class SynonymAdmin(admin.ModelAdmin):
    list_display = ["words", "means"]
    search_fields = ["words", "means"]
    fields = ["words", "means"]


@admin.register(MissedSearch)
class MissedSearchAdmin(admin.ModelAdmin):
    """Searches without results, read-only, each with a link that adds a synonym."""

    list_display = ["words", "count", "day", "add_synonym"]
    list_display_links = None
    list_filter = ["day"]
    search_fields = ["words"]
    date_hierarchy = "day"

    @admin.display(description="")
    def add_synonym(self, search):
        address = f"{reverse('admin:faq_synonym_add')}?{urlencode({'words': search.words[:80]})}"
        return format_html('<a href="{}">Add a synonym for “{}”</a>', address, search.words)

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False
