"""What a delivered model is compared with, at the same memory: one rate for all groups, and channels by chance.

Free of torch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from primesvt_core.pruning.groups import plan_for
from primesvt_core.types import ChannelGroup, Plan, Rates

FINENESS = 1024
"""Rates that are tried, evenly from 0 to 1."""


def uniform_rates(most: Mapping[str, float], memory: Callable[[Rates], int], target_bytes: int) -> Rates | None:
    """The gentlest rate for all groups with which a model needs no more than so many bytes; None if none is enough.

    Args:
        most: the largest rate of every group, which has that where others have more.
        memory: in bytes, at the given rates.
        target_bytes: what may be needed.
    """

    def at(step: int) -> Rates:
        return {group: min(step / FINENESS, largest) for group, largest in most.items()}

    low, high = 0, FINENESS - 1
    if memory(at(high)) > target_bytes:
        return None
    while low < high:
        middle = (low + high) // 2
        if memory(at(middle)) <= target_bytes:
            high = middle
        else:
            low = middle + 1
    return at(high)


def chance_plan(rates: Rates, groups: Sequence[ChannelGroup], seed: int) -> Plan:
    """As many channels of every group as at these rates, drawn by chance; the same in every process."""
    pruned = {name: rate for name, rate in rates.items() if rate}
    scores = {
        group.name: np.random.default_rng([seed, zlib.crc32(group.name.encode())]).random(group.size).tolist()
        for group in groups
        if group.name in pruned
    }
    return plan_for(pruned, groups, scores)
