"""Filters of the list of questions. The desk links to them."""

from datetime import timedelta

from django.contrib import admin
from django.utils import timezone

from faq.models import Question

DUE_SOON = 14
"""Days before a check is due from which the desk lists it."""


def due_soon(questions):
    """Return the public questions whose check is due within `DUE_SOON` days."""
    today = timezone.localdate()
    return questions.filter(check_due__gte=today, check_due__lte=today + timedelta(days=DUE_SOON))


def submitted_by(user):
    """Return the filter arguments for questions that this user submitted."""
    return {"submitted_by__id": user.pk}


def to_review(questions, user):
    """Return the submitted questions that this user may approve, which are those without text by this user."""
    waiting = questions.submitted()
    own = [
        pk
        for pk, contributors in waiting.order_by().values_list("pk", "contributors")
        if any(person["id"] == user.pk for person in contributors)
    ]
    return waiting.exclude(pk__in=own)


class ChoiceFilter(admin.SimpleListFilter):
    """A filter with fixed choices. `options` maps each value to (label, function of the queryset and the user)."""

    options: dict

    def __init__(self, request, *args):
        self.user = request.user
        super().__init__(request, *args)

    def lookups(self, request, model_admin):
        return [(value, label) for value, (label, _) in self.options.items()]

    def queryset(self, request, queryset):
        if self.value() in self.options:
            return self.options[self.value()][1](queryset, request.user)
        return queryset


class StateFilter(ChoiceFilter):
    title, parameter_name = "state", "state"
    options = {
        state.value: (state.label, lambda questions, user, state=state: questions.filter(state=state))
        for state in Question.State
    }


class ReviewFilter(ChoiceFilter):
    title, parameter_name = "review", "review"
    options = {
        "mine": ("Waiting for my review", to_review),
        "submitted": ("Waiting for review", lambda questions, user: questions.submitted()),
        "asked": (
            "Waiting, submitted by me",
            lambda questions, user: questions.submitted().filter(**submitted_by(user)),
        ),
        "back": ("Sent back to me", lambda questions, user: questions.returned().filter(**submitted_by(user))),
        "returned": ("Sent back", lambda questions, user: questions.returned()),
        "unconfirmed": ("No second check", lambda questions, user: questions.filter(unconfirmed=True)),
    }


class CheckFilter(ChoiceFilter):
    title, parameter_name = "check", "check"
    options = {
        "no": ("Never checked", lambda questions, user: questions.public().unchecked()),
        "overdue": ("Overdue", lambda questions, user: questions.overdue()),
        "soon": (f"Due within {DUE_SOON} days", lambda questions, user: due_soon(questions)),
        "yes": ("Checked", lambda questions, user: questions.checked()),
    }


class SourcesFilter(ChoiceFilter):
    title, parameter_name = "sources", "sources"
    options = {
        "missing": ("Points without a source", lambda questions, user: questions.filter(unsourced__gt=0)),
        "all": ("Every point has one", lambda questions, user: questions.filter(unsourced=0)),
    }


class WordingFilter(ChoiceFilter):
    title, parameter_name = "wording", "wording"
    options = {
        "findings": ("With findings", lambda questions, user: questions.filter(findings__gt=0)),
        "none": ("Without", lambda questions, user: questions.filter(findings=0)),
    }


class SeedFilter(ChoiceFilter):
    title, parameter_name = "seed", "seed"
    options = {"conflict": ("Seed has a newer text", lambda questions, user: questions.exclude(seed_conflict=""))}
