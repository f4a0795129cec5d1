"""What is put to the test: candidates whose bounds will probably hold, spaced, the gentlest first."""

from __future__ import annotations

import math

import pytest
from scipy.stats import norm

from primesvt_core.method.shortlist import (
    DROP_A_NAT,
    SHARES,
    TRUSTED_NATS,
    Forecast,
    Measured,
    chain,
    forecast,
    of_disagreement,
    spaced,
)
from primesvt_core.types import CurvePoint


def measured(saving: float, divergence: float, drop: float = 0.0, differing: float = 0.0) -> Measured:
    point = CurvePoint(
        rates={"g": saving}, accuracy=0.9 - drop, accuracy_drop=drop, parameter_bytes=round(1000 * (1 - saving)),
        memory_saving=saving, divergence=divergence,
    )  # fmt: skip
    return Measured(point=point, differing=differing, samples=256)


CURVE = [
    measured(saving, 0.2 * saving**2, differing=0.1 * saving) for saving in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
]


def test_a_bound_is_the_predicted_drop_and_the_spread_of_what_differs() -> None:
    expected = Forecast(drop_a_nat=0.5, quantile=1.645, samples=4000)
    one = measured(0.5, 0.04, differing=0.05)
    assert expected.bound(one) == pytest.approx(0.02 + 1.645 * math.sqrt((0.05 + 1 / 256) / 4000))


def test_what_a_nat_costs_is_learned_from_the_candidates() -> None:
    little = forecast([measured(0.1, 0.0)], confidence=0.95, samples=1000)
    assert little.drop_a_nat == pytest.approx(DROP_A_NAT)
    assert little.quantile == pytest.approx(norm.ppf(0.95))
    lossy = [measured(0.5, TRUSTED_NATS, drop=TRUSTED_NATS)]  # one point a point, as much as is trusted
    assert forecast(lossy, confidence=0.95, samples=1000).drop_a_nat == pytest.approx((1 + DROP_A_NAT) / 2)
    gone = [*lossy, measured(0.9, 2.0, drop=0.8)]
    assert forecast(gone, confidence=0.95, samples=1000) == forecast(lossy, confidence=0.95, samples=1000)
    gained = [measured(0.5, 0.1, drop=-0.5)]
    assert forecast(gained, confidence=0.95, samples=1000).drop_a_nat == DROP_A_NAT  # luck on few images


@pytest.mark.parametrize("allowed", [0.01, 0.02, 0.04])
def test_a_sequence_ascends_from_well_within_the_drop_to_far_beyond_it(allowed: float) -> None:
    expected = forecast(CURVE, confidence=0.95, samples=2000)
    found = spaced(CURVE, expected, allowed)
    savings = [point.memory_saving for point in found]
    assert savings == sorted(set(savings))
    bounds = {one.point.memory_saving: expected.bound(one) for one in CURVE}
    assert len(found) <= len(SHARES)
    assert bounds[savings[-1]] <= SHARES[-1] * allowed
    assert all(bounds[saving] > SHARES[-1] * allowed for saving in bounds if saving > savings[-1])
    assert bounds[savings[0]] <= SHARES[0] * allowed or savings[0] == CURVE[0].point.memory_saving


def test_where_nothing_will_hold_the_gentlest_is_tried() -> None:
    expected = forecast(CURVE, confidence=0.95, samples=50)
    assert [point.memory_saving for point in spaced(CURVE, expected, 0.001)] == [0.1]
    assert spaced([], expected, 0.1) == ()


def test_a_better_repair_goes_deeper() -> None:
    expected = Forecast(drop_a_nat=0.56, quantile=1.645, samples=4000)
    better = Forecast(drop_a_nat=0.56, quantile=1.645, samples=4000, improvement=0.5)
    deeper, gentler = (spaced(CURVE, one, 0.04)[0].memory_saving for one in (better, expected))
    assert deeper > gentler


def test_a_chain_saves_less_than_its_target() -> None:
    expected = forecast(CURVE, confidence=0.95, samples=4000)
    target = CURVE[5].point
    found = chain(CURVE, expected, 1.0, target)
    assert [point.memory_saving for point in found] == [0.5]
    assert all(p.memory_saving < target.memory_saving for p in chain(CURVE, expected, 0.02, target))
    assert chain(CURVE, expected, 1.0, CURVE[0].point) == ()


def test_a_disagreement_is_predicted_by_the_root_of_the_divergence() -> None:
    """Twelve candidates that differ by 0.5 times the root of their divergence, beside what others have: 0.4."""
    nats = [0.01 * n for n in range(1, 13)]
    candidates = [measured(0.5, each, differing=0.5 * each**0.5) for each in nats]
    expected = of_disagreement(candidates, confidence=0.95, samples=1000)
    roots = sum(each**0.5 for each in nats)
    slope = (0.5 * roots + 0.4 * 0.5) / (roots + 0.5)
    assert expected.drop_a_nat == pytest.approx(slope)
    share = slope * 0.04**0.5
    wanted = share + 1.6449 * (share * (1 - share) / 1000) ** 0.5
    assert expected.bound(candidates[3]) == pytest.approx(wanted, rel=1e-4)
    assert of_disagreement([], confidence=0.95, samples=1000).drop_a_nat == pytest.approx(0.4)
