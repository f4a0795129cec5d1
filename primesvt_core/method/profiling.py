"""Robustness of every group: the accuracy with that group alone pruned, under several rates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from primesvt_core.policies._base import Evaluate
from primesvt_core.types import FLOAT_SLACK, GroupSize, ProfileCell


def profile(
    groups: Sequence[GroupSize],
    rates: Sequence[float],
    kept: Callable[[str, float], int],
    evaluate: Evaluate,
    baseline_accuracy: float,
    observe: Callable[[ProfileCell], None],
) -> tuple[ProfileCell, ...]:
    """Evaluate every group alone at every rate that removes another number of channels.

    Args:
        groups: in the order of the sorting.
        rates: ascending.
        kept: channels that a group keeps at a rate.
        evaluate: scores a candidate on the search split.
        baseline_accuracy: of the unpruned model on the search split.
        observe: receives every cell as it is finished.
    """
    cells = []
    for group, rate, count in measured(groups, rates, kept):
        outcome = evaluate({group: rate})
        cell = ProfileCell(
            group=group,
            rate=rate,
            kept=count,
            accuracy=outcome.accuracy,
            accuracy_drop=baseline_accuracy - outcome.accuracy,
            memory_saving=outcome.memory_saving,
        )
        observe(cell)
        cells.append(cell)
    return tuple(cells)


def measured(
    groups: Sequence[GroupSize], rates: Sequence[float], kept: Callable[[str, float], int]
) -> Iterator[tuple[str, float, int]]:
    """Group, rate and channels kept of every cell, in the order of the profile."""
    for group in groups:
        last_kept = group.size
        for rate in rates:
            count = kept(group.name, rate)
            if count != last_kept:
                yield group.name, rate, count
            last_kept = count


def targets(cells: Sequence[ProfileCell], allowed_drop: float) -> dict[str, tuple[float, ...]]:
    """Groups that stay within the drop at some rate, in the order of the profile, with those rates, ascending."""
    within: dict[str, tuple[float, ...]] = {}
    for cell in cells:
        if cell.accuracy_drop <= allowed_drop + FLOAT_SLACK:
            within[cell.group] = tuple(sorted((*within.get(cell.group, ()), cell.rate)))
    return within
