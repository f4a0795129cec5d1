"""The promise, simulated through the product's own code; `python -m bench.promise` runs all scenarios, 10,000 times."""

from __future__ import annotations

import pytest

from tests.support.promises import Scenario, scenarios, simulate

RUNS = 1000
NOISE = 3 * (0.05 * 0.95 / RUNS) ** 0.5
"""Three standard errors of the share of runs that err where 5 % do."""

HARDEST = (
    Scenario(100, "sequence", "flat", "at", 0.0, nested=False),
    Scenario(300, "gate", "flat", "at", 0.0, nested=False),
    Scenario(1000, "gate", "zigzag", "just above", 0.02, nested=False),
    Scenario(4000, "sequence", "rising", "at", 0.02, nested=True),
    Scenario(100, "sequence", "flat", "at", 0.0, nested=False, by_disagreement=True),
    Scenario(1000, "gate", "zigzag", "at", 0.0, nested=False, by_disagreement=True),
    Scenario(4000, "sequence", "rising", "at", 0.0, nested=True, by_disagreement=True),
)


@pytest.mark.parametrize(
    "scenario", HARDEST, ids=lambda one: f"{one.samples}-{one.mode}-{one.curve}-{one.by_disagreement}"
)
def test_a_candidate_that_drops_too_much_is_seldom_delivered(scenario: Scenario) -> None:
    found = simulate(scenario, RUNS)
    assert 0 < found.broken <= 0.05 + NOISE


def test_one_that_drops_far_too_much_never_is_and_is_seen_early() -> None:
    found = simulate(Scenario(4000, "sequence", "flat", "far above", 0.02, nested=True), 300)
    assert (found.broken, found.tests) == (0.0, 1.0)
    assert found.images < 2000


def test_good_candidates_are_delivered_nearly_always() -> None:
    """Three of the four candidates of a rising curve could not be missed by a procedure that works: two are good."""
    found = simulate(Scenario(4000, "sequence", "rising", "far above", 0.02, nested=True), 300)
    assert found.delivered > 0.99
    assert found.saving > 0.39


def test_every_factor_of_the_simulation_is_there() -> None:
    every = [*scenarios()]
    assert len(every) == len({*every}) == 4 * 2 * 4 * 3 * 2 * (2 + 1)
    assert set(HARDEST) <= {*every}
