"""Robustness of every group: the accuracy with that group alone pruned, under several rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from primesvt_core.types import FLOAT_SLACK, GroupSize, ProfileCell, Rates

WITH_EACH_OTHER = 8
"""Groups that are explored together: what comes before them is computed once a block of images."""

NO_LIMITS: Mapping[str, float] = {}

Decide = Callable[[Sequence[Rates], float], Sequence[bool]]
"""For several candidates, computed together, whether each loses at most so much on the search split."""


def distinct_rates(
    groups: Sequence[GroupSize],
    rates: Sequence[float],
    kept: Callable[[str, float], int],
    max_rates: Mapping[str, float] = NO_LIMITS,
) -> dict[str, tuple[float, ...]]:
    """Rates that remove another number of channels than the one before, by group, in the order of the groups.

    Args:
        groups: in the order of the sorting.
        rates: ascending.
        kept: channels that a group keeps at a rate.
        max_rates: the largest rate of a group that has a limit, which stands for all deeper ones.
    """
    found: dict[str, tuple[float, ...]] = {}
    for group in groups:
        last_kept, chosen = group.size, []
        for rate in dict.fromkeys(min(rate, max_rates.get(group.name, rate)) for rate in rates):
            if (count := kept(group.name, rate)) != last_kept:
                chosen.append(rate)
            last_kept = count
        found[group.name] = tuple(chosen)
    return found


def explore(
    rates: Mapping[str, tuple[float, ...]], allowed_drop: float, decide: Decide, observe: Callable[[str], None]
) -> None:
    """Ask of every group which rate is the deepest within the drop, from the deepest on; no gentler one is asked for.

    Args:
        rates: to try of every group, ascending.
        allowed_drop: on the search split.
        decide: answers, and remembers what it has computed.
        observe: receives every group that is through.
    """
    names = [name for name, tried in rates.items() if tried]
    for start in range(0, len(names), WITH_EACH_OTHER):
        left = {name: [*rates[name]] for name in names[start : start + WITH_EACH_OTHER]}
        while left:
            asked: list[Rates] = [{name: tried[-1]} for name, tried in left.items()]
            for name, is_within in zip([*left], decide(asked, allowed_drop), strict=True):
                left[name].pop()
                if is_within or not left[name]:
                    del left[name]
                    observe(name)


def targeted(cells: Sequence[ProfileCell], allowed_drop: float) -> frozenset[str]:
    """Groups that stay within the drop at some rate that was measured on all images."""
    return frozenset(
        cell.group for cell in cells if not cell.is_bound and cell.accuracy_drop <= allowed_drop + FLOAT_SLACK
    )
