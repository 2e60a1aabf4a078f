"""The acts of `publishing` as pages beside the question page: each asks, acts, and says what it did."""

from functools import wraps

from django import forms
from django.contrib import messages
from django.contrib.admin.utils import quote
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
        help_text="What you changed, and what to look at.",
    )


class SendBackForm(forms.Form):
    note = _text(
        label="What is still to be done", max_length=1000, help_text="The editor sees it on the question's page."
    )


class PublishForm(forms.Form):
    note = _text(
        label="What changed",
        max_length=500,
        help_text="One or two sentences for readers. They stay in the answer's public history.",
    )
    same_meaning = forms.BooleanField(
        label="No change in meaning", required=False, help_text="Tick for corrections of spelling and style only."
    )


class OverrideForm(PublishForm):
    override = _text(
        label="Why nobody else reads it first",
        max_length=500,
        help_text="You wrote some of this yourself. The reason is kept in the log; readers see “Published without "
        "a second check” until another person confirms the answer.",
    )


class WithdrawForm(forms.Form):
    because = _text(
        label="Why it is withdrawn", max_length=1000, help_text="Readers who come to the answer's address see this."
    )


class CheckForm(forms.Form):
    comment = _text(
        label="What you compared",
        required=False,
        max_length=1000,
        help_text="It stands in the answer's public history.",
    )


class RestoreForm(forms.Form):
    edition = forms.IntegerField(label="Edition", min_value=1, max_value=1_000_000)


class SureForm(forms.Form):
    """Asks nothing but whether it is meant."""


def act(permission):
    """A page of the question admin that acts on one question: fetches it, and refuses who may not do this."""

    def decorate(view):
        @wraps(view)
        def guarded(self, request, pk):
            if not request.user.has_perm(permission):
                raise PermissionDenied
            question = get_object_or_404(Question.objects.select_related("collection", "live"), pk=pk)
            return view(self, request, question)

        return guarded

    return decorate


def _seen(question):
    """What a page showed of a question, for telling whether it still is so."""
    return contents.digest_of([working_copy.fingerprint(question), question.live_id, question.seed_conflict])


def wrote(user, question):
    """Whether this person needs somebody else to publish the working copy."""
    return any(one["id"] == user.pk for one in publishing.writers(question))


