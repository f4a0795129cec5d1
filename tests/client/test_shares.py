"""Shares and differences of shares, as pages and reports show them."""

from __future__ import annotations

import pytest

from primesvt_client.shares import percent_text, points_text, rate_text


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.2668, "26.68"), (-0.0167, "\u22121.67"), (-0.00004, "0.00"), (0.0, "0.00"), (1, "100.00")]
)
def test_shares_have_a_real_minus_and_none_before_zeros(fraction: float, text: str) -> None:
    assert percent_text(fraction) == f"{text} %"
    assert points_text(fraction) == f"{text} points"


@pytest.mark.parametrize(("rate", "text"), [(0.5, "50 %"), (0.125, "12.5 %"), (0.1 + 0.2, "30 %"), (0.95, "95 %")])
def test_rates_are_as_they_were_chosen(rate: float, text: str) -> None:
    assert rate_text(rate) == text
