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
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from itertools import accumulate, islice
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

from ops import with_postgres

ROOT = Path(__file__).resolve().parents[1]
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
# Its argument is a file with a path on each line.
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


class Failed(Exception):
    """A request or a command failed, so the figures mean nothing."""


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


def import_questions(count: int, **settings: object) -> dict:
    """Import into an empty database with the project's command; returns its rate and the peak of its memory in MB.

    Linux counts the memory of this script into the peak of a process that it starts, so nothing large is held here."""
    manage("migrate", "-v0", **settings)
    with tempfile.TemporaryDirectory(dir=VAR) as folder:
        command = [sys.executable, "manage.py", "import_seed", *write_seeds(count, Path(folder)), "--publish", "-v0"]
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment(**settings), stdout=subprocess.DEVNULL)
        try:
            status, usage = os.wait4(process.pid, 0)[1:]
        except BaseException:  # this script was told to stop
            process.kill()
            raise
        took = time.perf_counter() - began
    if status:
        raise Failed(f"The import of {count} questions failed.")
    return {"rate": count / took, "megabytes": usage.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)}


def large_site() -> dict:
    """Make VAR/large, the VAR_DIR of a site with 100,000 questions, where it is missing or its recipe has changed.

    Returns the import's figures from when it was made."""
    recipe = hashlib.sha256((inspect.getsource(questions) + inspect.getsource(write_seeds)).encode())
    for migration in sorted(ROOT.glob("faq/**/migrations/*.py")):
        recipe.update(migration.read_bytes())
    made = VAR / "large" / "made.json"
    if not made.exists() or json.loads(made.read_text())["recipe"] != recipe.hexdigest():
        say(f"importing {LARGE:,} questions, which is kept for the next run")
        shutil.rmtree(made.parent, ignore_errors=True)
        figures = import_questions(LARGE, VAR_DIR=made.parent)
        made.write_text(json.dumps(figures | {"recipe": recipe.hexdigest(), "day": time.strftime("%Y-%m-%d")}))
    return json.loads(made.read_text())


# Processes.


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


def environment(**settings: object) -> dict[str, str]:
    """An environment with these settings of the site and no others."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"STATIC_ROOT": str(VAR / "static")} | {name: str(value) for name, value in settings.items()}


def run(*command: object, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a command to its end; returns its output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=600)
    if done.returncode:
        raise Failed(f"{' '.join(words)} failed:\n{done.stdout[-500:]}{done.stderr[-2000:]}")
    return done.stdout


def manage(*arguments: object, **settings: object) -> str:
    return run(sys.executable, "manage.py", *arguments, env=environment(**settings))


@dataclass
class Server:
    """A running server."""

    name: str
    port: int
    process: subprocess.Popen

    def get(self, path: str, expect: int = 200, **headers: str) -> tuple[http.client.HTTPMessage, bytes]:
        """Headers and body of one response. Raises `Failed` for another status than `expect`."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers={"Accept-Encoding": "br"} | named)
            response = connection.getresponse()
            if response.status != expect:
                raise Failed(f"{self.name} answers {response.status} instead of {expect} to {path}.")
            return response.headers, response.read()

    def addresses(self, page: int = 1) -> list[str]:
        """Paths of questions from one page of the sitemap: at most 2,000."""
        body = self.get(f"/sitemap-answers.xml?p={page}", Accept_Encoding="identity")[1].decode()
        return re.findall(r"<loc>https?://[^/]+(/answers/[^<]+)</loc>", body)

    def megabytes(self) -> float:
        """Memory of one worker that it shares with no other process. Raises `OSError` where there is no /proc."""
        pid, sizes = self.process.pid, []
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
            sizes.append(sum(map(int, re.findall(r"^Private_(?:Clean|Dirty): +(\d+)", rollup, re.M))) / 1024)
        return median(sorted(sizes)[-WORKERS:])


