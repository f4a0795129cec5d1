"""Parameters of policies: what is offered of them, and how they reach the search."""

from __future__ import annotations

from typing import Literal

import pytest
from pydantic import Field, ValidationError

from primesvt_core.policies import (
    POLICIES,
    Curve,
    Evaluate,
    Parameter,
    Policy,
    PolicyParams,
    Problem,
    policy_parameters,
)
from primesvt_core.testing.arithmetic import Arithmetic
from primesvt_core.testing.policies import problem


class Params(PolicyParams):
    rounds: int = Field(ge=1, description="How often.")
    order: Literal["size", "name"] = Field(default="size", description="Which group first.")


SEEN: list[Params] = []


def search(asked: Problem, _evaluate: Evaluate, params: Params) -> Curve:
    SEEN.append(params)
    return (asked.start,)


POLICY = Policy(search=search, params=Params)


def test_the_search_gets_parameters_with_their_defaults() -> None:
    model = Arithmetic(sizes=[1], costs=[0.0], interplay=0.0)
    POLICY.with_params({"rounds": "3"})(problem(model, 0.1, None), model.evaluate)
    assert SEEN.pop() == Params(rounds=3, order="size")


@pytest.mark.parametrize("given", [{}, {"rounds": 0}, {"rounds": 1, "order": "age"}, {"rounds": 1, "depth": 2}])
def test_wrong_parameters_are_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        POLICY.with_params(given)


def test_forms_learn_what_parameters_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(POLICIES), "load", lambda _registry, _key: POLICY)
    rounds, order = policy_parameters("any")
    assert (rounds.name, rounds.is_required, rounds.default, rounds.description) == ("rounds", True, None, "How often.")
    assert (rounds.schema["type"], rounds.schema["minimum"]) == ("integer", 1)
    assert isinstance(order, Parameter)
    assert (order.name, order.is_required, order.default) == ("order", False, "size")
    assert order.schema["enum"] == ["size", "name"]


def test_the_papers_policy_has_none() -> None:
    assert policy_parameters("prioritized") == ()
