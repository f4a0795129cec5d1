"""The picture of the results at the head of README, drawn from the table beside it: the memory that each way saves."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import mean
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD, FOOT = 780, 170, 130, 18, 26, 34, 58
COLOURS = ("#1f6feb", "#8b949e", "#bf8700")
"""Of the ways, in the order of the table; each tells itself from white and from black."""

STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328; } .soft { fill: #57606a; font-size: 12px; }
.page { fill: #fff; } .line { stroke: #d0d7de; } .range { stroke: #1f2328; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
.page { fill: #0d1117; } text { fill: #e6edf3; }
.soft { fill: #9198a1; } .line { stroke: #30363d; } .range { stroke: #e6edf3; }
}
"""
NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class Bar:
    """Memory saved, in percent: of a median, or the mean of the seeds that are told, and from where to where."""

    told: str
    value: float
    low: float
    high: float


def bar_of(cell: str) -> Bar:
    """A cell of the table: ``21.3 % (0 to 30.7)``, or ``65.1, 60.1 % (two seeds)``.

    Raises:
        ValueError: it has no number.
    """
    told, _, spread = cell.partition("%")
    values = [float(one) for one in NUMBER.findall(told)]
    if not values:
        raise ValueError(f"there is no share of memory in {cell!r}")
    ends = [float(one) for one in NUMBER.findall(spread)] if " to " in spread else values
    return Bar(f"{told.strip()} %", mean(values), min(ends), max(ends))


def picture(table: str) -> str:
    """The picture of a table whose first column names models and whose others are ways."""
    head, _, *rows = (
        [cell.strip() for cell in line.strip().strip("|").split("|")] for line in table.strip().splitlines()
    )
    ways = head[1:]
    height = HEAD + len(rows) * (len(ways) * BAR + GAP) + FOOT
    told = "; ".join(
        f"{row[0]}: {', '.join(f'{way} {cell}' for way, cell in zip(ways, row[1:], strict=True))}" for row in rows
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d">',
        '<title id="t">Parameter memory saved with a proven accuracy drop of at most 3 points</title>',
        f'<desc id="d">{escape(told)}</desc>', f"<style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}" rx="8"/>', *_legend(ways), *_scale(height),
    ]  # fmt: skip
    for place, row in enumerate(rows):
        lines += _model(row[0], [bar_of(cell) for cell in row[1:]], HEAD + place * (len(ways) * BAR + GAP))
    return "\n".join([*lines, "</svg>", ""])


def _x(percent: float) -> float:
    return round(LEFT + percent / 100 * (WIDTH - LEFT - RIGHT), 1)


def _legend(ways: list[str]) -> Iterator[str]:
    x = LEFT
    for way, colour in zip(ways, COLOURS, strict=False):
        yield f'<rect x="{x}" y="8" width="12" height="12" rx="2" fill="{colour}"/>'
        yield f'<text x="{x + 18}" y="19" class="soft">{escape(way)}</text>'
        x += 50 + 7 * len(way)


def _scale(height: int) -> Iterator[str]:
    bottom = height - FOOT + 6
    for percent in range(0, 101, 25):
        yield f'<line class="line" x1="{_x(percent)}" y1="{HEAD}" x2="{_x(percent)}" y2="{bottom}"/>'
        yield f'<text class="soft" x="{_x(percent)}" y="{bottom + 18}" text-anchor="middle">{percent} %</text>'
    yield (
        f'<text class="soft" x="{WIDTH / 2:g}" y="{bottom + 40}" text-anchor="middle">'
        "parameter memory saved with a drop of at most 3 points, or as named; 95 % confidence; lines:"
        " range of seeds</text>"
    )


def _model(name: str, bars: list[Bar], top: int) -> Iterator[str]:
    middle = top + GAP / 2 + len(bars) * BAR / 2
    yield f'<text x="{LEFT - 14}" y="{middle + 5:g}" text-anchor="end">{escape(name)}</text>'
    for place, (bar, colour) in enumerate(zip(bars, COLOURS, strict=False)):
        y = top + GAP / 2 + place * BAR
        width = max(1.5, round(_x(bar.value) - LEFT, 1))
        yield f'<rect x="{LEFT}" y="{y + 2:g}" width="{width:g}" height="{BAR - 4}" rx="2" fill="{colour}"/>'
        if bar.high > bar.low:
            ends = f'x1="{_x(bar.low)}" y1="{y + BAR / 2:g}" x2="{_x(bar.high)}" y2="{y + BAR / 2:g}"'
            yield f'<line class="range" {ends}/>'
        yield f'<text x="{max(_x(bar.value), _x(bar.high)) + 8:g}" y="{y + BAR / 2 + 5:g}">{bar.told}</text>'
