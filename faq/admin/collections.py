"""Collections, topics and tags in the admin."""

import taggit.admin  # noqa: F401  (registers its own, which goes)
from django import forms
from django.contrib import admin
from django.db.models import Count
from taggit.models import Tag

from faq import working_copy
from faq.models import Collection, Question, Topic
from faq.models.questions import keyword_problem


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):
    list_display = ["title", "jurisdiction", "language", "slug"]
    search_fields = ["title", "slug", "jurisdiction"]
    fields = ["title", "slug", "jurisdiction", "language", "description", "origin"]

    def get_readonly_fields(self, request, obj=None):
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request, obj=None):
        return {} if obj else {"slug": ["title"]}

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if change and {"jurisdiction", "language"} & set(form.changed_data):
            # Where an answer applies is part of it, so readers are told by the next edition only.
            working_copy.refresh_many(Question.objects.filter(collection=obj), request.user)


@admin.register(Topic)
class TopicAdmin(admin.ModelAdmin):
    list_display = ["name", "position", "questions"]
    list_editable = ["position"]
    search_fields = ["name", "description"]
    fields = ["name", "slug", "description", "position"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(question_count=Count("questions"))

    def save_model(self, request, obj, form, change):
        # Only what the form has: the topic may have become public since the row was read.
        obj.save(update_fields=["name", "description", "position"] if change else None)

    @admin.display(ordering="question_count")
    def questions(self, topic):
        return topic.question_count

    def get_readonly_fields(self, request, obj=None):
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request, obj=None):
        return {} if obj else {"slug": ["name"]}


admin.site.unregister(Tag)


class KeywordForm(forms.ModelForm):
    def clean_name(self):
        if problem := keyword_problem(self.cleaned_data["name"]):
            raise forms.ValidationError(problem)
        return self.cleaned_data["name"]


@admin.register(Tag)
class KeywordAdmin(admin.ModelAdmin):
    """Taggit's own admin lists and merges what is in its general table, which this site does not use."""

    list_display = ["name", "slug"]
    ordering = ["name", "slug"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    form = KeywordForm
