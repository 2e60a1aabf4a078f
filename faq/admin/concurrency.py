"""Optimistic locking for every admin page: a form carries a digest of the row that it was opened with. Saving and
deleting lock the row, compare the digest, and refuse a row that changed meanwhile. `Desk.register` applies it."""

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
    "Nothing was saved: somebody else saved this {name} after you had opened it. Your text is still in the form, and "
    "this page shows what is different. Take over what you want to keep of theirs; save again to replace it."
)
NOT_DELETED = "Nothing was deleted: “{row}” changed after you had opened this page. Look at it again before you delete."


class StaleError(Exception):
    """A row that was to be deleted is not what the confirmation page was made of."""


class OptimisticLockForm(forms.ModelForm):
    """Refuses a save over another save and shows both versions of each field that differs.

    Its instance must have been read after the row was locked (see `OptimisticLockAdmin.get_object`)."""

    seen = forms.CharField(required=False, widget=forms.HiddenInput)
    stale = False

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and "seen" not in self.initial:
            # Disabled fields cannot be saved, so they do not count.
            names = [name for name, field in self.fields.items() if name in self.initial and not field.disabled]
            self.initial["seen"] = _digest({name: self.initial[name] for name in names})

    def full_clean(self):
        """Compare last: by then the instance has all valid values that were typed, for showing them."""
        super().full_clean()
        if not self.is_bound or self.instance._state.adding:
            return
        name, now = self.add_prefix("seen"), self.initial["seen"]
        if self.data.get(name) != now:
            self.stale = True
            self.data = self.data.copy()
            self.data[name] = now  # saving once more is meant
            typed = dict(self.cleaned_data)
            self.add_error(None, STALE.format(name=self.instance._meta.verbose_name))
            for name in self.changed_data:
                theirs = in_words(self.fields[name], self.initial.get(name))
                mine = in_words(self.fields[name], typed.get(name, self[name].data))
                self.add_error(name, [f"Now in the database: {theirs}", f"Yours: {mine}"])


class OptimisticLockAdmin:
    """Mixin for every `ModelAdmin`; stands before it among the bases."""

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
        """The row; when it is about to be saved or deleted, as it is after the lock."""
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
    """Django's own action, which shows its page again when a row has changed since it was shown."""
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
    """What a confirmation page carries of a row: its key, and a digest of its values or its working copy."""
    if isinstance(row, Question):
        return f"{row.pk}:{working_copy.fingerprint(row)}"
    fields = (*row._meta.concrete_fields, *row._meta.many_to_many)
    return f"{row.pk}:{_digest({field.name: field.value_from_object(row) for field in fields})}"


def in_words(field, value):
    """A value of a form's field as an editor knows it: labels instead of keys."""
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
    """Hold these rows until the transaction ends. SQLite needs nothing: there, one transaction writes at a time."""
    rows = model._base_manager.filter(pk__in=keys).order_by("pk")
    len(rows.select_for_update(of=("self",), no_key=True).values_list("pk"))


def _refuse_stale(request, rows):
    for row in rows:
        if seen(row) not in request.POST.getlist("seen"):
            raise StaleError(NOT_DELETED.format(row=row))


def _digest(values):
    return contents.digest({name: _plain(value) for name, value in values.items()})


def _plain(value):
    if isinstance(value, Model):
        return str(value.pk)
    return sorted(map(_plain, value)) if isinstance(value, list) else str(value)
