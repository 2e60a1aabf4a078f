"""Why a goal is not met, and what was tried: told in `docs/bench.md` of each goal that a run did not reach."""

_KEPT = """\
R, a WSGI application that only says hello, is the most that this server can do here, and it stays below the goal:
Django's hello gained more from this processor than R did. In the process a kept page costs less than 6 µs, and in R it
meets its goal."""

_PAGE = """\
the goal is about 1 ms of processor time for a whole page. Django's middleware takes 0.8 ms of it, the four queries of a
question 1.7, its template 2.8, compression 0.2: with no template at all it would be at 0.04 H. Done: 8 queries became 4
and 23 ms became 5.6. Tried and left: the garbage collector off (no difference); Jinja2 for the same page (4.4 ms for
5.8, at the price of two template languages)."""

WHY = {
    "kept.h": _KEPT,
    "unchanged.h": "as for a kept page.",
    "kept.cpu": "R alone takes 0.17 H of processor time, which is more than the goal.",
    "kept.wagtail": "it follows from the server: 300 × would be more than R.",
    "kept.postgres": """\
by a few hundredths at one size, and beyond it at the others: both cost the same now, since PostgreSQL lends the version
for five milliseconds (a question at each request took it to 0.41).""",
    "list.kept.h": "as for a question page.",
    "filter.kept.h": "as for a question page.",
    "first.h": _PAGE,
    "first.wagtail": """\
both are limited by Django's templates, queries and middleware, and this page shows more: sources, topics, questions
before, after and related, a citation, data for search engines. See the first view in H.""",
    "list.first.h": "as for a question page.",
    "filter.first.h": "as for a question page.",
    "list.flat": """\
a long list offers about a hundred choices where a short one has 25, each with its link, and asks three times more which
of them lead somewhere. The page's own query takes the same number of steps at every size, which a test counts. Done:
0.75 became 0.81 on SQLite and 0.68 became 0.86 on PostgreSQL; lists with two filters became four times as fast at
100,000 questions.""",
    "publish.save": """\
one statement through the ORM is one plain save(); the 14 statements of a publication (edition, question, four of the
search, log, and what they rest on) take 1.5 of it on SQLite where Python has nothing to do with them, which leaves as
much again for reading the answer as objects, its digest, its words for the search and the log's chain. Done: 20 queries
became 14, most of them made once and not each time, and 5.4 ms of processor time became 2.2. Left: the question with
its edition is read by the ORM, since all acts share it; nothing that is sealed, counted or logged was left out. On
PostgreSQL seven milliseconds of it are the wait until no reader has a lease on what was before: the price of kept pages
that cost no question.""",
    "import.raw": """\
beside the rows, an import reads the text, looks at its wording, finds the words of the search, and seals and chains by
SHA-256: three quarters of its time. Done: rows go past the ORM, which took more than half. Left: fewer rows of word
counts would make the import faster and this figure worse, since `executemany` is given the same rows.""",
    "together.reads": """\
readers that ask as fast as they can are limited by the processors on either side: not even without any writer would
there be much more reads (see the row of the most that could be). Django's defaults lose reads while a commit waits for
the disk, so this figure follows how slow the disk is.""",
    "together.p99": """\
where eight readers and four writers share two processors, a read that is late has mostly waited for its turn to
run.""",
    "bytes.page": """\
the words of the page are about 1.4 kB of it, compressed as well as can be, its structure 0.7, the style sheet 2.3,
headers 1.2. Done: the sheet lost its white space and the headers of a page, and pages the names of features that no
page here could use (6.4 kB became 5.4). Left: two sheets, one of them for rarer pages, would cost those a request
more.""",
    "memory.worker": """\
Python and Django take 25 MB, the admin, its forms and what it stands on 25 more, before the first page. Done:
PostgreSQL's driver is not loaded on SQLite (60 MB became 52). Left: workers without an admin would be a second kind of
process to run.""",
    "start.cpu": """\
most of it is to import Django with its admin, and to compile addresses and templates at the first page. Done:
PostgreSQL's driver is not loaded on SQLite, and the bytecode is there, as it is in use (66 became 56).""",
}
"""By the name of the goal."""
