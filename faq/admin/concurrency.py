"""Optimistic locking for every admin page.

A form contains a digest of the row that it was rendered with. Saving and deleting lock the row, compare the digest, and
refuse if the row has changed. `Desk.register` applies this to every `ModelAdmin`."""

from django import forms
from django.contrib import messages
from django.contrib.admin import action, actions
from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Model
from django.http import HttpResponseRedirect

from faq.answers import content as contents
from faq.models import Question
from faq.workflow import working_copy

STALE = (
    "Nothing was saved: somebody else saved this {name} after you had opened it. Your input is still in the form, and "
    "this page shows the differences. Copy the text that you want to keep of the other version, and save again."
)
NOT_DELETED = "Nothing was deleted: “{row}” changed after you had opened this page. Review it before you delete it."


class StaleError(Exception):
    """A row changed after the page that confirms its deletion was rendered."""


class OptimisticLockForm(forms.ModelForm):
    """Refuses to overwrite a newer version, and shows both versions of each field that differs.

    The instance must have been read after the row was locked (see `OptimisticLockAdmin.get_object`)."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    stale = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and "seen" not in self.initial:
            # Disabled fields cannot be saved, so they do not count.
            names = [name for name, field in self.fields.items() if name in self.initial and not field.disabled]
            self.initial["seen"] = _digest({name: self.initial[name] for name in names})

    def full_clean(self):
        """Validate, then compare the digest. The instance then has the submitted values, which the page compares."""
        super().full_clean()
        if not self.is_bound or self.instance._state.adding:
            return
        name, now = self.add_prefix("seen"), self.initial["seen"]
        if self.data.get(name) != now:
            self.stale = True
            self.data = self.data.copy()
            self.data[name] = now  # submitting the form again overwrites
            submitted = dict(self.cleaned_data)
            self.add_error(None, STALE.format(name=self.instance._meta.verbose_name))
            for name in self.changed_data:
                theirs = display_value(self.fields[name], self.initial.get(name))
                mine = display_value(self.fields[name], submitted.get(name, self[name].data))
                self.add_error(name, [f"Now in the database: {theirs}", f"Yours: {mine}"])


class OptimisticLockAdmin:
    """Mixin that comes before `ModelAdmin` in the bases."""

    def __init__(self, model, admin_site):
        super().__init__(model, admin_site)
        if not issubclass(self.form, OptimisticLockForm):
            self.form = type(self.form.__name__, (OptimisticLockForm, self.form), {})

    def get_fields(self, request, obj=None):
        return [name for name in super().get_fields(request, obj) if name != "seen"]

    def get_fieldsets(self, request, obj=None):
        fieldsets = super().get_fieldsets(request, obj)
        if obj and self.has_change_permission(request, obj):
            fieldsets = [*fieldsets, (None, {"fields": ["seen"], "classes": ["hidden"]})]
        return fieldsets

    def get_object(self, request, object_id, from_field=None):
        """Return the row. Before it is saved or deleted, lock it and read it again."""
        row = super().get_object(request, object_id, from_field)
        if row is not None and request.method == "POST" and connection.in_atomic_block:
            _lock(self.model, [row.pk])
            row = super().get_object(request, object_id, from_field)
        return row

    def delete_view(self, request, object_id, extra_context=None):
        try:
            return super().delete_view(request, object_id, extra_context)
        except StaleError as error:
            messages.error(request, error)
            return HttpResponseRedirect(request.get_full_path())

    def render_delete_form(self, request, context):
        return super().render_delete_form(request, context | {"seen": [seen(context["object"])]})

    def delete_model(self, request, obj):
        _refuse_stale(request, [obj])
        super().delete_model(request, obj)

    def delete_queryset(self, request, queryset):
        keys = list(queryset.values_list("pk", flat=True))
        _lock(self.model, keys)
        _refuse_stale(request, self.model._base_manager.filter(pk__in=keys))
        super().delete_queryset(request, queryset)


@action(permissions=["delete"], description=actions.delete_selected.short_description)
def delete_selected(model_admin, request, queryset):
    """Django's action, which shows the confirmation again if a row has changed."""
    try:
        with transaction.atomic():
            response = actions.delete_selected(model_admin, request, queryset.all())
    except StaleError as error:
        messages.error(request, error)
        request.POST = request.POST.copy()
        del request.POST["post"]
        response = actions.delete_selected(model_admin, request, queryset.all())
    if response:
        response.context_data["seen"] = [seen(row) for row in response.context_data["queryset"]]
    return response


def seen(row):
    """Return the primary key of a row and a digest of its values, for a hidden field of a confirmation page."""
    if isinstance(row, Question):
        return f"{row.pk}:{working_copy.fingerprint(row)}"
    fields = (*row._meta.concrete_fields, *row._meta.many_to_many)
    return f"{row.pk}:{_digest({field.name: field.value_from_object(row) for field in fields})}"


def display_value(field, value):
    """Return the value of a form field as text, with labels instead of keys."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or not str(value):
        return "(empty)"
    if isinstance(field, forms.ModelChoiceField) and isinstance(value, int | str):
        try:
            return str(field.to_python(value))
        except ValidationError:
            return str(value)
    if hasattr(value, "__iter__") and not isinstance(value, str):
        return ", ".join(sorted(map(str, value))) or "(empty)"
    return str(dict(getattr(field, "choices", ())).get(value, value))


def _lock(model, keys):
    """Lock these rows until the transaction ends. (SQLite locks the whole database.)"""
    rows = model._base_manager.filter(pk__in=keys).order_by("pk")
    len(rows.select_for_update(of=("self",), no_key=True).values_list("pk"))


def _refuse_stale(request, rows):
    for row in rows:
        if seen(row) not in request.POST.getlist("seen"):
            raise StaleError(NOT_DELETED.format(row=row))


def _digest(values):
    return contents.digest({name: _serializable(value) for name, value in values.items()})


def _serializable(value):
    if isinstance(value, Model):
        return str(value.pk)
    return sorted(map(_serializable, value)) if isinstance(value, list) else str(value)
