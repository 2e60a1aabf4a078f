"""The benchmark's own parts: what it makes, tells and draws. (What it measures is its own affair.)"""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from faq import manifest, seedfile
from ops.bench import charts, generating, report, scaling, simulate
from ops.bench.goals import GOALS, Goal
from ops.bench.places import RESULT
from ops.bench.why import WHY

pytestmark = pytest.mark.pure
BENCH = Path(generating.__file__).parent
COSTS = simulate.Costs(kept=0.0001, question=0.001, list=0.002, search=0.005, room=50)


def result(**rows):
    return {"machine": {}, "parts": {"kept": {"rows": rows, "figures": {}}}}


def test_a_generated_data_set_can_be_imported_and_is_the_same_each_time(tmp_path):
    for name in ("one", "two"):
        generating.write(1020, tmp_path / name)
    files = sorted(file.name for file in (tmp_path / "one").iterdir())
    assert files == ["town-001.toml", "town-001.txt", "town-002.toml", "town-002.txt", "words.json"]
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes() for file in files)
    document = seedfile.parse((tmp_path / "one" / "town-002.txt").read_bytes())
    about = manifest.parse((tmp_path / "one" / "town-002.toml").read_bytes())
    assert len(document.questions) == 20 and not document.warnings
    assert manifest.misfits(about, document) == ([], [])
    assert generating.place(1019) == ("town-002", 20)


def test_the_table_says_by_the_median_whether_a_goal_is_met():
    told = report.table(result(**{"kept.h/SQLite": [5.0, 6.0, 7.0], "first.h/SQLite": [0.2, 0.05, 0.01]}))
    assert re.search(r"SQLite +5 +6 +7 × +≥ 5\.5 × +met", told)
    assert re.search(r"SQLite +0\.01 +0\.05 +0\.2 × +≥ 0\.1 × +NOT MET", told)
    assert told.endswith("1 met, 1 not met.")


def test_the_paper_says_of_each_goal_that_was_missed_why():
    told = report.paper(result(**{"kept.h/SQLite": [1.0], "kept.r/SQLite": [1.0], "start.cpu": [99.0]}))
    reasons = told.split("## What is not met, and why")[1].split("| part |")[0]
    assert [line.split("**")[1] for line in reasons.split("\n") if line] == [
        GOALS["kept.h"].words,
        GOALS["start.cpu"].words,
    ]
    assert set(WHY) <= set(GOALS)
    assert [name for name in report.unmet(report.load(RESULT)) if name not in WHY] == []


def test_a_goal_is_met_at_its_bound_and_what_has_no_bound_is_only_told():
    assert Goal("", least=5).met(5) and not Goal("", least=5).met(4.99)
    assert Goal("", most=0).met(0) and not Goal("", most=0).met(1)
    assert Goal("").met(5) is None


def test_a_stopped_run_goes_on_with_what_was_saved(tmp_path):
    path = tmp_path / "bench.json"
    assert report.load(path) == {"machine": {}, "parts": {}}
    report.save(result(**{"kept.h": [1]}), path)
    assert report.load(path) == result(**{"kept.h": [1]})


def test_a_worker_that_may_keep_everything_makes_each_page_once():
    readers = simulate.readers(questions=20, rate=50)
    outcome = simulate.worker(COSTS, readers, publish_every=10**9)
    assert 0.75 < outcome.hits < 1 - simulate.SHARES["search"]
    assert simulate.worker(COSTS, readers, publish_every=0.02).hits < outcome.hits / 2


def test_more_workers_are_wanted_the_more_readers_come(monkeypatch):
    monkeypatch.setattr(simulate, "MOST_REQUESTS", 5000)
    few, _ = simulate.workers_needed(COSTS, simulate.readers(1000, 100), 60)
    many, outcome = simulate.workers_needed(COSTS, simulate.readers(1000, 5000), 60)
    assert few < many and outcome.busy <= 0.6


def test_behind_a_cdn_the_site_is_asked_for_each_page_at_most_once_a_minute_in_each_place():
    some = simulate.readers(1000, 10_000)
    rest = simulate.behind_cdn(some, seconds=60, places=1)
    assert rest.searches == some.searches
    assert 1000 / 61 < rest.questions < 1000 / 60 and rest.lists < simulate.LISTS / 60
    assert simulate.behind_cdn(simulate.readers(1000, 1), places=1).rate < 1


def test_the_charts_are_pictures_that_tell_their_numbers_in_words(tmp_path):
    rows = {
        f"kept.h/{engine}, {size} questions": [5.0] for engine in ("SQLite", "PostgreSQL") for size in ("20", "10,000")
    }
    rows |= {"first.h/SQLite, 20 questions": [0.1], "raw.h": [7], "nginx.h": [13], "wagtail.h": [0.015]}
    charts.draw(result(**rows), tmp_path)
    for name, words in (
        ("bench.svg", "question, kept on PostgreSQL: 0.2 at 20"),
        ("bench-peers.svg", "nginx, a static file: 13"),
    ):
        picture = ElementTree.parse(tmp_path / name)
        assert words in picture.find("{*}desc").text
        assert "prefers-color-scheme: dark" in picture.find("{*}style").text


def test_the_paper_has_a_place_for_each_table_and_says_what_is_not_measured(tmp_path):
    paper = tmp_path / "scaling.md"
    paper.write_text(scaling.PAPER.read_text())
    missing = scaling.write(result(), paper)
    assert len(missing) == len(scaling.TABLES)
    assert paper.read_text().count("Not measured yet") == len(scaling.TABLES)


def test_the_peers_are_pinned_and_hashed_without_a_registry():
    text = (BENCH / "requirements.txt").read_text()
    pins = re.findall(
        r"^([a-z0-9._-]+)(?:\[[a-z]+\])?==\S+(?: ; [^\\\n]+)? \\\n(?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+",
        text,
        re.M,
    )
    assert "wagtail" in pins and len(pins) == len(re.findall(r"^[^\s#]", text, re.M))
    assert "://" not in text and "index" not in text.lower()
    ours = (BENCH.parents[1] / "requirements.txt").read_text()
    for name in ("django", "granian"):
        pin = re.search(rf"^{name}==\S+", text, re.M)[0]
        assert f"\n{pin} " in ours, f"{pin} is not what the site runs on"


def test_each_goal_says_what_it_bounds():
    assert all(goal.words and not (goal.least is not None and goal.most is not None) for goal in GOALS.values())