@contextmanager
def serving(
    name: str, application: str = "kb_site.wsgi:application", ask: str = "/healthz", cwd: Path = ROOT,
    python: Path = Path(sys.executable), **settings: object,
) -> Iterator[Server]:  # fmt: skip
    """A server on a free port. `ask` is a path that it answers when it is ready; `settings` are its environment."""
    port = with_postgres.free_port()
    command = [
        python.parent / "granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers",
        str(WORKERS), "--blocking-threads", "1", "--no-ws", "--workers-kill-timeout", "10", "--log-level", "warning",
        application,
    ]  # fmt: skip
    # In a session of its own, so that Ctrl-C reaches this script only, which then stops the server.
    with (VAR / "servers.log").open("a") as log:
        process = subprocess.Popen(
            command, cwd=cwd, env=environment(**settings), stdout=log, stderr=log, start_new_session=True
        )
    server = Server(name, port, process)
    try:
        until = time.monotonic() + 60
        while process.poll() is None:
            try:
                server.get(ask)
                break
            except OSError:
                if time.monotonic() > until:
                    raise Failed(f"The server of {name} was not ready after a minute.") from None
                time.sleep(0.05)
        else:
            raise Failed(f"The server of {name} did not start; see {VAR / 'servers.log'}.")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def wagtail() -> Iterator[Server]:
    """The Wagtail site, installed and filled at the first time."""
    home, ops = VAR / "wagtail", ROOT / "ops"
    python, stamp = home / "venv" / "bin" / "python", home / "made-from"
    packages = [WAGTAIL, *(f"{name}=={version(name)}" for name in ("django", "granian"))]
    made_from = f"{home} {packages} {(ops / 'bench_wagtail.py').read_text()} {inspect.getsource(questions)}"
    if not stamp.exists() or stamp.read_text() != made_from:
        say(f"installing {WAGTAIL} into {home}, which is kept for the next run")
        shutil.rmtree(home, ignore_errors=True)
        run(sys.executable, "-m", "venv", home / "venv")
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *packages)
        (home / "answers.json").write_text(json.dumps(list(questions(SMALL))))
        run(python, "-c", "import bench_wagtail; bench_wagtail.fill()", cwd=ops, env=environment(WAGTAIL_VAR=home))
        stamp.write_text(made_from)
    with serving("Wagtail", "bench_wagtail:application", "/answers/1/", ops, python, WAGTAIL_VAR=home) as server:
        yield server


# Load.

requests_made = 0


def load(server: Server, paths: list[str], seconds: int, etag: str = "") -> float:
    """Ask for `paths` in turn, again and again, over 16 connections; returns requests per second."""
    global requests_made
    expect, header = (304, {"If_None_Match": etag}) if etag else (200, {})
    server.get(paths[0], expect, **header)
    with tempfile.TemporaryDirectory(dir=VAR) as name:
        folder = Path(name)
        (folder / "script.lua").write_text(WRK_SCRIPT)
        (folder / "paths").write_text("\n".join(paths))
        headers = ["-H", "Accept-Encoding: br", *(["-H", f"If-None-Match: {etag}"] if etag else [])]
        told = run("wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout", "30s", "-s", folder / "script.lua",
                   *headers, f"http://127.0.0.1:{server.port}", "--", folder / "paths")  # fmt: skip
    count, took, errors = (float(word) for word in told.partition("RESULT")[2].split())
    server.get(paths[0], expect, **header)
    if errors or not count:
        raise Failed(f"{errors:.0f} of {count:.0f} requests to {server.name} for {paths[0]} failed.")
    requests_made += int(count)
    return count / took


@dataclass
class Case:
    """What `load` asks a server for: other paths in each round, as long as there are some."""

    server: Server
    paths: list[list[str]]
    etag: str = ""


