"""The data of the charts, of reports and events; the templates show it as tables, the scripts draw it.

Everything is in percent and points, as people read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.jobs.records import JobEvent
from app.web.curve import Offer, bound_of, delivered_point, nothing_offered
from app.web.curve import candidate as candidate
from primesvt_client.facts import CandidateFacts, CellFacts, DisagreementFacts, ProgressFacts, TrialFacts
from primesvt_client.shares import rate_text
from primesvt_core.report.schema import CurveFigures, Outcome, Report

Point = tuple[float, float]
Drops = dict[str, dict[float, tuple[float, bool]]]
"""By group and rate the accuracy drop, and whether it is a bound."""


@dataclass(frozen=True, kw_only=True)
class RobustnessCurve:
    """One channel group pruned alone: ``(rate in percent, accuracy drop in points)``, by rate, from (0, 0).

    Attributes:
        bounds: rates at which the drop is at least that much: it was found too large before all images were counted.
    """

    group: str
    points: tuple[Point, ...]
    bounds: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CandidatePoint:
    """One candidate: memory saving and accuracy, in percent, what is lost against the original on the same images.

    Attributes:
        drop: of accuracy, in points; where a disagreement is limited, that, in percent.
        bound: of the drop, at the confidence of the candidate's test.
        limit: what another budget must allow for it, as people type it; empty where none can be asked for.
        url: where that budget is asked for.
    """

    label: str
    saving: float
    accuracy: float
    drop: float = 0.0
    bound: float | None = None
    limit: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class BudgetLines:
    """The limits of a budget, in percent: ``floor`` is known once the original is measured.

    Where it limits the disagreement, the accuracies of charts are agreements with the original, drops disagreements.
    ``most_lost`` is the floor on the scale of drops.
    """

    allowed_drop: float | None = None
    min_accuracy: float | None = None
    floor: float | None = None
    most_lost: float | None = None
    target: float | None = None
    by_disagreement: bool = False


@dataclass(frozen=True, kw_only=True)
class JobCharts:
    """Both charts of a job.

    Attributes:
        robustness: one curve a channel group, largest group first.
        steps: candidates of the curve on the search images, joined by a line; known only of a finished job.
        tried: candidates of the search, while it runs.
        confirmed: candidates measured on the confirmation images, and confirmed.
        not_proven: likewise; the measured drop is allowed, its bound is not.
        not_confirmed: likewise; the measured drop is not allowed.
        measured: likewise, while the outcome is not known.
        delivered: the candidate that is delivered, on the confirmation images; one of the others, but without a limit.
        lines: accuracy floor and memory target.
    """

    robustness: tuple[RobustnessCurve, ...] = ()
    steps: tuple[CandidatePoint, ...] = ()
    tried: tuple[CandidatePoint, ...] = ()
    confirmed: tuple[CandidatePoint, ...] = ()
    not_proven: tuple[CandidatePoint, ...] = ()
    not_confirmed: tuple[CandidatePoint, ...] = ()
    measured: tuple[CandidatePoint, ...] = ()
    delivered: CandidatePoint | None = None
    lines: BudgetLines = field(default_factory=BudgetLines)

    @property
    def candidates(self) -> tuple[CandidatePoint, ...]:
        """All points of the chart of accuracy and memory."""
        return (*self.steps, *self.tried, *self.confirmed, *self.not_proven, *self.not_confirmed, *self.measured)

    def to_json(self) -> dict[str, Any]:
        """For the script that draws."""
        return asdict(self)


def of_report(report: Report, offer: Offer = nothing_offered) -> JobCharts:
    """The charts of a finished job."""
    drops: Drops = {}
    for cell in report.profile:
        drops.setdefault(cell.group, {})[cell.rate] = cell.loss, cell.is_bound
    allowed = _percent(report.confirmation.allowed_loss)
    floor = None if allowed is None else 100 * _original(report) - allowed
    lines = budget_lines(report.spec.budget.model_dump(), report.baseline.parameter_bytes)
    return JobCharts(
        robustness=_robustness(drops),
        steps=tuple(_step(point, offer) for point in report.curve),
        confirmed=_tested(report, "confirmed", offer),
        not_proven=_tested(report, "not proven", offer),
        not_confirmed=_tested(report, "not confirmed", offer),
        delivered=_delivered(report),
        lines=replace(lines, floor=floor, allowed_drop=allowed, most_lost=allowed),
    )


def _original(report: Report) -> float:
    """The original's accuracy, or its agreement with itself."""
    return 1.0 if report.by_disagreement or report.baseline.accuracy is None else report.baseline.accuracy


def budget_lines(budget: Mapping[str, Any], parameter_bytes: int | None) -> BudgetLines:
    """The lines of a budget before anything is measured."""
    savings = [budget.get("min_memory_saving")]
    if budget.get("max_parameter_bytes") and parameter_bytes:
        savings.append(max(0.0, 1 - budget["max_parameter_bytes"] / parameter_bytes))
    targets = [saving for saving in savings if saving is not None]
    disagreement = budget.get("max_disagreement")
    return BudgetLines(
        allowed_drop=_percent(budget.get("max_accuracy_drop") if disagreement is None else disagreement),
        by_disagreement=disagreement is not None,
        min_accuracy=_percent(budget.get("min_accuracy")),
        most_lost=_percent(budget.get("max_accuracy_drop") if disagreement is None else disagreement),
        target=_percent(max(targets)) if targets else None,
    )


