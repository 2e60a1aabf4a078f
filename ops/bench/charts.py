"""Draws the results as SVG, readable on light and on dark ground, without any library."""

from dataclasses import dataclass
from html import escape
from math import log10
from statistics import median

STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #333 }
  .title { font-size: 15px; font-weight: 600 } .quiet { fill: #666 }
  .grid { stroke: #ddd; stroke-width: 1 } .axis { stroke: #888; stroke-width: 1 }
  .line { fill: none; stroke-width: 2 } .dashed { stroke-dasharray: 5 4 }
  .c0 { stroke: #0b62a3 } .c1 { stroke: #b3541e } .c2 { stroke: #2b7a4b } .c3 { stroke: #8a3c8f }
  .c4 { stroke: #7a6a00 } .c5 { stroke: #b0244f } .c6 { stroke: #4a5a6a } .c7 { stroke: #007a7a }
  .f0 { fill: #0b62a3 } .f1 { fill: #b3541e } .f2 { fill: #2b7a4b } .f3 { fill: #8a3c8f }
  .f4 { fill: #7a6a00 } .f5 { fill: #b0244f } .f6 { fill: #4a5a6a } .f7 { fill: #007a7a }
  .ours { fill: #0b62a3 } .peer { fill: #9aa4ae } .ground { fill: #fff }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .quiet { fill: #aaa } .grid { stroke: #3a3a3a } .axis { stroke: #888 }
    .c0 { stroke: #6fb6ee } .c1 { stroke: #f0a070 } .c2 { stroke: #7fd3a0 } .c3 { stroke: #d79adb }
    .c4 { stroke: #d8c850 } .c5 { stroke: #f08aa8 } .c6 { stroke: #b0bec9 } .c7 { stroke: #5fd0d0 }
    .f0 { fill: #6fb6ee } .f1 { fill: #f0a070 } .f2 { fill: #7fd3a0 } .f3 { fill: #d79adb }
    .f4 { fill: #d8c850 } .f5 { fill: #f08aa8 } .f6 { fill: #b0bec9 } .f7 { fill: #5fd0d0 }
    .ours { fill: #6fb6ee } .peer { fill: #6b757f } .ground { fill: #16191d }
  }
"""
WIDTH = 760


@dataclass
class Line:
    """A curve: its `name`, its points as (questions, cost), and whether it is drawn dashed."""

    name: str
    points: list
    colour: int
    dashed: bool = False


def draw(result, folder):
    """Write the pictures that the results are enough for."""
    if lines := costs(result):
        (folder / "bench.svg").write_text(_curves(lines))
    if bars := speeds(result):
        (folder / "bench-peers.svg").write_text(_bars(bars))


def _of(result, goal):
    """Medians of a goal by where it was measured."""
    rows = {key: some for part in result["parts"].values() for key, some in part["rows"].items()}
    return {key.partition("/")[2]: median(some) for key, some in rows.items() if key.partition("/")[0] == goal}


def costs(result):
    """What each page costs at each size, in the cost of a Django hello."""
    lines = []
    pages = (
        ("kept.h", "question, kept"),
        ("list.kept.h", "list, kept"),
        ("first.h", "question, first view"),
        ("list.first.h", "list, first view"),
        ("filter.first.h", "filters, first view"),
    )
    for colour, (goal, name) in enumerate(pages):
        found = {"SQLite": [], "PostgreSQL": []}
        for where, ratio in _of(result, goal).items():
            engine, _, size = where.partition(", ")
            found[engine].append((int(size.split()[0].replace(",", "")), 1 / ratio))
        for engine, points in found.items():
            if len(points) > 1:
                lines.append(Line(name, sorted(points), colour, engine == "PostgreSQL"))
    return lines


def speeds(result):
    """Requests in a second of everything that shows the same page, in those of a Django hello: (name, ratio, ours)."""
    size = "SQLite, 20 questions"
    found = [
        ("nginx, a static file", _of(result, "nginx.h").get("")),
        ("raw WSGI hello (R)", _of(result, "raw.h").get("")),
        ("our question page, kept", _of(result, "kept.h").get(size)),
        ("Django hello (H)", 1.0),
        ("our question page, first view", _of(result, "first.h").get(size)),
        ("Wagtail page, same content", _of(result, "wagtail.h").get("")),
    ]
    if any(ratio is None for _, ratio in found):
        return []
    return [(name, ratio, name.startswith("our")) for name, ratio in sorted(found, key=lambda one: -one[1])]


def _number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def _svg(height, title, description, parts):
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" '
            f'aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title><desc id="description">{escape(description)}</desc>',
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="6" class="ground"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def _text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" class="{kind}">{escape(words)}</text>'


def _curves(lines):
    """Costs over sizes, both by powers of ten, each curve named at its end."""
    top, bottom, left, right, height = 56, 380, 70, 540, 430
    sizes = sorted({size for line in lines for size, _ in line.points})
    values = [cost for line in lines for _, cost in line.points]
    low, high = _floor(min(values)), _ceiling(max(values))

    def x(size):
        return left + (right - left) * (log10(size) - log10(sizes[0])) / (log10(sizes[-1]) - log10(sizes[0]))

    def y(cost):
        return bottom - (bottom - top) * (log10(cost) - low) / (high - low)

    title = "What a page costs, from 20 to 100,000 questions"
    parts = [_text(20, 24, title, kind="title")]
    parts.append(
        _text(20, 43, "in the cost of a Django hello; solid SQLite, dashed PostgreSQL; flat is good", kind="quiet")
    )
    for power in range(low, high + 1):
        level = y(10**power)
        parts.append(f'<line x1="{left}" x2="{right}" y1="{level:.1f}" y2="{level:.1f}" class="grid"/>')
        parts.append(_text(left - 8, level + 4, _number(10**power), "end", "quiet"))
    for size in sizes:
        parts.append(f'<line x1="{x(size):.1f}" x2="{x(size):.1f}" y1="{top}" y2="{bottom}" class="grid"/>')
        parts.append(_text(x(size), bottom + 20, f"{size:,}", "middle", "quiet"))
    parts.append(_text((left + right) / 2, bottom + 40, "questions", "middle", "quiet"))
    for line in lines:
        points = " ".join(f"{x(size):.1f},{y(cost):.1f}" for size, cost in line.points)
        dashed = " dashed" if line.dashed else ""
        parts.append(f'<polyline points="{points}" class="line c{line.colour}{dashed}"/>')
        parts += [
            f'<circle cx="{x(size):.1f}" cy="{y(cost):.1f}" r="3" class="f{line.colour}"/>'
            for size, cost in line.points
        ]
    places = _apart([(y(line.points[-1][1]), line) for line in lines if not line.dashed], 17)
    for place, line in places:
        parts.append(
            _text(right + 12, place + 4, f"{line.name}: {_number(line.points[-1][1])}", kind=f"f{line.colour}")
        )
    description = "; ".join(
        f"{line.name} on {'PostgreSQL' if line.dashed else 'SQLite'}: "
        + ", ".join(f"{_number(cost)} at {size:,}" for size, cost in line.points)
        for line in lines
    )
    return _svg(height, title, description, parts)


def _bars(bars):
    """Speeds by powers of ten, each bar with its number."""
    top, step, left, right = 62, 34, 250, 660
    low, high = _floor(min(ratio for _, ratio, _ in bars)), _ceiling(max(ratio for _, ratio, _ in bars))

    def x(ratio):
        return left + (right - left) * (log10(ratio) - low) / (high - low)

    title = "Requests in a second, of a Django hello's"
    parts = [_text(20, 24, title, kind="title")]
    parts.append(
        _text(20, 43, "all on this machine, two workers each; each line is ten times the one before", kind="quiet")
    )
    bottom = top + step * len(bars)
    for power in range(low, high + 1):
        parts.append(
            f'<line x1="{x(10**power):.1f}" x2="{x(10**power):.1f}" y1="{top - 6}" y2="{bottom}" class="grid"/>'
        )
    for place, (name, ratio, ours) in enumerate(bars):
        y = top + step * place
        parts.append(_text(left - 10, y + 17, name, "end"))
        width, kind = x(ratio) - left, "ours" if ours else "peer"
        parts.append(f'<rect x="{left}" y="{y + 3}" width="{width:.1f}" height="20" rx="2" class="{kind}"/>')
        parts.append(_text(x(ratio) + 8, y + 17, f"{_number(ratio)} ×"))
    description = ", ".join(f"{name}: {_number(ratio)}" for name, ratio, _ in bars)
    return _svg(bottom + 16, title, description, parts)


def _floor(value):
    return int(log10(value) // 1)


def _ceiling(value):
    return -int(-log10(value) // 1)


def _apart(places, least):
    """Places from top to bottom, moved so that none is nearer to the one before than `least`."""
    moved = []
    for place, thing in sorted(places, key=lambda one: one[0]):
        moved.append((max(place, moved[-1][0] + least) if moved else place, thing))
    return moved
