"""Collections, topics and tags in the admin."""

from datetime import datetime

import taggit.admin  # noqa: F401  (registers an admin, which is replaced below)
from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import path, reverse
from taggit.models import Tag

from faq.answers import seedfile
from faq.models import Collection, Event, Topic
from faq.models.questions import keyword_problem
from faq.workflow import collection_texts
from faq.workflow.collection_texts import CannotChange

from . import reauthentication
from .list_filters import ChoiceFilter


class CollectionForm(forms.ModelForm):
    """Refuses a proposal while that of another person is open."""

    user = None  # set by `CollectionAdmin.get_form`

    def clean(self):
        cleaned = super().clean()
        for name, value in self.texts().items():
            # A reviewer could not see characters that change the direction of text.
            cleaned[name] = seedfile.strip_direction_controls(value)
        if self.instance.pk:
            collection_texts.refuse_unless_free(self.instance, self.texts(), by=self.user)
        return cleaned

    def texts(self):
        return {name: self.cleaned_data[name] for name in collection_texts.FIELDS if name in self.cleaned_data}


class DecisionForm(forms.Form):
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=1000,
        help_text="Stored in the log of the collection.",
        widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}),
    )


class TextsFilter(ChoiceFilter):
    title, parameter_name = "texts", "texts"
    options = {"confirm": ("Waiting for confirmation by a second person", collection_texts.to_confirm)}


@admin.register(Collection)
class CollectionAdmin(admin.ModelAdmin):
    form = CollectionForm
    list_display = ["title", "jurisdiction", "language", "slug"]
    list_filter = [TextsFilter]
    search_fields = ["title", "slug", "jurisdiction"]
    fields = ["title", "slug", "jurisdiction", "language", "description", "origin"]

    def get_readonly_fields(self, request, obj=None):
        return ["slug"] if obj else []

    def get_prepopulated_fields(self, request, obj=None):
        return {} if obj else {"slug": ["title"]}

    def get_form(self, request, obj=None, **kwargs):
        form = super().get_form(request, obj, **kwargs)  # a new class for each request
        form.user = request.user
        return form

    def get_urls(self):
        confirm = self.admin_site.admin_view(self.confirm)
        return [path("<int:pk>/confirm/", confirm, name="faq_collection_confirm"), *super().get_urls()]

    def save_model(self, request, obj, form, change):
        if change:
            obj.waits = not collection_texts.save(obj, form.texts(), by=request.user)
        else:
            super().save_model(request, obj, form, change)
            collection_texts.note_new(obj, by=request.user)

    def response_change(self, request, obj):
        if not obj.waits:
            return super().response_change(request, obj)
        messages.warning(request, "Stored as a proposal. Readers see no change until a second person confirms it.")
        return HttpResponseRedirect(_change_page(obj))

    def render_change_form(self, request, context, *args, obj=None, **kwargs):
        if obj:
            stored = Collection.objects.get(pk=obj.pk)  # `obj` has the values of an invalid form
            context |= _proposal(stored) | {"may_decide": _may_decide(request.user, stored)}
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    def confirm(self, request, pk):
        """The page on which a second person confirms or declines a proposal."""
        if not request.user.has_perm("faq.publish_question"):
            raise PermissionDenied
        collection = get_object_or_404(Collection, pk=pk)
        if collection.proposed and not _may_decide(request.user, collection):
            raise PermissionDenied
        posted = request.method == "POST"
        form = DecisionForm(request.POST if posted else None)
        reauthentication.require_password(form, request)
        if posted and reauthentication.is_valid(form, request):
            confirmed = "confirm" in request.POST
            decide = collection_texts.confirm if confirmed else collection_texts.decline
            try:
                decide(collection, by=request.user, seen=request.POST.get("seen"), note=form.cleaned_data["note"])
            except CannotChange as error:
                form.add_error(None, error)
                collection.refresh_from_db()
            else:
                messages.success(request, "Confirmed. Readers see it now." if confirmed else "Declined, and logged.")
                return HttpResponseRedirect(_change_page(collection))
        if collection.proposed is None:
            messages.warning(request, "There is no proposal to confirm.")
            return HttpResponseRedirect(_change_page(collection))
        context = {"title": "Confirm texts", "form": form, "seen": collection_texts.digest(collection)}
        return self._page(request, "confirm", collection, context | _proposal(collection))

    def history_view(self, request, object_id, extra_context=None):
        """Show the log of the collection instead of Django's history."""
        collection = self.get_object(request, object_id)
        if collection is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_permission(request, collection):
            raise PermissionDenied
        events = list(Event.objects.of_collection(collection))
        for event in events:
            old, new = event.details.get("old", {}), event.details.get("new", {})
            event.texts = [(name, old.get(name, ""), new[name]) for name in collection_texts.FIELDS if name in new]
        return self._page(request, "history", collection, {"title": "History", "events": events})

    def _page(self, request, name, collection, context):
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "collection": collection}
        return TemplateResponse(request, f"admin/faq/collection/{name}.html", context)


def _change_page(collection):
    return reverse("admin:faq_collection_change", args=[collection.pk])


def _may_decide(user, collection):
    if not collection.proposed or not user.has_perm("faq.publish_question"):
        return False
    return collection.proposed["by"]["id"] != user.pk


def _proposal(collection):
    """Return the template context of the open proposal, or {}."""
    if not collection.proposed:
        return {}
    at = datetime.fromisoformat(collection.proposed["at"])
    return {
        "proposal": {"by": collection.proposed["by"]["name"], "at": at},
        "texts": collection_texts.comparison(collection),
    }


@admin.register(Topic)
class TopicAdmin(admin.ModelAdmin):
    list_display = ["name", "position", "questions"]
    search_fields = ["name", "description"]
    fields = ["name", "slug", "description", "position"]

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(question_count=Count("questions"))

    def save_model(self, request, obj, form, change):
        # Save only the fields of the form: `public_since` may have been set after the row was read.
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
    """Replaces the admin of taggit, which shows and merges rows of a table that this site does not use."""

    list_display = ["name", "slug"]
    ordering = ["name", "slug"]
    search_fields = ["name"]
    prepopulated_fields = {"slug": ["name"]}
    form = KeywordForm
