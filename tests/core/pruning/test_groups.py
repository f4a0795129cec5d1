"""Groups: how many channels are kept, and which."""

from __future__ import annotations

from fractions import Fraction

import pytest

from primesvt_core.pruning.groups import kept_count, select
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


def test_of_equal_scores_the_earlier_channels_are_kept() -> None:
    assert select(group(6), [1.0, 2.0, 1.0, 2.0, 1.0, 0.0], 0.5) == (0, 1, 3)
