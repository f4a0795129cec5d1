"""Groups: how many channels are kept, and which."""

from __future__ import annotations

from fractions import Fraction

import pytest

from primesvt_core.pruning.groups import is_prunable, kept_count, limited, select
from primesvt_core.types import ChannelGroup


def group(size: int, parts: int = 1, min_size: int = 1) -> ChannelGroup:
    return ChannelGroup(
        name="g", size=size, width="w", slices=(), producers=(), silencers=(), consumers=(), parts=parts,
        min_size=min_size,
    )  # fmt: skip


def test_as_many_channels_go_as_the_rate_says_whatever_its_binary_fraction() -> None:
    for size in range(1, 300):
        for hundredths in range(1, 100):
            removed = int(Fraction(hundredths, 100) * size)
            assert kept_count(group(size), hundredths / 100) == max(size - removed, 1), (size, hundredths)


@pytest.mark.parametrize(("parts", "rate", "kept"), [(4, 0.5, 8), (4, 0.3, 12), (4, 0.9, 4), (2, 0.9, 2)])
def test_every_part_keeps_the_same_number_and_at_least_one(parts: int, rate: float, kept: int) -> None:
    wanted = group(16, parts, min_size=parts)
    assert kept_count(wanted, rate) == kept
    chosen = select(wanted, [float(channel) for channel in range(16)], rate)
    run = 16 // parts
    assert [sum(channel // run == part for channel in chosen) for part in range(parts)] == [kept // parts] * parts


def test_kept_sizes_are_the_next_larger_multiple_that_every_part_shares() -> None:
    found = limited(group(48, 4, min_size=4), 1.0, 8)
    assert [kept_count(found, rate) for rate in (0.0, 0.1, 0.2, 0.5, 0.75, 0.99)] == [48, 48, 40, 24, 16, 8]
    odd = limited(group(45, 3, min_size=3), 1.0, 8)  # multiples of 24, or all 45
    assert [kept_count(odd, rate) for rate in (0.3, 0.5, 0.9)] == [45, 24, 24]
    whole = limited(group(20, 4, min_size=4), 1.0, 32)
    assert [kept_count(whole, rate) for rate in (0.5, 0.99)] == [20, 20]
    assert [is_prunable(one) for one in (found, odd, whole)] == [True, True, False]


def test_no_rate_removes_more_than_the_largest_one() -> None:
    found = limited(group(16, 2, min_size=2), 0.3, 1)
    assert [kept_count(found, rate) for rate in (0.1, 0.2, 0.3, 0.5, 0.99)] == [16, 14, 12, 12, 12]
    both = limited(group(16, 2, min_size=2), 0.3, 8)
    assert not is_prunable(both)


def test_of_equal_scores_the_earlier_channels_are_kept() -> None:
    assert select(group(6), [1.0, 2.0, 1.0, 2.0, 1.0, 0.0], 0.5) == (0, 1, 3)
