"""Keeps the results, and tells them beside the goals."""

import json
from statistics import median

from .goals import GOALS
from .why import WHY

_HEAD = """\
# What was measured

Written by `make bench`, from `docs/bench.json`. H is a Django hello view behind Security, WhiteNoise and Common, R a
raw WSGI hello. They, the Wagtail page and this site run on granian with two workers and connections that stay open,
and are asked by `wrk` on the same machine. Each figure is a ratio within one round; the order changes from round to
round. How each one is taken stands in `ops/bench/parts/`, what it is compared with in `ops/bench/peers/`.

On {cores} cores ({processor}): {parts}.

![Requests in a second of the site and of what it is compared with](bench-peers.svg)

| | on | least | median | most | goal | |
|---|---|---:|---:|---:|---:|---|"""


def load(path):
    """Results as they were saved, or none yet: {"machine": …, "parts": {name: {"rows", "figures", …}}}."""
    return json.loads(path.read_text()) if path.exists() else {"machine": {}, "parts": {}}


def save(result, path):
    """In one step, so that a run which is stopped leaves what was there."""
    rough = path.with_suffix(".tmp")
    rough.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n")
    rough.replace(path)


def rows(result):
    """Each goal in each place, in the order of `GOALS`: (goal, where, samples)."""
    found = {key: samples for part in result["parts"].values() for key, samples in part["rows"].items()}
    for name, goal in GOALS.items():
        for key, samples in found.items():
            if key == name or key.startswith(f"{name}/"):
                yield goal, key.partition("/")[2], samples


def number(value):
    """As short as it says something: 0.0123, 5.61, 312."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.3g}" if size < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def paper(result):
    """The same as a page of Markdown."""
    machine = result["machine"]
    parts = [
        f"{name} {machine[name]}" for name in ("python", "django", "granian", "sqlite", "commit") if name in machine
    ]
    parts += [machine[name] for name in ("postgresql", "wagtail") if machine.get(name)]
    lines = [_HEAD.format(cores=machine.get("cores"), processor=machine.get("processor"), parts="; ".join(parts))]
    told = ""
    for goal, where, samples in rows(result):
        middle = median(samples)
        said = {None: "", True: "met", False: "**not met**"}[goal.met(middle)]
        figures = " | ".join(number(value) for value in (min(samples), middle, max(samples)))
        unit = f" ({goal.unit})" if goal.unit not in ("", "×") else ""
        words = "" if goal.words == told else f"{goal.words}{unit}"
        told = goal.words
        lines.append(f"| {words} | {where} | {figures} | {goal.bound} | {said} |")
    lines += ["", "## What is not met, and why", "", *_reasons(result)]
    lines += ["", "| part | measured (UTC) | of the code at | seconds |", "|---|---|---|---:|"]
    lines += [f"| {' | '.join(row)} |" for row in _parts(result)]
    return "\n".join([*lines, ""])


def unmet(result):
    """The names of the goals that were missed somewhere."""
    known = {id(goal): name for name, goal in GOALS.items()}
    missed = {known[id(goal)] for goal, _, samples in rows(result) if goal.met(median(samples)) is False}
    return [name for name in GOALS if name in missed]


def _reasons(result):
    for name in unmet(result):
        why = " ".join(WHY.get(name, "nobody has found out yet.").split())
        yield f"- **{GOALS[name].words}**: {why}"


def _parts(result):
    """When each part was measured, and of which code: a run of some parts leaves the others as they were."""
    for name, part in result["parts"].items():
        yield name, part.get("at", ""), part.get("commit", ""), str(part.get("seconds", ""))


def table(result):
    """All rows as text, with whether each goal is met, by its median."""
    lines = [f"{'':44} {'min':>8} {'median':>8} {'max':>8}   {'goal':>10}", ""]
    counts, told = {True: 0, False: 0}, ""
    for goal, where, samples in rows(result):
        middle = median(samples)
        met = goal.met(middle)
        said = {None: "", True: "met", False: "NOT MET"}[met]
        if met is not None:
            counts[met] += 1
        figures = " ".join(f"{number(value):>8}" for value in (min(samples), middle, max(samples)))
        if goal.words != told:
            lines.append(goal.words)
            told = goal.words
        lines.append(f"    {where:40} {figures} {goal.unit:2} {goal.bound:>10}  {said}".rstrip())
    lines += ["", *(f"{name:12} {at:18} {commit:12} {seconds:>4} s" for name, at, commit, seconds in _parts(result))]
    lines += ["", f"{counts[True]} met, {counts[False]} not met."]
    return "\n".join(lines)
