"""What every policy that goes by divergence must hold: within every limit, at every target that can be reached."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_core.policies import POLICIES, CurvePolicy, CurveProblem, CurveSearch
from primesvt_core.testing.policies import AnyPolicySuite, repeatable
from primesvt_core.types import Rates

STREAM = "stream"
MEASURED = (0.125, 0.25, 0.5, 0.75, 0.9)
STEPS = (*(n / 16 for n in range(1, 15)), 0.9)


@dataclass(frozen=True, kw_only=True)
class Network:
    """Groups ``g0``, ``g1`` ... that read one stream; memory is the product of what both keep.

    Attributes:
        sizes: of each group, in units of 1,000 bytes.
        losses: divergence of each group, pruned away whole; the stream's is the last.
        bend: power of the rate that it grows with.
    """

    sizes: Sequence[int]
    losses: Sequence[float]
    bend: float = 2.0

    @property
    def names(self) -> tuple[str, ...]:
        return (*(f"g{number}" for number in range(len(self.sizes))), STREAM)

    def memory(self, rates: Rates) -> int:
        kept = 1 - rates.get(STREAM, 0.0)
        return sum(round(1000 * size * (1 - rates.get(f"g{n}", 0.0)) * kept) for n, size in enumerate(self.sizes))

    def divergence(self, rates: Rates) -> float:
        lost = dict(zip(self.names, self.losses, strict=True))
        return sum(lost[name] * math.pow(rate, self.bend) for name, rate in rates.items())

    def problem(self, savings: Sequence[float], most: Mapping[str, float] | None = None) -> CurveProblem:
        """Targets by savings; ``most``: a sum of rates that is not allowed, by a group that must be in it."""
        limits = most or {}
        return CurveProblem(
            steps=dict.fromkeys(self.names, STEPS),
            measured=dict.fromkeys(self.names, MEASURED),
            shared=frozenset({STREAM}),
            targets=tuple(int(self.memory({}) * (1 - saving)) for saving in sorted(savings)),
            memory=self.memory,
            is_allowed=lambda rates: all(rates.get(name, 0.0) <= most for name, most in limits.items()),
            measure=lambda every: [self.divergence(rates) for rates in every],
        )


NETWORKS = st.integers(1, 5).flatmap(
    lambda count: st.builds(
        Network,
        sizes=st.lists(st.integers(1, 1000), min_size=count, max_size=count),
        losses=st.lists(st.floats(0, 2), min_size=count + 1, max_size=count + 1),
        bend=st.floats(1.0, 3.0),
    )
)
SAVINGS = st.lists(st.floats(0.02, 0.85), min_size=1, max_size=4)


class CurvePolicySuite(AnyPolicySuite):
    """Derive from it, with the key of a policy that goes by divergence."""

    @pytest.fixture
    def policy(self) -> CurveSearch:
        """The policy, its parameters set."""
        found = POLICIES.load(self.key)
        assert isinstance(found, CurvePolicy)
        return found.with_params(self.params)

    def test_every_target_is_reached_by_permitted_rates(self, policy: CurveSearch) -> None:
        @repeatable
        @given(network=NETWORKS, savings=SAVINGS)
        def holds(network: Network, savings: list[float]) -> None:
            problem = network.problem(savings)
            curve = policy(problem)
            assert len(curve) == len(problem.targets)
            for rates, target in zip(curve, problem.targets, strict=True):
                assert problem.memory(rates) <= target
                assert all(rate in problem.steps[group] for group, rate in rates.items())

        holds()

    def test_the_same_problem_has_the_same_answer(self, policy: CurveSearch) -> None:
        @repeatable
        @given(network=NETWORKS, savings=SAVINGS)
        def holds(network: Network, savings: list[float]) -> None:
            assert policy(network.problem(savings)) == policy(network.problem(savings))

        holds()

    def test_targets_out_of_reach_are_left_out(self, policy: CurveSearch) -> None:
        network = Network(sizes=[10, 20], losses=[0.1, 0.1, 0.1])
        assert len(policy(network.problem([0.5, 0.999]))) == 1

    def test_limits_beside_memory_are_kept(self, policy: CurveSearch) -> None:
        network = Network(sizes=[10, 10], losses=[0.0, 1.0, 1.0])
        for rates in policy(network.problem([0.1, 0.3, 0.4], {"g0": 0.5})):
            assert rates.get("g0", 0.0) <= 0.5

    def test_groups_without_rates_are_left_alone(self, policy: CurveSearch) -> None:
        problem = Network(sizes=[10, 10], losses=[0.1, 0.1, 0.1]).problem([0.3])
        steps, measured = {**problem.steps, "g0": (), STREAM: ()}, {**problem.measured, "g0": (), STREAM: ()}
        (rates,) = policy(
            CurveProblem(
                steps=steps, measured=measured, shared=problem.shared, targets=problem.targets, memory=problem.memory,
                is_allowed=problem.is_allowed, measure=problem.measure,
            )
        )  # fmt: skip
        assert rates.keys() == {"g1"}
