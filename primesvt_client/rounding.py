"""Limits in few digits that are still possible: rounded to the side where nothing is promised that is not so."""

from __future__ import annotations

import math

DECIMALS = 4
"""Of fractions: hundredths of a percent, or of a point."""


def rounded_up(drop: float) -> float:
    """A drop of four decimals that is no smaller, or of two digits where it is smaller than that.

    Args:
        drop: above 0.
    """
    scale = 10.0 ** max(DECIMALS, 1 - math.floor(math.log10(drop)))
    steps = math.ceil(drop * scale)
    return steps / scale if steps / scale >= drop else (steps + 1) / scale  # the product may have been rounded down


def rounded_down(saving: float) -> float:
    """A saving of four decimals that is no larger."""
    scale = 10.0**DECIMALS
    steps = math.floor(saving * scale)
    return steps / scale if steps / scale <= saving else (steps - 1) / scale
