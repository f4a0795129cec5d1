"""Sizes in bytes and numbers of operations, as pages and reports show them."""

from __future__ import annotations

import math
from collections.abc import Sequence

BYTES = ((1, "bytes"), (1 << 10, "KiB"), (1 << 20, "MiB"), (1 << 30, "GiB"))
OPERATIONS = ((1, ""), (10**3, "thousand"), (10**6, "million"), (10**9, "billion"))

EXACT_DIGITS = 5
"""Of numbers beside a share of one of the other: with so many, the share follows from them to a hundredth of 1 %."""


def size_text(count: float) -> str:
    """Bytes in the largest binary unit that leaves at least one, in three digits: 37 300 000 as ``35.6 MiB``."""
    return _text(count, BYTES)


def operations_text(count: float) -> str:
    """A number of operations in thousands, millions or billions: 19 972 416 as ``20.0 million``."""
    return _text(count, OPERATIONS)


def sizes_text(before: float, after: float) -> str:
    """Two sizes in one unit, so exactly that what was saved follows from them: ``2.4868 → 1.9775 MiB``."""
    return _change(before, after, BYTES)


def both_operations_text(before: float, after: float) -> str:
    """The same of two numbers of operations."""
    return _change(before, after, OPERATIONS)


Units = Sequence[tuple[int, str]]


def _text(count: float, units: Units) -> str:
    scale, unit = _unit(count, units)
    return _with(unit, f"{count:,.0f}" if scale == 1 else _digits(count / scale))


def _change(before: float, after: float, units: Units) -> str:
    scale, unit = _unit(before, units)
    decimals = 0 if scale == 1 else max(0, EXACT_DIGITS - 1 - math.floor(math.log10(before / scale)))
    return _with(unit, f"{before / scale:,.{decimals}f} → {after / scale:,.{decimals}f}")


def _unit(count: float, units: Units) -> tuple[int, str]:
    """The largest unit that leaves at least one."""
    return max((unit for unit in units if count >= unit[0]), default=units[0])


def _with(unit: str, number: str) -> str:
    return f"{number} {unit}" if unit else number


def _digits(count: float) -> str:
    return f"{count:,.2f}" if count < 9.995 else f"{count:,.1f}"
