"""Every policy: within the floor whatever the model is like, and at the target wherever that is easy."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primesvt_core import registry
from primesvt_core.pipeline import load_policy
from primesvt_core.policies._base import Policy, Problem
from primesvt_core.types import CurvePoint, Outcome, Rates
from tests.support.arithmetic import Arithmetic

KEYS = registry.available("policies")
RATES = (0.1, 0.3, 0.5, 0.7, 0.9)
models = st.builds(
    Arithmetic,
    sizes=st.lists(st.integers(1, 1000), min_size=1, max_size=6),
    costs=st.lists(st.floats(0, 0.3), min_size=6, max_size=6),
    interplay=st.floats(0, 0.3),
)
allowances = st.floats(0, 0.2)
savings = st.floats(0.01, 0.9)


def problem(model: Arithmetic, allowed_drop: float, saving: float | None) -> Problem:
    return Problem(
        candidates=dict.fromkeys(model.groups, RATES),
        start=model.start(),
        allowed_drop=allowed_drop,
        target_bytes=None if saving is None else int(model.total * (1 - saving)),
        memory=model.memory,
    )


@pytest.fixture(params=KEYS)
def policy(request: pytest.FixtureRequest) -> Policy:
    return load_policy(request.param)


def check_curve(curve: tuple[CurvePoint, ...], asked: Problem, model: Arithmetic) -> None:
    assert curve[0] == asked.start
    for before, after in pairwise(curve):
        assert after.parameter_bytes < before.parameter_bytes
        assert asked.keeps_floor(after.accuracy_drop)
        assert after.group in asked.candidates
        assert all(rate in asked.candidates[group] for group, rate in after.rates.items())
        assert after.parameter_bytes == model.memory(after.rates)
        assert after.accuracy == model.evaluate(after.rates).accuracy


@pytest.mark.parametrize("key", KEYS)
@given(model=models, allowed_drop=allowances, saving=st.none() | savings)
def test_every_accepted_step_keeps_the_floor_and_saves(
    key: str, model: Arithmetic, allowed_drop: float, saving: float | None
) -> None:
    asked = problem(model, allowed_drop, saving)
    check_curve(load_policy(key)(asked, model.evaluate), asked, model)


@pytest.mark.parametrize("key", KEYS)
@given(model=models, allowed_drop=allowances, saving=st.none() | savings)
def test_the_same_problem_has_the_same_answer(
    key: str, model: Arithmetic, allowed_drop: float, saving: float | None
) -> None:
    asked, policy = problem(model, allowed_drop, saving), load_policy(key)
    assert policy(asked, model.evaluate) == policy(asked, model.evaluate)


@pytest.mark.parametrize("key", KEYS)
@given(sizes=st.lists(st.integers(10, 1000), min_size=1, max_size=6), saving=st.floats(0.01, 0.85))
def test_a_target_that_costs_nothing_is_reached(key: str, sizes: list[int], saving: float) -> None:
    model = Arithmetic(sizes=sizes, costs=[0.0] * 6, interplay=0.0)
    asked = problem(model, 0.0, saving)
    assert asked.reaches_target(load_policy(key)(asked, model.evaluate)[-1].parameter_bytes)


def test_without_candidates_nothing_is_evaluated(policy: Policy) -> None:
    def never(_: Rates) -> Outcome:
        raise AssertionError("there was nothing to try")

    start = Arithmetic(sizes=[10], costs=[0.0], interplay=0.0).start()
    asked = Problem(
        candidates={}, start=start, allowed_drop=0.1, target_bytes=1, memory=lambda _: start.parameter_bytes
    )
    assert policy(asked, never) == (start,)


def test_a_target_that_is_met_already_is_left_at_that(policy: Policy) -> None:
    model = Arithmetic(sizes=[10, 20], costs=[0.0, 0.0], interplay=0.0)
    asked = problem(model, 0.1, 0.0)
    assert policy(asked, model.evaluate) == (asked.start,)
