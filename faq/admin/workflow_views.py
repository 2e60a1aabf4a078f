"""Pages of the question admin for the editorial workflow: a form for each function of `publishing`."""

from functools import wraps

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.http import HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html

from faq.answers import content as contents
from faq.answers import diffing
from faq.models import Event, Question
from faq.workflow import audit, draft_links, publishing, working_copy

from . import reauthentication


def _text(**kwargs):
    return forms.CharField(**kwargs, widget=forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"}))


class SubmitForm(forms.Form):
    note = _text(
        label="Note for the reviewer",
        required=False,
        max_length=1000,
        help_text="Describe what you changed and what to review.",
    )


class SendBackForm(forms.Form):
    note = _text(
        label="What is still to be done", max_length=1000, help_text="The editor sees this on the question page."
    )


class PublishForm(forms.Form):
    note = _text(
        label="What changed",
        max_length=500,
        help_text="One or two sentences for readers, shown in the public history of the answer.",
    )
    same_meaning = forms.BooleanField(
        label="No change in meaning", required=False, help_text="Tick for corrections of spelling and style only."
    )


class OverrideForm(PublishForm):
    override = _text(
        label="Reason for publishing without a second check",
        max_length=500,
        help_text="You wrote some of this text. The reason is stored in the log. Readers see “Published without a "
        "second check” until another person confirms the answer.",
    )


class WithdrawForm(forms.Form):
    because = _text(
        label="Why it is withdrawn", max_length=1000, help_text="Shown to readers at the address of the answer."
    )


class CheckForm(forms.Form):
    comment = _text(
        label="What you compared",
        required=False,
        max_length=1000,
        help_text="Shown in the public history of the answer.",
    )


class RestoreForm(forms.Form):
    edition = forms.IntegerField(label="Edition", min_value=1, max_value=1_000_000)


class ConfirmForm(forms.Form):
    """A form without fields."""


def question_view(permission):
    """Decorator for a method that takes a question: check the permission, and replace the key by the question."""

    def decorate(view):
        @wraps(view)
        def wrapper(self, request, pk):
            if not request.user.has_perm(permission):
                raise PermissionDenied
            question = get_object_or_404(Question.objects.select_related("collection", "live"), pk=pk)
            return view(self, request, question)

        return wrapper

    return decorate


def _fingerprint(question):
    """Return a digest of everything that a workflow page shows of a question."""
    review = [question.review, question.review_note, question.submitted_by, str(question.submitted_at)]
    return contents.digest_of([working_copy.fingerprint(question), question.live_id, question.seed_conflict, review])


def is_contributor(user, question):
    """Whether the working copy has unpublished text by this user, so that a second person must publish it."""
    return any(person["id"] == user.pk for person in publishing.writers(question))


class WorkflowPages:
    """Mixin for the question admin."""

    def get_urls(self):
        views = {
            "preview": self.preview,
            "compare": self.compare,
            "submit": self.submit,
            "send-back": self.send_back,
            "publish": self.publish,
            "discard": self.discard,
            "restore": self.restore,
            "withdraw": self.withdraw,
            "check": self.check_sources,
            "settle": self.settle,
            "link": self.link,
        }
        urls = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"faq_question_{name}")
            for name, view in views.items()
        ]
        return urls + super().get_urls()

    def workflow_links(self, user, question):
        """Return the links that apply to this question and user, as (URL name, label)."""
        can_change, can_publish = user.has_perm("faq.change_question"), user.has_perm("faq.publish_question")
        unpublished = question.state != Question.State.PUBLIC
        submitted = question.review == Question.Review.SUBMITTED
        sourced = question.live and question.live.names_a_source
        may_approve = not is_contributor(user, question) or user.has_perm("faq.override_second_check")
        links = [
            ("preview", "Preview", True),
            ("compare", "Compare with what is public", question.state == Question.State.CHANGED),
            ("submit", "Submit for review…", can_change and unpublished and not submitted),
            ("send-back", "Send back…", can_publish and submitted),
            ("publish", "Publish…", can_publish and unpublished and may_approve),
            ("check", "Checked, still right…", user.has_perm("faq.check_question") and sourced),
            ("discard", "Discard changes…", can_change and question.state == Question.State.CHANGED),
            ("link", "Share the draft…", can_change and unpublished),
            ("withdraw", "Withdraw…", can_publish and question.live),
        ]
        return [(f"admin:faq_question_{name}", label) for name, label, applies in links if applies]

    @question_view("faq.view_question")
    def preview(self, request, question):
        """Render the public page from an unsaved edition."""
        context = {"question": question, "edition": publishing.preview(question), "preview": True}
        response = render(request, "faq/question.html", context)
        response._csp_update = {}  # keep the content policy of public pages
        return response

    @question_view("faq.view_question")
    def compare(self, request, question):
        """Compare an edition (`?edition=`, or else the public one) with the working copy, word by word."""
        number = request.GET.get("edition", "")
        edition = get_object_or_404(question.editions, number=number) if number.isdecimal() else question.live
        working = working_copy.content(question)
        before = edition.content if edition else contents.Content("")
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "question": question,
            "edition": edition,
            "title": "Compare",
            "lines": diffing.compare(before, working),
            "moved": diffing.moved(before, working),
            "workflow_links": [
                link for link in self.workflow_links(request.user, question) if not link[0].endswith("compare")
            ],
        }
        return TemplateResponse(request, "admin/faq/question/compare.html", context)

    @question_view("faq.change_question")
    def submit(self, request, question):
        def perform(note):
            publishing.submit(question, by=request.user, note=note)
            return "Submitted. Publishers see it on their desk."

        lead = "A publisher reviews the working copy, and publishes it or sends it back."
        return self._form(request, question, SubmitForm, perform, "Submit for review", "Submit", lead, compare=True)

    @question_view("faq.publish_question")
    def send_back(self, request, question):
        def perform(note):
            publishing.send_back(question, by=request.user, note=note)
            return "Sent back with your note."

        lead = "The working copy is not changed. The editor who submitted it sees it on the desk with your note."
        return self._form(request, question, SendBackForm, perform, "Send back", "Send back", lead, compare=True)

    @question_view("faq.publish_question")
    def publish(self, request, question):
        def perform(note, same_meaning, override=""):
            edition = publishing.publish(
                question, by=request.user, note=note, meaning_changed=not same_meaning, override=override
            )
            return f"Edition {edition.number} is public now."

        override = is_contributor(request.user, question) and request.user.has_perm("faq.override_second_check")
        form = OverrideForm if override else PublishForm
        lead = "The working copy becomes the next edition, which is public at once. Editions are never changed."
        return self._form(request, question, form, perform, "Publish", "Publish now", lead, compare=True, public=True)

    @question_view("faq.change_question")
    def discard(self, request, question):
        def perform():
            publishing.discard(question, by=request.user)
            return "The changes were discarded. The working copy is the same as the public edition."

        lead = "The working copy gets the text and sources of the public edition. The changes below are lost."
        return self._form(request, question, ConfirmForm, perform, "Discard changes", "Discard", lead, compare=True)

    @question_view("faq.publish_question")
    def withdraw(self, request, question):
        def perform(because):
            publishing.withdraw(question, because=because, by=request.user)
            return "The answer is no longer public. Its address shows the reason. To restore it, publish it again."

        lead = "The answer, its editions and its history will no longer be public. The working copy is not changed."
        button = "Withdraw from the public site"
        return self._form(request, question, WithdrawForm, perform, "Withdraw", button, lead, public=True)

    @question_view("faq.check_question")
    def check_sources(self, request, question):
        def perform(comment):
            publishing.check(question, by=request.user, comment=comment)
            question.refresh_from_db()
            return f"The check was recorded. The next check is due on {question.check_due}."

        lead = "You confirm that you compared the public edition with its sources today, and that it is still correct."
        if question.unconfirmed and not question.live.had_part(request.user):
            lead += " It was published without a second check. Your check is the second one, and readers see that."
        return self._form(
            request, question, CheckForm, perform, "Checked, still right", "It still holds", lead, public=True
        )

    @question_view("faq.change_question")
    def restore(self, request, question):
        def perform(edition):
            publishing.restore(question, get_object_or_404(question.editions, number=edition), by=request.user)
            return f"The working copy has the text of edition {edition} again. The public edition is not changed."

        lead = (
            "The working copy gets the question, short answer, points and sources of the edition below. Its "
            "unpublished changes are lost. The public edition is not changed until you publish."
        )
        return self._form(
            request, question, RestoreForm, perform, "Restore an edition", "Replace the working copy", lead
        )

    @question_view("faq.change_question")
    def settle(self, request, question):
        def perform():
            publishing.settle_conflict(question, by=request.user)
            return "The newer text of the seed was marked as taken into account."

        lead = "The newer text of the seed will no longer be shown here. The next import reports later changes."
        return self._form(request, question, ConfirmForm, perform, "Seed conflict", "I took it into account", lead)

    @question_view("faq.change_question")
    def link(self, request, question):
        def perform():
            address = request.build_absolute_uri(reverse("draft", args=[draft_links.token(question)]))
            audit.record(Event.Act.SHOWN, question, request.user)
            return format_html(
                'With this link, anyone can read the draft until {}, or until it is published: <a href="{}">{}</a>',
                f"{draft_links.ends():%-d %B %Y}", address, address,
            )  # fmt: skip

        lead = (
            "Creates a link that shows the working copy, with later changes, to people without an account. It is valid "
            "for 14 days or until publication. Give it only to people who may read unpublished text."
        )
        return self._form(
            request, question, ConfirmForm, perform, "Share the draft", "Create a link", lead, secret=True
        )

    def _form(
        self, request, question, form_class, perform, title, button, lead, compare=False, public=False, secret=False
    ):
        """Show a form, call `perform` with its values, and redirect to the question page with the returned message.

        A ValidationError of `perform` is shown in the form. `compare` shows the changes to the public edition. `public`
        asks for the password after inactivity. The message of a `secret` operation contains a draft link and is not
        logged."""
        posted = request.method == "POST"
        form = form_class(request.POST if posted else None, initial=request.GET.dict())
        if public:
            reauthentication.require_password(form, request)
        if posted and reauthentication.is_valid(form, request):
            try:
                with transaction.atomic():
                    # The lock lasts until the end of the transaction.
                    if request.POST.get("seen") != _fingerprint(working_copy.locked(question)):
                        raise ValidationError(
                            "Nothing was done: the question changed after you had opened this page. Review it again."
                        )
                    message = perform(**form.cleaned_data)
                    self.log_change(request, question, title if secret else str(message))
            except ValidationError as error:
                form.add_error(None, error)
                question = Question.objects.select_related("collection", "live").get(pk=question.pk)
            else:
                messages.success(request, message)
                return HttpResponseRedirect(reverse("admin:faq_question_change", args=[question.pk]))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "question": question,
            "form": form,
            "title": title,
            "button": button,
            "lead": lead,
            "seen": _fingerprint(question),
        }
        if compare and question.live:
            working = working_copy.content(question)
            context |= {
                "lines": diffing.compare(question.live.content, working),
                "moved": diffing.moved(question.live.content, working),
            }
        return TemplateResponse(request, "admin/faq/question/act.html", context)
