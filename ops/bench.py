"""Measure the site's speed and size, and print one table of ratios within the run.

    make bench

Needs `wrk` for pages, and PostgreSQL; the table says "not measured" where a tool is missing. Takes about three minutes
on two idle cores. The first run takes some minutes more: it imports 100,000 questions into VAR_DIR/bench and installs
Wagtail there in an environment of its own, for later runs too. Exit status 1 if a request or a command failed.

R is the rate of a WSGI application that returns five bytes. W is the rate of a page of a Wagtail site with the same
texts (bench_wagtail.py). All servers run with the options of `make run`, on free ports of 127.0.0.1.
"""

import hashlib
import http.client
import inspect
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate, islice
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from ops import servers
from ops.servers import ROOT, Failed, environment, manage, run, serving

VAR = ROOT / os.environ.get("VAR_DIR", "var") / "bench"
WAGTAIL = "wagtail==8.0.1"
SMALL, TRIAL, LARGE = 20, 2_000, 100_000
WORKERS, CONNECTIONS = 2, 16
SECONDS, ROUNDS = 2, 4

HELLO = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"Hello"]
"""
# The argument is a file with a path on each line.
WRK_SCRIPT = """
local requests, at = {}, 0
function init(arguments)
  for path in io.lines(arguments[1]) do requests[#requests + 1] = wrk.format("GET", path) end
end
function request() at = at % #requests + 1; return requests[at] end
function done(summary)
  local e = summary.errors
  print("RESULT", summary.requests, summary.duration / 1e6, e.connect + e.read + e.write + e.status + e.timeout)
end
"""


# Data: the same invented questions on every machine.

WORDS = ["library", "card", "bicycle", "lane", "ticket", "desk", "garden", "fee", "form", "street", "notice", "bus"]
MANIFEST = """[collection]
title = "Notices of {}, an invented town"
jurisdiction = "Nowhere"
language = "en"
origin = "Made by a script for measurements."
"""


def questions(count: int) -> Iterator[tuple[str, list[str]]]:
    """Questions with their paragraphs. Words are as unevenly frequent as in real text (Zipf's law)."""
    chance = random.Random(7)
    syllables = [consonant + vowel for consonant in "bdfgklmnprstv" for vowel in "aeio"]
    words = WORDS + ["".join(chance.choices(syllables, k=chance.randint(2, 4))) for _ in range(20_000)]
    weights = list(accumulate(1 / (place + 3) for place in range(len(words))))

    def some(least: int, most: int) -> str:
        return " ".join(chance.choices(words, cum_weights=weights, k=chance.randint(least, most)))

    for number in range(1, count + 1):
        points = [f"The {some(10, 24)}." for _ in range(chance.randint(4, 8))]
        yield f"How is the {some(3, 7)} kept in case {number}?", points


def write_seeds(count: int, folder: Path) -> list[Path]:
    """Write seed files of up to 1,000 questions, each with a manifest; returns the files."""
    source, files = questions(count), []
    for first in range(0, count, 1000):
        file = folder / f"town-{first // 1000 + 1}.txt"
        size = min(1000, count - first)
        lines, about = [], MANIFEST.format(file.stem)
        for number, (question, (start, *points)) in enumerate(islice(source, size), start=1):
            lines += [f"{number}. {question}", start]
            lines += [f"{place}. {point}" for place, point in enumerate(points, start=1)]
        for n in range(12):
            about += f'[[topics]]\nslug = "topic-{n}"\nname = "Subject {n}"\n'
            about += f"questions = {list(range(n + 1, size + 1, 12))}\n"
        for n in range(min(40, size)):
            about += f'[[tags]]\nname = "keyword {n}"\nquestions = {list(range(n + 1, size + 1, 40))}\n'
        file.write_text("\n".join(lines) + "\n")
        file.with_suffix(".toml").write_text(about)
        files.append(file)
    return files


def searches() -> list[str]:
    """Addresses of 60 searches for one to three words that stand together in a question."""
    texts = [paragraphs[0].strip(".").split() for _, paragraphs in questions(60)]
    return [f"/questions/?{urlencode({'q': ' '.join(words[1 : 2 + n % 3])})}" for n, words in enumerate(texts)]


def settings(folder: Path, **more: object) -> dict[str, str]:
    return environment(VAR_DIR=folder, STATIC_ROOT=VAR / "static", **more)


def import_questions(count: int, env: dict[str, str]) -> dict:
    """Import into an empty database with the project's command; returns its rate and the peak of its memory in MB.

    Linux counts the memory of this script into the peak of a process that it starts, so nothing large is held here."""
    manage(env, "migrate", "-v0")
    with tempfile.TemporaryDirectory(dir=VAR) as folder:
        command = [sys.executable, "manage.py", "import_seed", *write_seeds(count, Path(folder)), "--publish", "-v0"]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
        try:
            status, usage = os.wait4(process.pid, 0)[1:]
        except BaseException:
            process.kill()
            raise
        took = time.perf_counter() - began
    if status:
        raise Failed(f"The import of {count} questions failed.")
    return {"rate": count / took, "megabytes": usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)}


def large_site() -> dict:
    """Make VAR/large, the VAR_DIR of a site with 100,000 questions, if it is missing or its recipe has changed.

    Returns the figures of its import."""
    recipe = hashlib.sha256((inspect.getsource(questions) + inspect.getsource(write_seeds)).encode())
    for migration in sorted(ROOT.glob("faq/**/migrations/*.py")):
        recipe.update(migration.read_bytes())
    made = VAR / "large" / "made.json"
    if not made.exists() or json.loads(made.read_text())["recipe"] != recipe.hexdigest():
        say(f"importing {LARGE:,} questions, also for the next runs")
        shutil.rmtree(made.parent, ignore_errors=True)
        figures = import_questions(LARGE, settings(made.parent))
        made.write_text(json.dumps(figures | {"recipe": recipe.hexdigest(), "day": time.strftime("%Y-%m-%d")}))
    return json.loads(made.read_text())


# Requests and load.

requests_made = 0


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def get(address: str, expect: int = 200, **headers: str) -> tuple[http.client.HTTPMessage, str]:
    """Headers and body of a response. Raises `Failed` for another status than `expect`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(address, headers={"Accept-Encoding": "br"} | named)
    try:
        response = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:  # 304 as well
        response = error
    with response:
        if response.status != expect:
            raise Failed(f"{address} answers {response.status} instead of {expect}.")
        return response.headers, response.read().decode(errors="replace")


def answers(site: servers.Site, page: int = 1) -> list[str]:
    """Paths of questions from one page of the sitemap: at most 2,000."""
    body = get(f"{site.address}/sitemap-answers.xml?p={page}", Accept_Encoding="identity")[1]
    return re.findall(r"<loc>https?://[^/]+(/answers/[^<]+)</loc>", body)


def megabytes(site: servers.Site) -> float:
    """Memory of one worker that it shares with no other process. Raises `OSError` if there is no /proc."""
    pid, sizes = site.process.pid, []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
        sizes.append(sum(map(int, re.findall(r"^Private_(?:Clean|Dirty): +(\d+)", rollup, re.M))) / 1024)
    return median(sorted(sizes)[-WORKERS:])


@contextmanager
def wagtail() -> Iterator[servers.Site]:
    """The Wagtail site. The first run installs and fills it."""
    home, ops = VAR / "wagtail", ROOT / "ops"
    python, stamp, env = home / "venv" / "bin" / "python", home / "made-from", environment(WAGTAIL_VAR=home)
    packages = [WAGTAIL, *(f"{name}=={version(name)}" for name in ("django", "granian"))]
    made_from = f"{home} {packages} {(ops / 'bench_wagtail.py').read_text()} {inspect.getsource(questions)}"
    if not stamp.exists() or stamp.read_text() != made_from:
        say(f"installing {WAGTAIL} into {home}, also for the next runs")
        shutil.rmtree(home, ignore_errors=True)
        run(sys.executable, "-m", "venv", home / "venv")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        (home / "answers.json").write_text(json.dumps(list(questions(SMALL))))
        run(python, "-c", "import bench_wagtail; bench_wagtail.fill()", cwd=ops, env=env)
        stamp.write_text(made_from)
    with serving(env, "bench_wagtail:application", "/answers/1/", cwd=ops, python=python) as site:
        yield site


@dataclass
class Case:
    """The paths that `load` requests from a server: other ones in each round, if there are several lists."""

    site: servers.Site
    paths: list[list[str]]
    etag: str = ""


def load(case: Case, paths: list[str], seconds: int) -> float:
    """Request `paths` in turn over 16 connections; returns requests per second."""
    global requests_made
    expect, header = (304, {"If_None_Match": case.etag}) if case.etag else (200, {})
    get(case.site.address + paths[0], expect, **header)
    with tempfile.TemporaryDirectory(dir=VAR) as name:
        folder = Path(name)
        (folder / "script.lua").write_text(WRK_SCRIPT)
        (folder / "paths").write_text("\n".join(paths))
        headers = ["-H", "Accept-Encoding: br", *(["-H", f"If-None-Match: {case.etag}"] if case.etag else [])]
        output = run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", folder / "script.lua",
                     *headers, case.site.address, "--", folder / "paths")  # fmt: skip
    count, took, errors = (float(word) for word in output.partition("RESULT")[2].split())
    get(case.site.address + paths[0], expect, **header)
    if errors or not count:
        raise Failed(f"{errors:.0f} of {count:.0f} requests for {paths[0]} failed.")
    requests_made += int(count)
    return count / took


def rounds(cases: dict[str, Case]) -> dict[str, list[float]]:
    """The rates of each case, one per round. Every second round goes backwards; the first one only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS + 1):
        for name, case in list(cases.items())[:: -1 if number % 2 else 1]:
            paths = case.paths[number % len(case.paths)]
            rate = load(case, paths, SECONDS if number else 1)
            if number:
                rates[name].append(rate)
    return rates


