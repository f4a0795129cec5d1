"""What a spec lets be pruned: which groups, how far, and in which multiples. Free of torch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from primesvt_core.errors import SpecError
from primesvt_core.pruning.groups import is_prunable, kept_count, limited
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import ChannelGroup


def chosen_groups(groups: Sequence[ChannelGroup], spec: CompressionSpec) -> tuple[ChannelGroup, ...]:
    """Groups that a spec lets be pruned, with its limits.

    Raises:
        SpecError: if a pattern matches no group, or the limits leave nothing to prune.
    """
    for pattern in (*spec.groups, *spec.excluded_groups, *spec.max_rates):
        if not any(fnmatchcase(group.name, pattern) for group in groups):
            raise SpecError(f"no channel group matches {pattern!r}; there are: {', '.join(g.name for g in groups)}")
    chosen = [g for g in groups if _matches(spec.groups, g.name) and not _matches(spec.excluded_groups, g.name)]
    found = [
        limited(group, max_rate(group.name, spec), spec.channel_multiple)
        for group in chosen
        if max_rate(group.name, spec) > 0
    ]
    limits = described(spec)
    if limits and chosen and not any(kept_count(group, spec.rates[-1]) < group.size for group in found):
        raise SpecError(f"{limits} and rates up to {spec.rates[-1]:g} leave no channel group that could be pruned")
    return tuple(found)


def max_rate(group: str, spec: CompressionSpec) -> float:
    """The largest rate of a group: the strictest of the patterns that match it; 1 without one."""
    return min((rate for pattern, rate in spec.max_rates.items() if fnmatchcase(group, pattern)), default=1.0)


def described(spec: CompressionSpec) -> str:
    """The limits of a spec, as it names them; empty without any."""
    found = []
    if spec.max_rates:
        found.append("max_rates " + ", ".join(f"{pattern}: {rate:g}" for pattern, rate in spec.max_rates.items()))
    if spec.channel_multiple > 1:
        found.append(f"channel_multiple {spec.channel_multiple}")
    return " and ".join(found)


def left_whole(groups: Iterable[ChannelGroup]) -> tuple[str, ...]:
    """Groups that would have a smaller size if kept sizes had not to be multiples."""
    return tuple(group.name for group in groups if not is_prunable(group) and is_prunable(replace(group, multiple=1)))


def _matches(patterns: Iterable[str], name: str) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
