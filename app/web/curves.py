"""What the two charts show, of a finished job's report or of a running job's events.

The scripts that draw and the pictures without scripts share this; everything is in percent and points, as people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.jobs.records import JobEvent
from primesvt_client.facts import CandidateFacts, CellFacts, ProgressFacts, TrialFacts
from primesvt_core.report.schema import CurveFigures, Report

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class RobustnessCurve:
    """One channel group pruned alone: ``(rate in percent, drop in points)``, by rate, from (0, 0)."""

    group: str
    points: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Spot:
    """One candidate: memory saved and accuracy, in percent."""

    label: str
    saving: float
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What was asked for, in percent: ``floor`` is known once the original is measured."""

    allowed_drop: float | None = None
    min_accuracy: float | None = None
    floor: float | None = None
    target: float | None = None


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Both charts.

    Attributes:
        robustness: largest group first.
        steps: accepted steps, joined by a line; known only of a finished job.
        tried: candidates of the search, while it runs.
        held: put to the test on unseen images, where the promise held.
        failed: likewise, where it did not.
        tested: likewise, while the verdict is not known.
        lines: floor and target.
    """

    robustness: tuple[RobustnessCurve, ...] = ()
    steps: tuple[Spot, ...] = ()
    tried: tuple[Spot, ...] = ()
    held: tuple[Spot, ...] = ()
    failed: tuple[Spot, ...] = ()
    tested: tuple[Spot, ...] = ()
    lines: Lines = field(default_factory=Lines)

    def to_json(self) -> dict[str, Any]:
        """For the script that draws."""
        return asdict(self)


def of_report(report: Report) -> Curves:
    """The charts of a finished job."""
    cells: dict[str, dict[float, float]] = {}
    for cell in report.profile:
        cells.setdefault(cell.group, {})[cell.rate] = cell.accuracy_drop
    tested = [point for point in report.curve if point.confirmed_drop is not None]
    allowed = report.confirmation.allowed_drop
    floor = None if allowed is None else 100 * (report.baseline.accuracy - allowed)
    asked = asked_for(report.spec.budget.model_dump(), report.baseline.parameter_bytes)
    return Curves(
        robustness=_robustness(cells),
        steps=tuple(
            Spot(label=_label(p), saving=100 * p.memory_saving, accuracy=100 * p.accuracy) for p in report.curve
        ),
        held=tuple(_tested(p, report) for p in tested if p.confirmed),
        failed=tuple(_tested(p, report) for p in tested if not p.confirmed),
        lines=replace(asked, floor=floor, allowed_drop=None if allowed is None else 100 * allowed),
    )


def asked_for(budget: Mapping[str, Any], parameter_bytes: int | None) -> Lines:
    """The lines that a budget draws before anything is measured."""
    targets = [budget.get("min_memory_saving")]
    if budget.get("max_parameter_bytes") and parameter_bytes:
        targets.append(max(0.0, 1 - budget["max_parameter_bytes"] / parameter_bytes))
    known = [target for target in targets if target is not None]
    return Lines(
        allowed_drop=_percent(budget.get("max_accuracy_drop")),
        min_accuracy=_percent(budget.get("min_accuracy")),
        target=_percent(max(known)) if known else None,
    )


def of_events(events: Iterable[JobEvent], lines: Lines) -> Curves:
    """The charts of a job that runs: what it has told so far. A cell that is told again after a restart counts once."""
    cells: dict[str, dict[float, float]] = {}
    tried: dict[Spot, None] = {}
    tested: dict[Spot, None] = {}
    start: float | None = None
    for facts in _facts(events):
        if isinstance(facts, CellFacts):
            cells.setdefault(facts.group, {})[facts.rate] = facts.accuracy_drop
            start = facts.accuracy + facts.accuracy_drop
        elif isinstance(facts, CandidateFacts):
            label = f"{facts.group} at {100 * facts.rate:.0f} %"
            tried[Spot(label=label, saving=100 * facts.memory_saving, accuracy=100 * facts.accuracy)] = None
        elif isinstance(facts, TrialFacts) and start is not None:
            accuracy = 100 * (start - facts.accuracy_drop)
            tested[Spot(label="on unseen images", saving=100 * facts.memory_saving, accuracy=accuracy)] = None
    return Curves(
        robustness=_robustness(cells), tried=tuple(tried), tested=tuple(tested), lines=_with_floor(lines, start)
    )


def _facts(events: Iterable[JobEvent]) -> Iterator[ProgressFacts]:
    for event in events:
        progress = event.progress
        if progress is not None:
            yield progress.facts


def _with_floor(lines: Lines, start: float | None) -> Lines:
    floors = [] if lines.min_accuracy is None else [lines.min_accuracy]
    if start is not None and lines.allowed_drop is not None:
        floors.append(100 * start - lines.allowed_drop)
    return replace(lines, floor=max(floors, default=None))


def _robustness(cells: Mapping[str, Mapping[float, float]]) -> tuple[RobustnessCurve, ...]:
    return tuple(
        RobustnessCurve(
            group=group, points=((0.0, 0.0), *((100 * rate, 100 * drop) for rate, drop in sorted(drops.items())))
        )
        for group, drops in cells.items()
    )


def _tested(point: CurveFigures, report: Report) -> Spot:
    accuracy = 100 * (report.baseline.accuracy - (point.confirmed_drop or 0.0))
    return Spot(label=_label(point), saving=100 * point.memory_saving, accuracy=accuracy)


def _label(point: CurveFigures) -> str:
    return "original" if point.group is None else f"{point.group} at {100 * point.rates.get(point.group, 0.0):.0f} %"


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction
