"""The public site. Each view reads live editions only, through `Question.objects.public()`."""

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from .filters import QuestionFilter
from .models import Collection, Edition, Question, Topic

PER_PAGE = 20
ON_HOME = 50


@require_safe
def home(request):
    questions = list(Question.objects.public().for_list()[: ON_HOME + 1])
    context = {"topics": _topics(), "questions": questions[:ON_HOME], "more": len(questions) > ON_HOME}
    return render(request, "faq/home.html", context)


@require_safe
def question_list(request):
    wanted = QuestionFilter(request.GET, Question.objects.public().for_list())
    facets = wanted.facets()
    context = {
        "filter": wanted,
        "facets": facets,
        "chosen": [choice for facet in facets for choice in facet["choices"] if choice["chosen"]],
        "kept": [
            (facet["name"], choice["value"]) for facet in facets for choice in facet["choices"] if choice["chosen"]
        ],
        "page": Paginator(wanted.qs, PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "faq/question_list.html", context)


@require_safe
def topic(request, slug):
    subject = get_object_or_404(Topic, slug=slug)
    _refuse_unless_ever_public(subject.questions)
    questions = Question.objects.public().filter(topics=subject).for_list()
    page = Paginator(questions, PER_PAGE * 5).get_page(request.GET.get("page"))
    return render(request, "faq/topic.html", {"topic": subject, "page": page})


@require_safe
def collection(request, collection):
    whole = get_object_or_404(Collection, slug=collection)
    _refuse_unless_ever_public(whole.questions)
    questions = Question.objects.public().filter(collection=whole).for_list()
    page = Paginator(questions, PER_PAGE * 5).get_page(request.GET.get("page"))
    return render(request, "faq/collection.html", {"collection": whole, "page": page})


@require_safe
def question(request, collection, number, slug=""):
    """One answer. The number decides; a missing, old or wrong last part of the address leads to the right one."""
    wanted = _known(collection, number, Question.objects.for_detail())
    if wanted.live is None:
        return _withdrawn(request, wanted)
    if request.path != wanted.get_absolute_url():
        query = request.META["QUERY_STRING"]
        return HttpResponsePermanentRedirect(wanted.get_absolute_url() + (f"?{query}" if query else ""))
    neighbours = Question.objects.public().filter(collection=wanted.collection).for_list()
    return render(
        request,
        "faq/question.html",
        {
            "question": wanted,
            "edition": wanted.live,
            "previous": neighbours.filter(number__lt=number).reverse().first(),
            "next": neighbours.filter(number__gt=number).first(),
        },
    )


@require_safe
def history(request, collection, number):
    wanted = _known(collection, number, Question.objects.for_detail())
    if wanted.live is None:
        return _withdrawn(request, wanted)
    editions = wanted.editions.order_by("-number")
    return render(request, "faq/history.html", {"question": wanted, "editions": editions})


@require_safe
def edition(request, collection, number, edition):
    wanted = _known(collection, number, Question.objects.for_detail())
    if wanted.live is None:
        return _withdrawn(request, wanted)
    frozen = get_object_or_404(Edition, question=wanted, number=edition)
    frozen.question = wanted
    return render(request, "faq/edition.html", {"question": wanted, "edition": frozen})


@require_safe
def alive(request):
    """Says that the process answers; asks nothing else."""
    return HttpResponse("alive\n", content_type="text/plain")


def not_found(request, exception):
    return render(request, "404.html", status=404)


def server_error(request):
    return render(request, "500.html", status=500)


def _known(collection, number, questions):
    """A question that is public or was: anything else does not exist for a reader."""
    known = questions.filter(Q(live__isnull=False) | Q(withdrawn_at__isnull=False))
    question = get_object_or_404(known, collection__slug=collection, number=number)
    if question.live:
        question.live.question = question
    return question


def _refuse_unless_ever_public(questions):
    """A topic or collection of drafts alone does not exist for a reader; one that was public once keeps its address."""
    never = Count("pk", filter=Q(live__isnull=True, withdrawn_at__isnull=True))
    known = questions.aggregate(all=Count("pk"), never=never)
    if known["all"] and known["all"] == known["never"]:
        raise Http404


def _withdrawn(request, question):
    return render(request, "faq/withdrawn.html", {"question": question}, status=410)


def _topics():
    """Topics that have public questions, each with their number as `count`."""
    public = Question.objects.public()
    return Topic.objects.annotate(count=Count("questions", filter=Q(questions__in=public))).filter(count__gt=0)
