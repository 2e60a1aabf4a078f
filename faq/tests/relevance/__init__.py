"""How good the search is: what people type, what should come first, and the figures. See `queries.toml`."""

import tomllib
from math import log2
from pathlib import Path

MEASURES = ("success@1", "success@3", "MRR", "nDCG@10")


def queries(half=None):
    """The entries of `queries.toml`, of one half or of both: dicts with "words", "first", "kind", "half"."""
    every = tomllib.loads((Path(__file__).parent / "queries.toml").read_text())["queries"]
    return [entry for entry in every if half in (None, entry["half"])]


def measure(entries, find):
    """The means of `MEASURES` over the entries, as a dict; `find(words)` returns numbers of questions, best first."""
    rows = [_figures(find(entry["words"]), set(entry["first"])) for entry in entries]
    return {name: sum(values) / len(rows) for name, values in zip(MEASURES, zip(*rows, strict=True), strict=True)}


def _figures(found, first):
    places = [place for place, number in enumerate(found[:10], start=1) if number in first]
    top = places[0] if places else None
    ideal = sum(1 / log2(place + 1) for place in range(1, min(len(first), 10) + 1))
    return (
        float(top == 1),
        float(top is not None and top <= 3),
        1 / top if top else 0.0,
        sum(1 / log2(place + 1) for place in places) / ideal,
    )
