"""The same divergence for all groups."""

from __future__ import annotations

import pytest

from primesvt_core.policies._sensitivity import sensitivities
from primesvt_core.policies.sensitivity import POLICY
from primesvt_core.testing.curve_policies import MEASURED, STEPS, Network


def test_groups_lose_alike_and_not_more_than_the_target_needs() -> None:
    network = Network(sizes=[100, 100], losses=[1.0, 0.25, 4.0])
    (found,) = POLICY.with_params({})(network.problem([0.5]))
    level = max(network.divergence({group: rate}) for group, rate in found.items())
    for group, rate in found.items():
        deeper = [step for step in STEPS if step > rate]
        assert not deeper or network.divergence({group: deeper[0]}) > level - 1e-3
    assert found["g1"] > found["g0"] > found["stream"]


def test_between_measured_rates_it_rises_through_them() -> None:
    network = Network(sizes=[100], losses=[1.0, 2.0], bend=2.0)
    lost = sensitivities(network.problem([0.5]))["g0"]
    assert tuple(lost) == STEPS
    assert [*lost.values()] == sorted(lost.values())
    for rate in MEASURED:
        assert lost[rate] == network.divergence({"g0": rate})
    assert lost[10 / 16] == pytest.approx((10 / 16) ** 2, abs=0.02)
