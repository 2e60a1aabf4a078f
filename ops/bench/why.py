"""Why a goal is not met, and what was tried: told in `docs/bench.md` of each goal that a run did not reach."""

_SERVER = """\
R, a WSGI application that only says hello, is the most that this server can do here, and it stays below the goal:
Django's hello gained more from this processor than R did. In the process a kept page costs less than 6 µs, and in R it
meets its goal."""

_PAGE = """\
the goal is about 1 ms of processor time for a whole page. Django's middleware takes 0.8 ms of it, the four queries of a
question 1.7, its template 2.8, compression 0.2: with no template at all it would be at 0.04 H. Done: 8 queries became 4
and 23 ms became 5.6. Tried and left: the garbage collector off (no difference); Jinja2 for the same page (4.4 ms for
5.8, at the price of two template languages)."""

WHY = {
    "kept.h": _SERVER,
    "unchanged.h": f"as for a kept page. {_SERVER}",
    "kept.cpu": "R alone takes 0.17 H of processor time, which is more than the goal.",
    "kept.wagtail": "it follows from the server: 300 × would be more than R.",
    "list.kept.h": f"as for a question. {_SERVER}",
    "filter.kept.h": f"as for a question. {_SERVER}",
    "first.h": _PAGE,
    "first.wagtail": """\
both are limited by Django's templates, queries and middleware, and this page shows more: sources, topics, questions
before, after and related, a citation, data for search engines. See the first view in H.""",
    "list.first.h": f"as for a question: {_PAGE}",
    "filter.first.h": f"as for a question: {_PAGE}",
    "bytes.page": """\
the words of the page are about 1.4 kB of it, compressed as well as can be, its structure 0.7, the style sheet 2.3,
headers 1.2. Done: the sheet lost its white space and the headers of a page, and pages the names of features that no
page here could use (6.4 kB became 5.5). Left: two sheets, one of them for rarer pages, would cost those a request
more.""",
    "memory.worker": """\
Python and Django take 25 MB, the admin, its forms and what it stands on 25 more, before the first page. Done:
PostgreSQL's driver is not loaded on SQLite (11 MB). Left: workers without an admin would be a second kind of process to
run.""",
    "start.cpu": """\
most of it is to import Django with its admin, and to compile addresses and templates at the first page. Done:
PostgreSQL's driver is not loaded on SQLite.""",
}
"""By the name of the goal."""