# The table.

Row = tuple[str, str, str, str, str]
HEAD: Row = ("what", "measured", "ratio (lowest to highest)", "aim", "")


def row(what: str, measured: float, unit: str, ratios: list[float] | None = None, of: str = "",
        least: float | None = None, most: float | None = None) -> Row:  # fmt: skip
    """One line. The aim, `least` or `most`, is for the median of the ratios, or without them for what was measured."""
    value = median(ratios) if ratios else measured
    said = f"{value:.2f} {of} ({min(ratios):.2f}–{max(ratios):.2f})" if ratios else ""
    aim, bound = ("≥", least) if least is not None else ("≤", most)
    if bound is None:
        return what, f"{number(measured)} {unit}", said, "", ""
    met = value >= bound if aim == "≥" else value <= bound
    return what, f"{number(measured)} {unit}", said, f"{aim} {bound:g} {of or unit}", "met" if met else "not met"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def not_measured(what: str, why: str) -> Row:
    return what, f"not measured: {why}", "", "", ""


def table(rows: list[Row]) -> str:
    widths = [max(len(one[column]) for one in [HEAD, *rows]) for column in range(len(HEAD))]
    widths[1] = max(len(one[1]) for one in [HEAD, *rows] if not one[1].startswith("not measured"))
    lines = [HEAD, tuple("-" * width for width in widths), *rows]
    return "\n".join(f"| {' | '.join(map(str.ljust, one, widths))} |" for one in lines)


