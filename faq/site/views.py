"""The public site. Each view reads live editions only, through `Question.objects.public()`."""

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
ON_HOME = 50
NEAREST = 5
COUNTED = 1000
"""Questions of a topic that the first page counts."""


def public_page(view):
    """A page that is the same for every reader. Browsers ask each time whether it is still what the public sees, and so
    do caches in front, unless CDN_SECONDS lets them show it a while longer."""

    @csrf_exempt  # nothing is done with what is sent here, so it is not asked whose form it comes from
    @require_safe
    @wraps(view)
    def public(request, *args, **kwargs):
        response = view(request, *args, **kwargs)
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, public=True, max_age=0, **_for_caches())
        return response

    return public


def _for_caches():
    """In the second half of the time, a cache shows what it has and asks for news meanwhile, so that nobody waits."""
    seconds = settings.CDN_SECONDS
    if not seconds:
        return {"must_revalidate": True}
    return {"s_maxage": seconds - seconds // 2, "stale_while_revalidate": seconds // 2}


@public_page
def home(request):
    questions = list(Question.objects.public().for_list()[: ON_HOME + 1])
    context = {"topics": _topics(), "questions": questions[:ON_HOME], "more": len(questions) > ON_HOME}
    return render(request, "faq/home.html", context)


@public_page
@paging.numbered
def question_list(request):
    wanted = filters.QuestionFilter(request.GET)
    facets = wanted.facets()
    chosen = [(facet["name"], choice) for facet in facets for choice in facet["choices"] if choice["chosen"]]
    search = wanted.search
    page = wanted.page(PER_PAGE)
    context = {
        "filter": wanted,
        "search": search,
        "facets": facets,
        "chosen": [choice for _, choice in chosen],
        "kept": [(name, choice["value"]) for name, choice in chosen],
        "page": page,
        "nearest": _nearest(wanted) if search and not page.object_list else None,
    }
    response = render(request, "faq/question_list.html", context)
    if search and search.missed and not chosen and request.method == "GET":
        zero_results.note(search.text)  # for the editors
        add_never_cache_headers(response)  # or nobody would notice that it is asked for again
    return response


@public_page
@paging.numbered
def topic(request, slug):
    subject = Topic.objects.filter(slug=slug, public_since__isnull=False).first()
    if subject is None:
        retired = get_object_or_404(RetiredTopic, slug=slug)
        return render(request, "faq/topic_retired.html", {"topic": retired}, status=410)
    public = Question.objects.public()
    total = paging.bounded_count(filters.of_topic(public, slug))
    shown = filters.of_topic(public, slug, for_page=True).for_list()
    page = paging.page_of(shown, PER_PAGE * 5, request.GET, total)
    return render(request, "faq/topic.html", {"topic": subject, "page": page})


@public_page
@paging.numbered
def collection(request, collection):
    whole = get_object_or_404(Collection, slug=collection)
    if not whole.questions.ever_public().exists():
        raise Http404
    questions = Question.objects.public().filter(collection=whole)
    page = paging.page_of(questions.for_list(), PER_PAGE * 5, request.GET, most=5 * paging.MAX_ROWS)
    return render(request, "faq/collection.html", {"collection": whole, "page": page})


@public_page
def question(request, collection, number, slug=""):
    """One answer. The number decides; a missing, old or wrong last part of the address leads to the right one."""
    wanted = _known(collection, number, related.with_neighbours(Question.objects.for_detail()))
    if wanted.live is None:
        return _withdrawn(request, wanted)
    if request.path != wanted.get_absolute_url():
        query = request.META["QUERY_STRING"]
        return HttpResponsePermanentRedirect(wanted.get_absolute_url() + (f"?{query}" if query else ""))
    context = {
        "question": wanted,
        "edition": wanted.live,
        **related.beside(wanted),
        "data": structured_data.encode(structured_data.faq_page(wanted.live, request.build_absolute_uri(request.path))),
    }
    return render(request, "faq/question.html", context)


@public_page
@paging.numbered
def history(request, collection, number):
    """The editions, newest first, each with what differs from the one before it."""
    wanted = _known(collection, number, Question.objects.for_detail())
    if wanted.live is None:
        return _withdrawn(request, wanted)
    editions = wanted.editions.order_by("-number").prefetch_related("checks")
    page = paging.page_of(editions, PER_PAGE, request.GET)
    older = editions.filter(number=page.object_list[-1].number - 1) if page.object_list else []
    for edition, before in pairwise([*page, *older]):
        edition.changes = diffing.compare(before.content, edition.content)
        edition.moved = diffing.moved(before.content, edition.content)
    for edition in page:
        edition.question = wanted
    return render(request, "faq/history.html", {"question": wanted, "page": page})


@public_page
def edition(request, collection, number, edition):
    wanted = _known(collection, number, Question.objects.for_detail())
    if wanted.live is None:
        return _withdrawn(request, wanted)
    frozen = get_object_or_404(Edition.objects.prefetch_related("checks"), question=wanted, number=edition)
    frozen.question = wanted
    return render(request, "faq/edition.html", {"question": wanted, "edition": frozen})


@public_page
@paging.numbered
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


@csrf_exempt  # there is no log-in here that a foreign page could misuse, and the token would need a cookie
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def report(request, collection, number):
    """A form to report a problem with one edition, perhaps with one point of it."""
    wanted = _known(collection, number, Question.objects.for_detail())
    if wanted.live is None:
        return _withdrawn(request, wanted)
    edition = wanted.editions.filter(number=_positive(request.GET.get("edition"))).first() or wanted.live
    posted = request.POST if request.method == "POST" else None
    initial = {"point": request.GET.get("point"), "token": reports.new_token()}
    form = reports.ReportForm(posted, edition=edition, initial=initial)
    status, wait = 200, None
    if request.method == "POST":
        status = 400
        try:
            if form.is_valid():
                del form.cleaned_data["website"]
                kept = reports.take(edition, **form.cleaned_data)
                return HttpResponse(status=303, headers={"Location": kept.get_absolute_url()})
        except reports.TooEarly as early:
            status, wait = 429, early.seconds
        except reports.Used as used:
            form.add_error("token", str(used))
        if "token" in form.errors:
            form.renew_token()
    context = {"question": wanted, "edition": edition, "form": form, "wait": wait, "minutes": wait and -(-wait // 60)}
    response = render(request, "faq/report.html", context, status=status)
    if wait:
        response.headers["Retry-After"] = wait
    return response


@csrf_exempt
@never_cache
@require_safe
def receipt(request, receipt):
    """What became of a report; only who sent it knows the address."""
    reports = Report.objects.select_related("edition__question__collection", "answered_by__question__collection")
    return render(request, "faq/receipt.html", {"report": get_object_or_404(reports, receipt=receipt)})


@csrf_exempt
@never_cache
@require_safe
def draft(request, token):
    """A working copy, for whoever was given a signed link to it."""
    try:
        wanted = draft_links.find(token)
    except signing.BadSignature:
        raise Http404 from None
    except draft_links.LinkExpired as expired:
        return render(request, "faq/draft_over.html", {"question": expired.question}, status=410)
    context = {"question": wanted, "edition": publishing.preview(wanted), "preview": True, "shown": True}
    response = render(request, "faq/question.html", context)
    # The link is a key: other sites must not learn it from a reader who follows a source.
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
    """Says that the process answers; asks nothing else."""
    return HttpResponse("alive\n", content_type="text/plain")


@csrf_exempt
@never_cache
@require_safe
def ready(request):
    """Says whether this process can serve readers and editors, and what is missing, in words."""
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
    """The page for whatever no view expected; Django calls this while it handles that."""
    return fault_pages.answer(request, sys.exception())


def _known(collection, number, questions):
    """A question that is public or was: anything else does not exist for a reader."""
    question = get_object_or_404(questions.ever_public(), collection__slug=collection, number=number)
    if question.live:
        question.live.question = question
    return question


def _withdrawn(request, question):
    return render(request, "faq/withdrawn.html", {"question": question}, status=410)


def _nearest(wanted):
    """What to show in place of no result: what the words alone find, else where everything starts."""
    for instead in (wanted.search, wanted.search.relaxed):
        if instead and instead.found:
            questions = instead.ranked(instead.within(Question.objects.public().for_list()))[:NEAREST]
            return {"search": instead, "questions": questions}
    public = Question.objects.public()
    topics = Topic.objects.filter(Exists(public.filter(topics=OuterRef("pk"))))
    return {"topics": topics, "questions": public.for_list()[:NEAREST]}


def _topics():
    """Topics that have public questions, each with their `count` up to `COUNTED`, and whether there are `more`."""
    public = Question.topics.through.objects.filter(topic=OuterRef("pk"), question__live__isnull=False).values("pk")
    topics = Topic.objects.annotate(count=paging.UpTo(public[: COUNTED + 1]))
    for topic in topics:
        topic.more = topic.count > COUNTED
        topic.count = min(topic.count, COUNTED)
    return [topic for topic in topics if topic.count]


def _public_collections():
    return Collection.objects.filter(Exists(Question.objects.public().filter(collection=OuterRef("pk"))))


def _positive(text):
    """A number from an address, or None: what is none cannot name an edition or a point."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
