"""The charts as plain SVG, for pages without scripts: geometry only, the template draws it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.jobs.results import Result
from app.web import labels
from app.web.curves import Curves, Point, Spot
from primesvt_core.types import Verdict

WIDTH, HEIGHT = 640, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 14, 44
MOST_CURVES = 8
"""Curves that are told apart by colour; of larger models those of the largest groups are drawn."""

RESULT_STYLES: Mapping[str, str] = {
    Verdict.MET: "s2",
    Verdict.ACCURACY_FLOOR_REACHED: "s1",
    Verdict.NOTHING_PRUNABLE: "s4",
}


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark of an axis, in pixels, and what it says."""

    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Series:
    """One named set of points, in pixels.

    Attributes:
        path: joins them; empty if they are not joined.
        links: where each leads and what it says; empty if they are no links.
    """

    name: str
    style: str
    marks: tuple[Point, ...]
    path: str = ""
    links: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Plot:
    """One chart, ready to be drawn in a ``WIDTH`` by ``HEIGHT`` box."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    series: tuple[Series, ...]
    level: Tick | None = None
    upright: Tick | None = None
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Scale:
    """Values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> tuple[Tick, ...]:
        """Round values within the scale, about five."""
        step = _round_step((self.high - self.low) / 5)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return tuple(Tick(at=self(n * step), label=f"{n * step:.{digits}f}") for n in range(first, last + 1))


def robustness(curves: Curves) -> Plot | None:
    """Drop against rate, for the largest groups; None if nothing was profiled yet."""
    shown = curves.robustness[:MOST_CURVES]
    if not shown:
        return None
    x = Scale(0.0, 100.0, LEFT, WIDTH - RIGHT)
    allowed = curves.lines.allowed_drop
    y = _vertical([p[1] for curve in shown for p in curve.points] + ([] if allowed is None else [allowed]))
    series = (
        _series(curve.group, f"s{number}", [(x(r), y(drop)) for r, drop in curve.points], joined=True)
        for number, curve in enumerate(shown)
    )
    return Plot(
        title="Robustness: drop of accuracy when one channel group alone is pruned",
        x_label="channels of the group removed, %",
        y_label="drop, points",
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        series=tuple(series),
        level=None if allowed is None else Tick(at=y(allowed), label="allowed drop"),
    )


def accuracy_memory(curves: Curves) -> Plot | None:
    """Accuracy against memory saved; None if nothing was searched yet."""
    sets = (
        ("accepted steps", "s0", curves.steps, True),
        ("candidates tried", "s4", curves.tried, False),
        ("on unseen images", "s1", curves.tested, False),
        ("on unseen images: holds", "s2", curves.held, False),
        ("on unseen images: fails", "s5", curves.failed, False),
    )
    spots: list[Spot] = [spot for _, _, group, _ in sets for spot in group]
    if not spots:
        return None
    floor, target = curves.lines.floor, curves.lines.target
    x = Scale(0.0, _ceiling([s.saving for s in spots] + [target or 0.0]), LEFT, WIDTH - RIGHT)
    y = _vertical([s.accuracy for s in spots] + ([] if floor is None else [floor]))
    return Plot(
        title="Accuracy against memory saved",
        x_label="parameter memory saved, %",
        y_label="accuracy, %",
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        series=tuple(
            _series(name, style, [(x(s.saving), y(s.accuracy)) for s in group], joined=joined)
            for name, style, group, joined in sets
            if group
        ),
        level=None if floor is None else Tick(at=y(floor), label="accuracy floor"),
        upright=None if target is None else Tick(at=x(target), label="target"),
    )


def results(found: Sequence[Result]) -> Plot | None:
    """Accuracy lost against memory saved, of every result; None if there is none."""
    if not found:
        return None
    x = Scale(0.0, _ceiling([100 * result.memory_saving for result in found]), LEFT, WIDTH - RIGHT)
    y = _vertical([100 * result.accuracy_drop for result in found] + [0.0])
    return Plot(
        title="Accuracy lost against memory saved, of every compression",
        x_label="parameter memory saved, %",
        y_label="accuracy lost, points",
        x_ticks=x.ticks(),
        y_ticks=y.ticks(),
        series=tuple(
            _linked(labels.VERDICTS[verdict][0], style, [result for result in found if result.verdict == verdict], x, y)
            for verdict, style in RESULT_STYLES.items()
            if any(result.verdict == verdict for result in found)
        ),
    )


def _linked(name: str, style: str, found: Sequence[Result], x: Scale, y: Scale) -> Series:
    return Series(
        name=name,
        style=style,
        marks=tuple((x(100 * result.memory_saving), y(100 * result.accuracy_drop)) for result in found),
        links=tuple((f"/jobs/{result.id}", _told(result)) for result in found),
    )


def _told(result: Result) -> str:
    saved, lost = labels.percent(result.memory_saving, 1), labels.points(result.accuracy_drop)
    return f"{result.name}: {saved} saved, {lost} lost"


def _series(name: str, style: str, marks: Sequence[Point], *, joined: bool) -> Series:
    path = "M" + "L".join(f"{x:g} {y:g}" for x, y in marks) if joined else ""
    return Series(name=name, style=style, marks=tuple(marks), path=path)


def _vertical(values: Iterable[float]) -> Scale:
    found = list(values)
    low, high = min(found), max(found)
    room = max((high - low) * 0.08, 0.5)
    return Scale(low - room, high + room, HEIGHT - BOTTOM, TOP)


def _ceiling(values: Iterable[float]) -> float:
    return max(1.0, *values) * 1.06


def _round_step(rough: float) -> float:
    magnitude: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * magnitude for factor in (1, 2, 2.5, 5, 10) if factor * magnitude >= rough - 1e-12)