def rounds(cases: dict[str, Case]) -> dict[str, list[float]]:
    """The rates of each case, one per round. Every second round goes backwards; the first one only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(ROUNDS + 1):
        for name, case in list(cases.items())[:: -1 if number % 2 else 1]:
            paths = case.paths[number % len(case.paths)]
            rate = load(case.server, paths, SECONDS if number else 1, case.etag)
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


# What is measured.


def kept_pages(sites: dict[str, Server]) -> Iterator[Row]:
    """Kept pages and 304s of the trial sites, by database, against R."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=VAR)))
        (folder / "hello.py").write_text(HELLO)
        raw = stack.enter_context(serving("the raw application", "hello:application", "/", folder))
        cases = {"raw WSGI application (R)": Case(raw, [["/"]])}
        for database, site in sites.items():
            path = site.addresses()[0]
            for _ in range(20):  # each worker compresses a page better when it is asked for again
                headers, _body = site.get(path)
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
            site = stack.enter_context(serving(f"{size:,} questions", VAR_DIR=folder, KEEP_PAGES="off"))
            answers = [site.addresses(n % (1 + size // 2001) + 1) for n in range(ROUNDS + 1)]
            cases |= {
                f"question, first view, {size:,}": Case(site, answers),
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


def measure(scratch: ExitStack) -> Iterator[Row]:
    VAR.mkdir(parents=True, exist_ok=True)
    folder = Path(scratch.enter_context(tempfile.TemporaryDirectory(dir=VAR)))
    manage("collectstatic", "--noinput", "-v0", VAR_DIR=folder / "static")
    large = large_site()
    wrk = "" if shutil.which("wrk") else "wrk is not installed"
    no_postgres = "" if with_postgres.find_programs() else "PostgreSQL is not installed"

    databases: dict[str, dict] = {"SQLite": {"VAR_DIR": folder / "trial"}}
    if not no_postgres:
        server = with_postgres.Server(with_postgres.find_programs())
        scratch.callback(server.remove)
        address = f"postgres://kb@127.0.0.1:{server.start()}/kb"
        databases["PostgreSQL"] = {"VAR_DIR": folder / "postgres", "DATABASE_URL": address}
    say(f"importing {TRIAL:,} questions into {' and '.join(databases)}")
    imports = {database: import_questions(TRIAL, **settings) for database, settings in databases.items()}

    with ExitStack() as stack:
        say("kept pages")
        sites = {name: stack.enter_context(serving(name, **settings)) for name, settings in databases.items()}
        if wrk:
            yield not_measured("kept page, 304", wrk)
        else:
            yield from kept_pages(sites)
        if no_postgres:
            yield not_measured("PostgreSQL", no_postgres)
        try:
            memory = [row("memory of a worker", sites["SQLite"].megabytes(), "MB", most=70)]
        except OSError:
            memory = [not_measured("memory of a worker", "this system has no /proc")]

    say("first views")
    if wrk:
        yield not_measured("first views", wrk)
    else:
        import_questions(SMALL, VAR_DIR=folder / "small")
        yield from first_views({SMALL: folder / "small", LARGE: VAR / "large"})

    for database, figures in imports.items():
        yield row(f"import of {TRIAL:,}, {database}", figures["rate"], "questions/s", least=200)
    what = f"import of {LARGE:,}, SQLite, on {large['day']}"
    yield row(what, large["rate"], "questions/s", least=200)
    yield row(f"{what}: peak memory", large["megabytes"], "MB", most=150)
    say("publishing")
    for database, settings in databases.items():
        env = environment(DJANGO_SETTINGS_MODULE="kb_site.settings", **settings)
        took = float(run(sys.executable, "-m", "ops.bench", "--publish", env=env))
        yield row(f"publish one answer, {database}", took, "ms", most=4)
    yield from memory


def main() -> int:
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda *_: sys.exit(1))  # so that servers end and folders go
    began = time.monotonic()
    try:
        with ExitStack() as scratch:
            rows = list(measure(scratch))
    except (Failed, with_postgres.Failed, subprocess.TimeoutExpired, OSError, http.client.HTTPException) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(rows))
    print(f"\n{requests_made:,} requests, none failed. {time.monotonic() - began:.0f} seconds.")
    return 0


if __name__ == "__main__":
    sys.exit(publish() if sys.argv[1:] == ["--publish"] else main())