def of_events(events: Iterable[JobEvent], lines: BudgetLines) -> JobCharts:
    """The charts of a running job, from its events so far. A cell reported again after a restart counts once."""
    drops: Drops = {}
    tried: dict[CandidatePoint, None] = {}
    measured: dict[float, CandidatePoint] = {}
    baseline: float | None = 1.0 if lines.by_disagreement else None
    for facts in _facts(events):
        if isinstance(facts, CellFacts):
            drops.setdefault(facts.group, {})[facts.rate] = facts.accuracy_drop, facts.is_bound
            baseline = facts.accuracy + facts.accuracy_drop
        elif isinstance(facts, CandidateFacts) and baseline is not None:
            name = f"{facts.group} at {rate_text(facts.rate)}" if facts.group else "candidate"
            tried[_point(name, facts.memory_saving, facts.accuracy, baseline - facts.accuracy)] = None
        elif isinstance(facts, TrialFacts) and baseline is not None:
            accuracy = baseline - facts.accuracy_drop
            point = _point("confirmation images", facts.memory_saving, accuracy, facts.accuracy_drop)
            measured[facts.memory_saving] = point  # of several looks at a candidate the last
        elif isinstance(facts, DisagreementFacts):
            _add_disagreement(facts, drops, tried, measured)
    return JobCharts(
        robustness=_robustness(drops),
        tried=tuple(tried),
        measured=tuple(measured.values()),
        lines=_with_floor(lines, baseline),
    )


def _add_disagreement(
    facts: DisagreementFacts, drops: Drops, tried: dict[CandidatePoint, None], measured: dict[float, CandidatePoint]
) -> None:
    """A cell has no saving, a confirmation the number of its images."""
    if facts.memory_saving is None:
        drops.setdefault(facts.group, {})[facts.rate] = facts.disagreement, facts.is_bound
    elif facts.samples is None:
        name = f"{facts.group} at {rate_text(facts.rate)}" if facts.group else "candidate"
        tried[_point(name, facts.memory_saving, 1 - facts.disagreement, facts.disagreement)] = None
    else:
        point = _point("confirmation images", facts.memory_saving, 1 - facts.disagreement, facts.disagreement)
        measured[facts.memory_saving] = point


def _facts(events: Iterable[JobEvent]) -> Iterator[ProgressFacts]:
    for event in events:
        progress = event.progress
        if progress is not None:
            yield progress.facts


def _with_floor(lines: BudgetLines, baseline: float | None) -> BudgetLines:
    floors = [] if lines.min_accuracy is None else [lines.min_accuracy]
    if baseline is not None and lines.allowed_drop is not None:
        floors.append(100 * baseline - lines.allowed_drop)
    floor = max(floors, default=None)
    most_lost = lines.most_lost if floor is None or baseline is None else 100 * baseline - floor
    return replace(lines, floor=floor, most_lost=most_lost)


def _robustness(drops: Drops) -> tuple[RobustnessCurve, ...]:
    return tuple(
        RobustnessCurve(
            group=group,
            points=((0.0, 0.0), *((100 * rate, 100 * drop) for rate, (drop, _) in sorted(of_group.items()))),
            bounds=tuple(100 * rate for rate, (_, is_bound) in sorted(of_group.items()) if is_bound),
        )
        for group, of_group in drops.items()
    )


def _point(label: str, memory_saving: float, accuracy: float, drop: float) -> CandidatePoint:
    return CandidatePoint(label=label, saving=100 * memory_saving, accuracy=100 * accuracy, drop=100 * drop)


def _step(point: CurveFigures, offer: Offer) -> CandidatePoint:
    """A point of the curve on the search images."""
    accuracy = 1 - point.loss if point.accuracy is None else point.accuracy
    limit, url = offer(point)
    return replace(_point(candidate(point), point.memory_saving, accuracy, point.loss), limit=limit, url=url)


def _tested(report: Report, outcome: Outcome, offer: Offer) -> tuple[CandidatePoint, ...]:
    """Candidates whose test ended so, on the confirmation images."""
    return tuple(_test(report, point, offer) for point in report.curve if report.outcome(point) == outcome)


def _test(report: Report, point: CurveFigures, offer: Offer) -> CandidatePoint:
    lost = point.confirmed_loss or 0.0
    limit, url = offer(point)
    found = _point(candidate(point), point.memory_saving, _original(report) - lost, lost)
    return replace(found, bound=_percent(bound_of(report, point)), limit=limit, url=url)


def _delivered(report: Report) -> CandidatePoint | None:
    held = report.confirmation
    lost = held.disagreement if report.by_disagreement else held.accuracy_drop
    if lost is None:
        return None
    point = delivered_point(report)
    label = "delivered model" if point is None else candidate(point)
    bound = (
        None
        if report.is_original
        else held.disagreement_upper_bound
        if report.by_disagreement
        else held.drop_upper_bound
    )
    return replace(_point(label, report.memory_saving, _original(report) - lost, lost), bound=_percent(bound))


def _percent(fraction: float | None) -> float | None:
    return None if fraction is None else 100 * fraction
