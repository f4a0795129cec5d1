"""When what was learned is enough, and which candidates are worth the time."""

from __future__ import annotations

import pytest

from primesvt_core.method.aims import Aim, lessened, measured, worth_learning
from primesvt_core.method.recovered import Compared
from primesvt_core.method.shortlist import Forecast, Measured
from primesvt_core.types import CurvePoint

EXPECTED = Forecast(drop_a_nat=0.5, quantile=0.0, samples=1000)
"""Without spread a bound is the drop: half a point for every hundredth of a nat."""


def one(saving: float, divergence: float) -> Measured:
    point = CurvePoint(
        rates={"g": saving}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=round(1000 * (1 - saving)),
        memory_saving=saving, divergence=divergence,
    )  # fmt: skip
    return Measured(point=point, differing=0.1, samples=256)


def aim(allowed_drop: float | None = 0.03, recover_to: float | None = None) -> Aim:
    return Aim(expected=EXPECTED, allowed_drop=allowed_drop, accuracy=0.7, recover_to=recover_to)


@pytest.mark.parametrize(
    ("divergence", "share", "is_met"), [(0.061, 1.0, False), (0.059, 1.0, True), (0.059, 0.9, False), (0.05, 0.9, True)]
)
def test_the_bound_has_to_be_within_a_share_of_the_drop(divergence: float, share: float, is_met: bool) -> None:
    assert aim().is_met(one(0.5, divergence), share) is is_met


@pytest.mark.parametrize(("divergence", "is_met"), [(0.041, False), (0.039, True)])
def test_the_accuracy_that_is_wanted_has_to_be_estimated(divergence: float, is_met: bool) -> None:
    """0.7 less half the divergence is to be 0.68: a divergence of 0.04."""
    assert aim(recover_to=0.68).is_met(one(0.5, divergence), 1.0) is is_met
    assert aim(None, recover_to=0.68).is_met(one(0.5, divergence), 1.0) is is_met


def test_where_nothing_is_wanted_no_end_comes_early() -> None:
    assert not aim(None).is_met(one(0.5, 0.0), 1.0)
    assert not aim(0.01, recover_to=0.68).is_met(one(0.5, 0.03), 1.0)  # reached, but beyond the drop


CURVE = [one(saving, 0.2 * saving) for saving in (0.2, 0.4, 0.6, 0.8)]


@pytest.mark.parametrize(
    ("gain", "share", "beyond", "saving"),
    [(1.0, 1.0, 0.0, 0.2), (0.5, 1.0, 0.0, 0.6), (0.5, 0.5, 0.0, 0.2), (0.5, 1.0, 0.6, None), (0.3, 1.0, 0.6, 0.8)],
)
def test_the_deepest_is_worth_it_that_will_hold_once_it_has_learned(
    gain: float, share: float, beyond: float, saving: float | None
) -> None:
    found = worth_learning(CURVE, aim(), gain=gain, share=share, beyond=beyond)
    assert (found.point.memory_saving if found else None) == saving


def test_what_has_missed_is_not_tried_again() -> None:
    found = worth_learning(CURVE, aim(), gain=0.3, share=1.0, short_of=0.8)
    assert found is not None
    assert found.point.memory_saving == 0.6
    assert worth_learning(CURVE, aim(), gain=0.3, share=1.0, beyond=0.6, short_of=0.8) is None


def test_what_is_left_of_a_candidate() -> None:
    left = lessened(one(0.5, 0.04), 0.5)
    assert left.divergence == pytest.approx(0.02)
    assert left.differing == pytest.approx(0.05)
    compared = Compared(divergence=0.1, accuracy=0.5, lost=3, won=1, samples=10)
    assert measured(left.point, compared).differing == pytest.approx(0.4)
