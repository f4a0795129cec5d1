"""Limits in few digits that are still possible."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_client.rounding import rounded_down, rounded_up


@pytest.mark.parametrize(
    ("drop", "shown"), [(0.00676, 0.0068), (0.0068, 0.0068), (0.25, 0.25), (0.00001234, 0.000013), (0.9999999, 1.0)]
)
def test_a_drop_is_rounded_up(drop: float, shown: float) -> None:
    assert rounded_up(drop) == pytest.approx(shown, rel=1e-12)


@pytest.mark.parametrize(("saving", "shown"), [(0.98675, 0.9867), (0.29, 0.29), (0.75, 0.75), (0.00009, 0.0)])
def test_a_saving_is_rounded_down(saving: float, shown: float) -> None:
    assert rounded_down(saving) == shown


@given(st.floats(1e-9, 1))
def test_neither_promises_what_is_not_so(fraction: float) -> None:
    assert rounded_down(fraction) <= fraction <= rounded_up(fraction)
    assert fraction - rounded_down(fraction) <= 2e-4