class ActPages:
    """Mixed into the question admin."""

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
        own = [
            path(f"<int:pk>/{name}/", self.admin_site.admin_view(view), name=f"faq_question_{name}")
            for name, view in views.items()
        ]
        return own + super().get_urls()

    def acts_for(self, user, question):
        """The buttons that make sense now, as (name of the address, label)."""
        can_change, can_publish = user.has_perm("faq.change_question"), user.has_perm("faq.publish_question")
        unpublished = question.state != Question.State.PUBLIC
        submitted = question.review == Question.Review.SUBMITTED
        sourced = question.live and question.live.names_a_source
        may_approve = not wrote(user, question) or user.has_perm("faq.override_second_check")
        acts = [
            ("preview", "Preview", True),
            ("compare", "Compare with what is public", question.state == Question.State.CHANGED),
            ("submit", "Submit for review…", can_change and unpublished and not submitted),
            ("send-back", "Send back…", can_publish and submitted),
            ("publish", "Publish…", can_publish and unpublished and may_approve),
            ("check", "Checked, still right…", user.has_perm("faq.check_question") and sourced),
            ("discard", "Discard changes…", can_change and question.state == Question.State.CHANGED),
            ("link", "Show the draft to somebody…", can_change and unpublished),
            ("withdraw", "Withdraw…", can_publish and question.live),
        ]
        return [(f"admin:faq_question_{name}", label) for name, label, sensible in acts if sensible]

    @act("faq.view_question")
    def preview(self, request, question):
        """The public page as it would be, from an edition that is not saved."""
        context = {"question": question, "edition": publishing.preview(question), "preview": True}
        response = render(request, "faq/question.html", context)
        response._csp_update = {}  # the content policy of public pages, as it is
        return response

    @act("faq.view_question")
    def compare(self, request, question):
        """What is public, an edition (`?edition=`) or nothing, against the working copy, word by word."""
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
            "acts": [entry for entry in self.acts_for(request.user, question) if not entry[0].endswith("compare")],
        }
        return TemplateResponse(request, "admin/faq/question/compare.html", context)

    @act("faq.change_question")
    def submit(self, request, question):
        def act(note):
            publishing.submit(question, by=request.user, note=note)
            return "Submitted. It stands on the desk of everybody who may publish it."

        lead = "Somebody else with the right to publish reads the working copy, and publishes it or sends it back."
        return self._act(request, question, SubmitForm, act, "Submit for review", "Submit", lead, compare=True)

    @act("faq.publish_question")
    def send_back(self, request, question):
        def act(note):
            publishing.send_back(question, by=request.user, note=note)
            return "Sent back, with what you wrote."

        lead = (
            "The working copy stays as it is. Whoever submitted it finds it on their desk again, with what you write."
        )
        return self._act(request, question, SendBackForm, act, "Send back", "Send back", lead, compare=True)

    @act("faq.publish_question")
    def publish(self, request, question):
        def act(note, same_meaning, override=""):
            edition = publishing.publish(
                question, by=request.user, note=note, meaning_changed=not same_meaning, override=override
            )
            return f"Edition {edition.number} is public now."

        own = wrote(request.user, question) and request.user.has_perm("faq.override_second_check")
        form = OverrideForm if own else PublishForm
        lead = "The working copy becomes the next edition, which the public sees from then on. It is never changed."
        return self._act(request, question, form, act, "Publish", "Publish now", lead, compare=True, public=True)

    @act("faq.change_question")
    def discard(self, request, question):
        def act():
            publishing.discard(question, by=request.user)
            return "The changes were discarded. The working copy is what the public sees."

        lead = "The working copy gets the words and sources that the public sees. What is marked below is lost."
        return self._act(request, question, SureForm, act, "Discard changes", "Discard", lead, compare=True)

    @act("faq.publish_question")
    def withdraw(self, request, question):
        def act(because):
            publishing.withdraw(question, because=because, by=request.user)
            return "The answer is no longer public. Its address says why. Publishing brings it back."

        lead = "Readers no longer find the answer, its editions or its history. The working copy stays as it is."
        button = "Withdraw from the public site"
        return self._act(request, question, WithdrawForm, act, "Withdraw", button, lead, public=True)

    @act("faq.check_question")
    def check_sources(self, request, question):
        def act(comment):
            publishing.check(question, by=request.user, comment=comment)
            question.refresh_from_db()
            return f"Noted as checked today. The next check is due on {question.check_due}."

        lead = (
            "You confirm that you compared this answer, as the public sees it, with its sources today, and that it "
            "still holds."
        )
        if question.unconfirmed and not question.live.had_part(request.user):
            lead += " It was published without a second check; yours is the second, and readers are told so."
        return self._act(request, question, CheckForm, act, "Checked, still right", "It still holds", lead, public=True)

    @act("faq.change_question")
    def restore(self, request, question):
        def act(edition):
            publishing.restore(question, get_object_or_404(question.editions, number=edition), by=request.user)
            return f"The working copy has the words of edition {edition} again. The public sees no change yet."

        lead = (
            "The working copy gets the question, short answer, points and sources of the edition named below. What "
            "stands in it now and was never published is lost. The public sees no change until it is published."
        )
        return self._act(request, question, RestoreForm, act, "Restore an edition", "Replace the working copy", lead)

    @act("faq.change_question")
    def settle(self, request, question):
        def act():
            publishing.settle_conflict(question, by=request.user)
            return "Noted: the seed's newer text was taken into account."

        lead = "The seed's newer text will no longer be shown here. An import reports the question again if it changes."
        return self._act(request, question, SureForm, act, "Seed conflict", "I took it into account", lead)

    @act("faq.change_question")
    def link(self, request, question):
        def act():
            address = request.build_absolute_uri(reverse("draft", args=[draft_links.token(question)]))
            audit.record(Event.Act.SHOWN, question, request.user)
            return format_html(
                'Whoever has this link can read the draft until {}, or until it is published: <a href="{}">{}</a>',
                f"{draft_links.ends():%-d %B %Y}", address, address,
            )  # fmt: skip

        lead = (
            "Makes a link that shows the working copy to somebody without an account, for 14 days or until it is "
            "published. They see later changes too. Give it only to people who may read what is not public."
        )
        return self._act(request, question, SureForm, act, "Show the draft", "Make a link", lead, secret=True)

    def _act(self, request, question, form_class, act, title, button, lead, compare=False, public=False, secret=False):
        """Ask with a form, then act and go back to the question; an error of the act is shown in the form.

        What is `public` at once asks for the password of whoever was away. What is said of a `secret` is not stored:
        it is the key to a draft."""
        back = HttpResponseRedirect(reverse("admin:faq_question_change", args=[quote(question.pk)]))
        posted = request.method == "POST"
        form = form_class(request.POST if posted else None, initial=request.GET.dict())
        if public:
            reauthentication.ask_again(form, request)
        if posted and reauthentication.accepts(form, request):
            try:
                with transaction.atomic():
                    # From here on nobody changes it: what is acted on is what this person saw.
                    if request.POST.get("seen") != _seen(working_copy.locked(question)):
                        raise ValidationError(
                            "Nothing was done: the question changed after you had opened this page. Look again."
                        )
                    message = act(**form.cleaned_data)
                    self.log_change(request, question, title if secret else str(message))
            except ValidationError as error:
                form.add_error(None, error)
                question = Question.objects.select_related("collection", "live").get(pk=question.pk)
            else:
                messages.success(request, message)
                return back
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "question": question,
            "form": form,
            "title": title,
            "button": button,
            "lead": lead,
            "seen": _seen(question),
        }
        if compare and question.live:
            working = working_copy.content(question)
            context |= {
                "lines": diffing.compare(question.live.content, working),
                "moved": diffing.moved(question.live.content, working),
            }
        return TemplateResponse(request, "admin/faq/question/act.html", context)