# The measurements.


def kept_pages(sites: dict[str, servers.Site]) -> Iterator[Row]:
    """Kept pages and 304s of the trial sites, by database, against R."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=VAR)))
        (folder / "hello.py").write_text(HELLO)
        raw = stack.enter_context(serving(environment(), "hello:application", "/", cwd=folder))
        cases = {"raw WSGI application (R)": Case(raw, [["/"]])}
        for database, site in sites.items():
            path = answers(site)[0]
            for _ in range(20):  # a worker compresses a page better after repeated requests
                headers, _body = get(site.address + path)
            cases[f"kept page, {database}"] = Case(site, [[path]])
            cases[f"304, {database}"] = Case(site, [[path]], headers["ETag"])
        rates = rounds(cases)
    first, *others = rates
    yield row(first, median(rates[first]), "/s")
    for name in others:
        ratios = [rate / base for rate, base in zip(rates[name], rates[first], strict=True)]
        yield row(name, median(rates[name]), "/s", ratios, "R", least=0.85)


def first_views(folders: dict[int, Path]) -> Iterator[Row]:
    """First views by size of the site, against W and each other. Milliseconds are those of a worker."""
    with ExitStack() as stack:
        cases: dict[str, Case] = {}
        base = "Wagtail page (W)"
        try:
            peer = stack.enter_context(wagtail())
        except (Failed, subprocess.TimeoutExpired, OSError) as failure:
            yield not_measured(base, str(failure).strip().splitlines()[-1][:100])
        else:
            cases[base] = Case(peer, [[f"/answers/{n}/" for n in range(1, SMALL + 1)]])
        for size, folder in folders.items():
            site = stack.enter_context(serving(settings(folder, KEEP_PAGES="off")))
            pages = [answers(site, n % (1 + size // 2001) + 1) for n in range(ROUNDS + 1)]
            cases |= {
                f"question, first view, {size:,}": Case(site, pages),
                f"list, first view, {size:,}": Case(site, [["/questions/"]]),
                f"list of a topic, first view, {size:,}": Case(site, [["/questions/?topic=topic-1"]]),
                f"search, first view, {size:,}": Case(site, [searches()]),
            }
        rates = rounds(cases)

    def ratios(above: str, below: str) -> list[float]:
        return [a / b for a, b in zip(rates[above], rates[below], strict=True)]

    for name, some in rates.items():
        against = ratios(name, base) if base in rates and name != base else None
        least = 2 if against and name.startswith("question") else None
        yield row(name, WORKERS * 1000 / median(some), "ms", against, "W" if against else "", least=least)
    for name in ("list", "list of a topic", "search"):
        of = [f"{name}, first view, {size:,}" for size in (SMALL, LARGE)]
        most = 3 if name == "list" else None
        yield row(f"{name}: time at {LARGE:,} over time at {SMALL}", median(ratios(*of)), "×", most=most)
    for size in folders:
        of = [f"{name}, first view, {size:,}" for name in ("list", "search")]
        yield row(f"search over list, {size:,}: time", median(ratios(*of)), "×", most=1.5)


def publish() -> None:
    """Print the median milliseconds of publishing one changed answer. Runs in a process with the site's settings."""
    import django

    django.setup()

    from django.contrib.auth.models import User

    from faq.models import Question
    from faq.workflow import publishing, working_copy

    editor, publisher = (User.objects.get_or_create(username=f"bench-{name}")[0] for name in ("editor", "publisher"))
    took = []
    for turn in range(40):
        question = Question.objects.select_related("collection", "live").order_by("pk")[turn % 10]
        point = question.points.first()
        point.text = f"The desk opens at {turn} minutes past nine."
        point.save()
        working_copy.refresh(question, editor)
        question = Question.objects.select_related("collection", "live").get(pk=question.pk)
        began = time.perf_counter()
        publishing.publish(question, by=publisher, note="Changed the opening time.")
        took.append((time.perf_counter() - began) * 1000)
    print(median(took[10:]))


