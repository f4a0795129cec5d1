"""Allocation: of all candidates that cost no more, the one of the least divergence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from primesvt_core.policies import CurveProblem
from primesvt_core.policies.allocate import POLICY, Params
from primesvt_core.policies.uniform import POLICY as UNIFORM
from primesvt_core.testing.curve_policies import STREAM, Network
from primesvt_core.types import Rates

RATES = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75)


def coarse(network: Network, savings: list[float]) -> CurveProblem:
    """With few rates, all of them measured."""
    every = dict.fromkeys(network.names, RATES)
    return replace(network.problem(savings), steps=every, measured=every)


def enumerated(problem: CurveProblem) -> list[Rates]:
    """Every candidate there is."""
    choices = product((0.0, *RATES), repeat=len(problem.steps))
    return [{n: r for n, r in zip(problem.steps, rates, strict=True) if r} for rates in choices]


@settings(database=None, derandomize=True, max_examples=60)
@given(
    sizes=st.lists(st.integers(1, 50), min_size=3, max_size=3),
    losses=st.lists(st.floats(0.01, 1), min_size=4, max_size=4),
    saving=st.floats(0.05, 0.7),
)
def test_it_loses_hardly_more_than_the_best_of_all_candidates(
    sizes: list[int], losses: list[float], saving: float
) -> None:
    network = Network(sizes=sizes, losses=losses)
    problem = coarse(network, [saving])
    (found,) = POLICY.curve(problem, Params(deepest_shared_rate=0.9))
    best = min(network.divergence(r) for r in enumerated(problem) if network.memory(r) <= problem.targets[0])
    assert network.divergence(found) <= 1.25 * best


@pytest.mark.parametrize("saving", [0.1, 0.3, 0.5, 0.7])
def test_it_loses_less_than_one_rate_for_all(saving: float) -> None:
    network = Network(sizes=[100, 100, 400, 50], losses=[1.0, 0.1, 0.2, 2.0, 0.5])
    problem = network.problem([saving])
    (found,), (uniform,) = POLICY.curve(problem, Params()), UNIFORM.with_params({})(problem)
    assert network.divergence(found) < 0.8 * network.divergence(uniform)


def test_a_stream_is_pruned_where_that_is_cheapest_and_no_deeper_than_allowed() -> None:
    network = Network(sizes=[100, 100], losses=[1.0, 1.0, 0.001])
    for deepest, expected in ((0.5, 0.5), (0.25, 0.25), (0.0, None)):
        (found,) = POLICY.curve(network.problem([0.6]), Params(deepest_shared_rate=deepest))
        assert found.get(STREAM) == expected
    (found,) = POLICY.curve(network.problem([0.97]), Params())  # out of reach with the half of the stream
    assert found[STREAM] > 0.5


def test_what_else_is_limited_is_priced() -> None:
    """Of two groups of one size one has nearly all the operations: where these are limited, it is the one to prune."""
    network = Network(sizes=[100, 100, 100], losses=[1.0, 1.0, 1.0, 9.0])

    def operations(rates: Rates) -> float:
        return 100 - 94 * rates.get("g1", 0.0) - 3 * rates.get("g0", 0.0) - 3 * rates.get("g2", 0.0)

    problem = replace(network.problem([0.05]), is_allowed=lambda rates: operations(rates) <= 55)
    (blind,) = POLICY.curve(problem, Params())
    (priced,) = POLICY.curve(replace(problem, limited=(operations,)), Params())
    assert max(operations(blind), operations(priced)) <= 55
    assert network.divergence(priced) < 0.6 * network.divergence(blind)
    assert max(priced, key=lambda group: priced[group]) == "g1"


def test_several_streams_are_tried_with_each_other() -> None:
    """Two networks side by side, each with a stream of its own."""
    sizes = {"a": 100, "b": 100}

    def memory(rates: Rates) -> int:
        return sum(
            round(1000 * size * (1 - rates.get(n, 0.0)) * (1 - rates.get(f"stream.{n}", 0.0)))
            for n, size in sizes.items()
        )

    names = (*sizes, "stream.a", "stream.b")
    problem = CurveProblem(
        steps=dict.fromkeys(names, RATES), measured=dict.fromkeys(names, RATES),
        shared=frozenset({"stream.a", "stream.b"}), targets=(100_000,), memory=memory, is_allowed=lambda _: True,
        measure=lambda every: [sum(r**2 * (1 if n in sizes else 0.01) for n, r in rates.items()) for rates in every],
    )  # fmt: skip
    assert POLICY.curve(problem, Params()) == ({"stream.a": 0.5, "stream.b": 0.5},)


def test_a_dip_in_what_was_measured_is_noise() -> None:
    """A deeper rate is never taken for a better one."""
    network = Network(sizes=[100, 100], losses=[0.5, 0.5, 9.0])
    problem = network.problem([0.3])
    dip = {0.25: 0.3, 0.5: 0.3, 0.75: 0.0, 0.9: 0.0}

    def measure(every: Sequence[Rates]) -> list[float]:
        return [dip.get(rates.get("g0", 0.0), network.divergence(rates)) for rates in every]

    (found,) = POLICY.curve(replace(problem, measure=measure), Params())
    assert found.get("g0", 0.0) < 0.25
    assert found["g1"] >= 0.5
