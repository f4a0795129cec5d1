"""What every policy must hold: within the floor whatever the model is like, at the target wherever that is easy."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar, Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from primesvt_core.policies import POLICIES, Curve, Policy, PolicySearch, Problem, policy_parameters
from primesvt_core.testing.arithmetic import Arithmetic
from primesvt_core.types import FLOAT_SLACK, Rates

RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
MODELS = st.builds(
    Arithmetic,
    sizes=st.lists(st.integers(1, 1000), min_size=1, max_size=6),
    costs=st.lists(st.floats(0, 0.3), min_size=6, max_size=6),
    interplay=st.floats(0, 0.3),
)
DROPS = st.floats(0, 0.2)
SAVINGS = st.floats(0.01, 0.9)
repeatable = settings(database=None, derandomize=True, deadline=None, report_multiple_bugs=False)


def problem(model: Arithmetic, allowed_drop: float, saving: float | None) -> Problem:
    """Prune ``model`` within a loss of accuracy, by a share of its memory or as much as possible."""
    return Problem(
        candidates=dict.fromkeys(model.groups, RATES),
        start=model.start(),
        allowed_drop=allowed_drop,
        target_bytes=None if saving is None else int(model.total * (1 - saving)),
        memory=model.memory,
        macs=model.macs,
        is_within=lambda rates: model.drop(rates) <= allowed_drop + FLOAT_SLACK,
    )


def check_curve(curve: Curve, asked: Problem, model: Arithmetic) -> None:
    """Every step is one of the candidates, true to the model, saves something, and keeps the floor."""
    assert curve[0] == asked.start
    for before, after in pairwise(curve):
        assert after.parameter_bytes < before.parameter_bytes
        assert asked.keeps_floor(after.accuracy_drop)
        assert after.group in asked.candidates
        assert all(rate in asked.candidates[group] for group, rate in after.rates.items())
        assert after.parameter_bytes == model.memory(after.rates)
        assert after.accuracy == model.evaluate(after.rates).accuracy


class AnyPolicySuite:
    """What policies of both kinds hold.

    Attributes:
        key: of the policy.
        params: with which it is tested; the default of every other parameter.
    """

    key: ClassVar[str]
    params: ClassVar[Mapping[str, JsonValue]] = {}

    @pytest.fixture
    def policy_key(self) -> str:
        return self.key

    def test_every_parameter_is_described(self, policy_key: str) -> None:
        """Forms and help texts have nothing else to show."""
        for parameter in policy_parameters(policy_key):
            assert parameter.description, parameter.name

    def test_it_is_loaded_without_torch(self, policy_key: str) -> None:
        """The API checks parameters, and loads no torch."""
        code = (
            f"import sys; from primesvt_core.policies import POLICIES; POLICIES.load({policy_key!r});"
            "sys.exit('torch' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603


class PolicySuite(AnyPolicySuite):
    """Derive from it, with the key of a policy that goes by accuracy."""

    @pytest.fixture
    def policy(self) -> PolicySearch:
        """The policy, its parameters set."""
        found = POLICIES.load(self.key)
        assert isinstance(found, Policy)
        return found.with_params(self.params)

    def test_every_accepted_step_keeps_the_floor_and_saves(self, policy: PolicySearch) -> None:
        @repeatable
        @given(model=MODELS, allowed_drop=DROPS, saving=st.none() | SAVINGS)
        def holds(model: Arithmetic, allowed_drop: float, saving: float | None) -> None:
            asked = problem(model, allowed_drop, saving)
            check_curve(policy(asked, model.evaluate), asked, model)

        holds()

    def test_the_same_problem_has_the_same_answer(self, policy: PolicySearch) -> None:
        @repeatable
        @given(model=MODELS, allowed_drop=DROPS, saving=st.none() | SAVINGS)
        def holds(model: Arithmetic, allowed_drop: float, saving: float | None) -> None:
            asked = problem(model, allowed_drop, saving)
            assert policy(asked, model.evaluate) == policy(asked, model.evaluate)

        holds()

    def test_a_target_that_costs_nothing_is_reached(self, policy: PolicySearch) -> None:
        @repeatable
        @given(sizes=st.lists(st.integers(10, 1000), min_size=1, max_size=6), saving=st.floats(0.01, 0.85))
        def holds(sizes: list[int], saving: float) -> None:
            model = Arithmetic(sizes=sizes, costs=[0.0] * 6, interplay=0.0)
            asked = problem(model, 0.0, saving)
            assert asked.reaches_target(policy(asked, model.evaluate)[-1].rates)

        holds()

    def test_a_target_is_reached_where_every_limit_is_met(self, policy: PolicySearch) -> None:
        @repeatable
        @given(
            sizes=st.lists(st.integers(10, 1000), min_size=1, max_size=6),
            saving=st.none() | st.floats(0.01, 0.85),
            fewer=st.floats(0.01, 0.85),
        )
        def holds(sizes: list[int], saving: float | None, fewer: float) -> None:
            model = Arithmetic(sizes=sizes, costs=[0.0] * 6, interplay=0.0)
            asked = replace(problem(model, 0.0, saving), max_macs=int(model.total * (1 - fewer)))
            assert asked.reaches_target(policy(asked, model.evaluate)[-1].rates)

        holds()

    def test_a_file_that_is_small_enough_is_a_target(self, policy: PolicySearch) -> None:
        model = Arithmetic(sizes=[10, 20], costs=[0.0, 0.0], interplay=0.0)
        limited = replace(
            problem(model, 0.0, None), keeps_limits=lambda rates: model.memory(rates) <= 0.8 * model.total
        )
        assert not limited.reaches_target({})
        assert limited.reaches_target(policy(limited, model.evaluate)[-1].rates)

    def test_without_candidates_nothing_is_evaluated(self, policy: PolicySearch) -> None:
        def never(_: Rates) -> Never:
            raise AssertionError("there was nothing to try")

        start = Arithmetic(sizes=[10], costs=[0.0], interplay=0.0).start()
        asked = Problem(
            candidates={}, start=start, allowed_drop=0.1, target_bytes=1, memory=lambda _: start.parameter_bytes,
            macs=lambda _: start.parameter_bytes, is_within=never,
        )  # fmt: skip
        assert policy(asked, never) == (start,)

    def test_a_target_that_is_met_already_is_left_at_that(self, policy: PolicySearch) -> None:
        model = Arithmetic(sizes=[10, 20], costs=[0.0, 0.0], interplay=0.0)
        asked = problem(model, 0.1, 0.0)
        assert policy(asked, model.evaluate) == (asked.start,)
