"""The data of the chart of results, in percent, points and MiB, as people read; the table beside it has the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from app.jobs.results import Result
from primesvt_client.states import Scale
from primesvt_client.verdicts import title

MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class ResultPoint:
    """One result, and the page of its job.

    Attributes:
        x: memory saving in percent; of absolute points parameter memory in MiB.
        y: accuracy drop in points (without labels the disagreement); of absolute points accuracy in percent.
    """

    name: str
    verdict: str | None
    label: str
    x: float
    y: float
    is_on_frontier: bool
    url: str


def of_results(results: Iterable[Result], scale: Scale) -> list[dict[str, Any]]:
    """Points of the chart; none for a result without an accuracy where accuracies are shown."""
    points = (_point(result, scale) for result in results)
    return [asdict(point) for point in points if point is not None]


def _point(result: Result, scale: Scale) -> ResultPoint | None:
    x, y = 100 * result.memory_saving, 100 * result.largest_drop
    if scale is Scale.ABSOLUTE:
        if result.pruned_accuracy is None:
            return None
        x, y = result.parameter_bytes_after / MEBIBYTE, 100 * result.pruned_accuracy
    return ResultPoint(
        name=result.name, verdict=result.verdict, label=title(result.verdict) or "Other", x=x, y=y,
        is_on_frontier=result.is_on_frontier, url=f"/jobs/{result.id}",
    )  # fmt: skip