def measure(stack: ExitStack) -> Iterator[Row]:
    VAR.mkdir(parents=True, exist_ok=True)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=VAR)))
    manage(settings(folder), "collectstatic", "--noinput", "-v0")
    large = large_site()
    databases = {"SQLite": settings(folder / "trial")}
    if programs := servers.find_programs():
        server = stack.enter_context(servers.PostgreSQL(programs))
        databases["PostgreSQL"] = settings(folder / "postgres", DATABASE_URL=server.url())
    else:
        yield not_measured("PostgreSQL", "PostgreSQL is not installed")
    say(f"importing {TRIAL:,} questions into {' and '.join(databases)}")
    imports = {database: import_questions(TRIAL, env) for database, env in databases.items()}
    wrk = shutil.which("wrk")
    if not wrk:
        yield not_measured("kept page, 304, first views", "wrk is not installed")

    with ExitStack() as running:
        sites = {name: running.enter_context(serving(env)) for name, env in databases.items()}
        if wrk:
            say("kept pages")
            yield from kept_pages(sites)
        try:
            memory = row("memory of a worker", megabytes(sites["SQLite"]), "MB", most=70)
        except OSError:
            memory = not_measured("memory of a worker", "this system has no /proc")
    if wrk:
        say("first views")
        import_questions(SMALL, settings(folder / "small"))
        yield from first_views({SMALL: folder / "small", LARGE: VAR / "large"})

    for database, figures in imports.items():
        yield row(f"import of {TRIAL:,}, {database}", figures["rate"], "questions/s", least=200)
    name = f"import of {LARGE:,}, SQLite, on {large['day']}"
    yield row(name, large["rate"], "questions/s", least=200)
    yield row(f"{name}: peak memory", large["megabytes"], "MB", most=150)
    say("publishing")
    for database, env in databases.items():
        env = env | {"DJANGO_SETTINGS_MODULE": "kb_site.settings"}
        took = float(run(sys.executable, "-m", "ops.bench", "--publish", env=env))
        yield row(f"publish one answer, {database}", took, "ms", most=4)
    yield memory


def main() -> int:
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(1))  # stops the servers and removes the folders
    began = time.monotonic()
    try:
        with ExitStack() as stack:
            rows = list(measure(stack))
    except (Failed, subprocess.TimeoutExpired, OSError, http.client.HTTPException) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(rows))
    print(f"\n{requests_made:,} requests, none failed. {time.monotonic() - began:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(publish() if sys.argv[1:] == ["--publish"] else main())
