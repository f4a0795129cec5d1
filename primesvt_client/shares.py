"""Shares in percent and differences of shares in points, as pages and reports show them."""

from __future__ import annotations


def percent_text(fraction: float, digits: int = 2) -> str:
    """0.2668 as ``26.68 %``."""
    return f"{_number(100 * fraction, digits)} %"


def points_text(fraction: float, digits: int = 2) -> str:
    """0.03 as ``3.00 points``."""
    return f"{_number(100 * fraction, digits)} points"


def rate_text(fraction: float) -> str:
    """A rate, which somebody chose, as it is: 0.5 as ``50 %``, 0.125 as ``12.5 %``."""
    return f"{round(100 * fraction, 4):g} %"


def _number(value: float, digits: int) -> str:
    """With a real minus, and none before zeros."""
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text.replace("-", "−")  # noqa: RUF001  # a real minus
