"""Actions on selected questions. Each question is changed in a transaction of its own."""

from functools import partial

from django import forms
from django.contrib import messages
from django.contrib.admin import helpers
from django.core.exceptions import ValidationError
from django.db import transaction
from django.template.response import TemplateResponse
from taggit.forms import TagField

from faq.models import Question, Topic
from faq.models.questions import keyword_problem
from faq.workflow import publishing, working_copy

from . import reauthentication
from .workflow_views import CheckForm, PublishForm, SubmitForm

MAX_QUESTIONS = 500
"""Questions in one request, which would otherwise run into a timeout."""


class TopicForm(forms.Form):
    topic = forms.ModelChoiceField(Topic.objects.all())


class TagForm(forms.Form):
    tags = TagField(label="Keywords", help_text="Separate keywords by commas.")

    def clean_tags(self):
        if problem := next(filter(None, map(keyword_problem, self.cleaned_data["tags"])), None):
            raise ValidationError(problem)
        return self.cleaned_data["tags"]


class IntervalForm(forms.Form):
    interval = forms.TypedChoiceField(label="Check", choices=Question.Interval, coerce=int)


def _submit(question, user, note):
    publishing.submit(question, by=user, note=note)


def _publish(question, user, note, same_meaning):
    publishing.publish(question, by=user, note=note, meaning_changed=not same_meaning)


def _check(question, user, comment):
    publishing.check(question, by=user, comment=comment)


def _add_topic(question, user, topic):
    if question.topics.filter(pk=topic.pk).exists():
        raise ValidationError("It has this topic already.")
    question.topics.add(topic)
    working_copy.refresh(question, user, ["topics"])


def _add_tags(question, user, tags):
    if not set(tags) - set(question.tags.names()):
        raise ValidationError("It has these keywords already.")
    question.tags.add(*tags)
    working_copy.refresh(question, user, ["tags"])


def _set_interval(question, user, interval):
    if question.check_every == interval:
        raise ValidationError("It is checked in this interval already.")
    question.check_every = interval
    question.save(update_fields=["check_every"])
    working_copy.refresh(question, user, ["check_every"])


# name: (permission, form, function for one question, title, past participle for the message)
ACTIONS = {
    "submit": ("change", SubmitForm, _submit, "Submit for review", "submitted"),
    "publish": ("publish", PublishForm, _publish, "Publish", "published"),
    "check": ("check", CheckForm, _check, "Note as checked, still right", "noted as checked"),
    "add_topic": ("change", TopicForm, _add_topic, "Add a topic", "given the topic"),
    "add_tags": ("change", TagForm, _add_tags, "Add keywords", "given the keywords"),
    "set_interval": ("change", IntervalForm, _set_interval, "Set how long a check holds", "changed"),
}


class BulkActions:
    """Mixin for the question admin."""

    def get_actions(self, request):
        actions = super().get_actions(request)
        for name, (permission, *_, title, _done) in ACTIONS.items():
            if request.user.has_perm(f"faq.{permission}_question"):
                actions[name] = (partial(_action_view, name=name), name, f"{title}…")
        return actions


def _action_view(model_admin, request, selected, name):
    """Show the form of the action with the selected questions. When it is submitted, perform the action."""
    permission, form_class, perform, title, done = ACTIONS[name]
    count = selected.count()
    if count > MAX_QUESTIONS:
        text = f"You selected {count:,} questions, and the limit is {MAX_QUESTIONS}. Select fewer, or filter the list."
        messages.error(request, text)
        return None
    form = form_class(request.POST if "confirmed" in request.POST else None)
    if permission in ("publish", "check"):
        reauthentication.require_password(form, request)
    if form.is_bound and reauthentication.is_valid(form, request):
        _perform(request, selected, perform, form.cleaned_data, done)
        return None
    context = {
        **model_admin.admin_site.each_context(request),
        "opts": model_admin.opts,
        "title": title,
        "name": name,
        "form": form,
        "questions": selected.select_related(None).order_by("collection_id", "number"),
        "checkbox": helpers.ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/faq/question/bulk.html", context)


def _perform(request, selected, perform, values, done):
    """Perform the action on each question, and show the number of changes and the reasons of refusals."""
    count, refused = 0, []
    seen = dict(value.split(":", 1) for value in request.POST.getlist("seen") if ":" in value)
    for question in selected.select_related("collection", "live").order_by("collection_id", "number"):
        try:
            with transaction.atomic():
                question = working_copy.locked(question)
                if seen.get(str(question.pk)) != question.bulk_version:
                    raise ValidationError("It changed after you had opened this page. Review it again.")
                perform(question, request.user, **values)
            count += 1
        except ValidationError as error:
            refused.append(f"{question.number}: {' '.join(error.messages)}")
    if count:
        messages.success(request, f"{count} question{'s were' if count != 1 else ' was'} {done}.")
    if refused:
        messages.warning(request, f"{len(refused)} refused. " + " ".join(refused))
