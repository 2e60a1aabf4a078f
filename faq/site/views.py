"""Views of the public site. They read public editions only, through `Question.objects.public()`."""

import sys
from functools import wraps
from itertools import pairwise

from django.conf import settings
from django.core import signing
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.cache import add_never_cache_headers, patch_cache_control
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from faq.answers import diffing
from faq.models import Collection, Edition, Question, Report, RetiredTopic, Topic
from faq.operations import backups, fault_pages
from faq.search import zero_results
from faq.workflow import draft_links, publishing

from . import filters, paging, related, reports, structured_data

PER_PAGE = 20
MAX_ON_HOME = 50
MAX_SUGGESTIONS = 5
MAX_COUNT = 1000
"""Questions of a topic that the home page counts."""


def public_page(view):
    """Decorator for a page that is the same for every reader.

    Browsers and shared caches must revalidate it, unless CDN_SECONDS lets shared caches send it for some time."""

    @csrf_exempt  # POST is answered with 405, and not with the page about CSRF
    @require_safe
    @wraps(view)
    def wrapper(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, public=True, max_age=0, **_shared_cache_control())
        return response

    return wrapper


def _shared_cache_control():
    """In the second half of CDN_SECONDS, a cache sends the old page and revalidates it in the background."""
    seconds = settings.CDN_SECONDS
    if not seconds:
        return {"must_revalidate": True}
    return {"s_maxage": seconds - seconds // 2, "stale_while_revalidate": seconds // 2}


@public_page
def home(request):
    questions = list(Question.objects.public().for_list()[: MAX_ON_HOME + 1])
    context = {"topics": _topics(), "questions": questions[:MAX_ON_HOME], "more": len(questions) > MAX_ON_HOME}
    return render(request, "faq/home.html", context)


@public_page
@paging.redirect_old_pages
def question_list(request):
    query = filters.QuestionFilter(request.GET)
    facets = query.facets()
    chosen = [(facet["name"], choice) for facet in facets for choice in facet["choices"] if choice["chosen"]]
    search = query.search
    page = query.page(PER_PAGE)
    context = {
        "filter": query,
        "search": search,
        "facets": facets,
        "chosen": [choice for _, choice in chosen],
        "hidden_fields": [(name, choice["value"]) for name, choice in chosen],
        "page": page,
        "suggestions": _suggestions(query) if search and not page.object_list else None,
    }
    response = render(request, "faq/question_list.html", context)
    if search and search.missed and not chosen and request.method == "GET":
        zero_results.note(search.text)
        add_never_cache_headers(response)  # so that a repeated search is counted too
    return response


@public_page
@paging.redirect_old_pages
def topic(request, slug):
    subject = Topic.objects.filter(slug=slug, public_since__isnull=False).first()
    if subject is None:
        retired = get_object_or_404(RetiredTopic, slug=slug)
        return render(request, "faq/topic_retired.html", {"topic": retired}, status=410)
    public = Question.objects.public()
    total = paging.bounded_count(filters.of_topic(public, slug))
    questions = filters.of_topic(public, slug, for_page=True).for_list()
    page = paging.page_of(questions, PER_PAGE * 5, request.GET, total)
    return render(request, "faq/topic.html", {"topic": subject, "page": page})


@public_page
@paging.redirect_old_pages
def collection(request, collection):
    subject = get_object_or_404(Collection, slug=collection)
    if not subject.questions.ever_public().exists():
        raise Http404
    questions = Question.objects.public().filter(collection=subject)
    page = paging.page_of(questions.for_list(), PER_PAGE * 5, request.GET, most=5 * paging.MAX_ROWS)
    return render(request, "faq/collection.html", {"collection": subject, "page": page})


@public_page
def question(request, collection, number, slug=""):
    """An answer. The number identifies it; a missing, old or wrong slug redirects to the current address."""
    question = _known(collection, number, related.with_neighbours(Question.objects.for_detail()))
    if question.live is None:
        return _withdrawn(request, question)
    if request.path != question.get_absolute_url():
        query = request.META["QUERY_STRING"]
        return HttpResponsePermanentRedirect(question.get_absolute_url() + (f"?{query}" if query else ""))
    context = {
        "question": question,
        "edition": question.live,
        **related.links(question),
        "data": structured_data.encode(
            structured_data.faq_page(question.live, request.build_absolute_uri(request.path))
        ),
    }
    return render(request, "faq/question.html", context)


@public_page
@paging.redirect_old_pages
def history(request, collection, number):
    """The editions, newest first, each with its differences from the one before."""
    question = _known(collection, number, Question.objects.for_detail())
    if question.live is None:
        return _withdrawn(request, question)
    editions = question.editions.order_by("-number").prefetch_related("checks")
    page = paging.page_of(editions, PER_PAGE, request.GET)
    older = editions.filter(number=page.object_list[-1].number - 1) if page.object_list else []
    for edition, previous in pairwise([*page, *older]):
        edition.changes = diffing.compare(previous.content, edition.content)
        edition.moved = diffing.moved(previous.content, edition.content)
    for edition in page:
        edition.question = question
    return render(request, "faq/history.html", {"question": question, "page": page})


@public_page
def edition(request, collection, number, edition):
    question = _known(collection, number, Question.objects.for_detail())
    if question.live is None:
        return _withdrawn(request, question)
    found = get_object_or_404(Edition.objects.prefetch_related("checks"), question=question, number=edition)
    found.question = question
    return render(request, "faq/edition.html", {"question": question, "edition": found})


@public_page
@paging.redirect_old_pages
def changes(request):
    page = paging.page_of(Edition.objects.news(), PER_PAGE, request.GET)
    return render(request, "faq/changes.html", {"page": page})


@public_page
def about(request):
    public = Question.objects.public()
    counts = {
        "public": public.count(), "checked": public.checked().count(), "overdue": public.overdue().count()
    }  # fmt: skip
    return render(request, "faq/about.html", {"counts": counts, "collections": _public_collections()})


@public_page
def accessibility(request):
    return render(request, "faq/accessibility.html")


@csrf_exempt  # readers have no session that a forged request could use, and the token would need a cookie
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def report(request, collection, number):
    """A form to report a problem with an edition or one of its points."""
    question = _known(collection, number, Question.objects.for_detail())
    if question.live is None:
        return _withdrawn(request, question)
    edition = question.editions.filter(number=_positive(request.GET.get("edition"))).first() or question.live
    posted = request.POST if request.method == "POST" else None
    initial = {"point": request.GET.get("point"), "token": reports.new_token()}
    form = reports.ReportForm(posted, edition=edition, initial=initial)
    status, wait = 200, None
    if request.method == "POST":
        status = 400
        try:
            if form.is_valid():
                del form.cleaned_data["website"]
                saved = reports.save_report(edition, **form.cleaned_data)
                return HttpResponse(status=303, headers={"Location": saved.get_absolute_url()})
        except reports.TooEarly as error:
            status, wait = 429, error.seconds
        except reports.TokenUsed as error:
            form.add_error("token", str(error))
        if "token" in form.errors:
            form.renew_token()
    context = {"question": question, "edition": edition, "form": form, "wait": wait, "minutes": wait and -(-wait // 60)}
    response = render(request, "faq/report.html", context, status=status)
    if wait:
        response.headers["Retry-After"] = wait
    return response


@csrf_exempt
@never_cache
@require_safe
def receipt(request, receipt):
    """The state of a report. Only the reader who sent it knows the address."""
    rows = Report.objects.select_related("edition__question__collection", "answered_by__question__collection")
    return render(request, "faq/receipt.html", {"report": get_object_or_404(rows, receipt=receipt)})


@csrf_exempt
@never_cache
@require_safe
def draft(request, token):
    """A working copy, for visitors with a signed link."""
    try:
        question = draft_links.find(token)
    except signing.BadSignature:
        raise Http404 from None
    except draft_links.LinkExpired as expired:
        return render(request, "faq/draft_over.html", {"question": expired.question}, status=410)
    context = {"question": question, "edition": publishing.preview(question), "preview": True, "shown": True}
    response = render(request, "faq/question.html", context)
    # The address grants access, so it must not be sent to other sites that the page links to.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


@csrf_exempt
@require_safe
def robots(request):
    sitemap = request.build_absolute_uri(reverse("sitemap"))
    rules = [f"Disallow: {path}" for path in ("/admin/", "/reports/", "/drafts/", "/*/report/")]
    text = "\n".join(["User-agent: *", *rules, f"Sitemap: {sitemap}", ""])
    return HttpResponse(text, content_type="text/plain")


@csrf_exempt
@require_safe
def alive(request):
    """Liveness check: the process answers. Does not use the database."""
    return HttpResponse("alive\n", content_type="text/plain")


@csrf_exempt
@never_cache
@require_safe
def ready(request):
    """Readiness check: 200 if the database answers and all migrations are applied, else 503. Lists the problems."""
    lines, status = [], 200
    try:
        executor = MigrationExecutor(connection)
        plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        lines.append("database: ok")
        lines.append(f"migrations: {len(plan)} not applied. Run: manage.py migrate" if plan else "migrations: ok")
        status = 503 if plan else 200
        age = backups.age()
        lines.append("backup: never proved" if age is None else f"backup: proved {age} days ago")
    except DatabaseError as error:
        lines.append(f"database: {type(error).__name__}")
        status = 503
    return HttpResponse("\n".join([*lines, ""]), content_type="text/plain", status=status)


def not_found(request, exception):
    return render(request, "404.html", status=404)


def server_error(request):
    """The page for unhandled exceptions. Django calls this while it handles the exception."""
    return fault_pages.answer(request, sys.exception())


def _known(collection, number, questions):
    """Return a question that is or was public, or raise Http404."""
    question = get_object_or_404(questions.ever_public(), collection__slug=collection, number=number)
    if question.live:
        question.live.question = question
    return question


def _withdrawn(request, question):
    return render(request, "faq/withdrawn.html", {"question": question}, status=410)


def _suggestions(query):
    """Return the context for a search without results: results without the filters, or else topics."""
    for search in (query.search, query.search.relaxed):
        if search and search.found:
            questions = search.ranked(search.within(Question.objects.public().for_list()))[:MAX_SUGGESTIONS]
            return {"search": search, "questions": questions}
    public = Question.objects.public()
    topics = Topic.objects.filter(Exists(public.filter(topics=OuterRef("pk"))))
    return {"topics": topics, "questions": public.for_list()[:MAX_SUGGESTIONS]}


def _topics():
    """Return the topics with public questions. `count` is at most `MAX_COUNT`; `more`: whether there are more."""
    public = Question.topics.through.objects.filter(topic=OuterRef("pk"), question__live__isnull=False).values("pk")
    topics = Topic.objects.annotate(count=paging.SliceCount(public[: MAX_COUNT + 1]))
    for topic in topics:
        topic.more = topic.count > MAX_COUNT
        topic.count = min(topic.count, MAX_COUNT)
    return [topic for topic in topics if topic.count]


def _public_collections():
    return Collection.objects.filter(Exists(Question.objects.public().filter(collection=OuterRef("pk"))))


def _positive(text):
    """Return the number in a text of up to nine digits, or None."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
