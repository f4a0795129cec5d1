"""What is known before another budget, and before a given plan."""

from __future__ import annotations

from dataclasses import replace

import pytest

from primesvt_core.method.finished_curve import FinishedCurve
from primesvt_core.method.given_plan import GivenPlan, Origin
from primesvt_core.preflight import Inputs, preflight_of_curve, preflight_of_plan
from primesvt_core.promise.family import joint_confidence
from primesvt_core.promise.provable import smallest_provable_drop
from primesvt_core.types import CurvePoint
from tests.support.preflights import WHOLE, asked, data, inputs, model

POINTS = tuple(
    CurvePoint(rates={"mlp": rate}, accuracy=0.9, accuracy_drop=0.0, parameter_bytes=480, memory_saving=rate)
    for rate in (0.1, 0.2, 0.3, 0.4)
)
CURVE = FinishedCurve(name="the job job_1", points=POINTS, images=100, first_budget=0.03)


def plan(rates: dict[str, float], origin: Origin | None = None) -> GivenPlan:
    return GivenPlan(name="of the request", rates=rates, origin=origin)


def test_another_budget_must_be_provable_beside_all_the_other_points() -> None:
    """With 550 images one candidate proves 0.49 points, and each of four, at an error of 1.25 %, 0.91."""
    least = smallest_provable_drop(550, joint_confidence(0.95, 4))
    assert smallest_provable_drop(550, 0.95) < 0.0075 < least
    found = preflight_of_curve(asked(budget={"max_accuracy_drop": 0.0075}), inputs(model(), data()), CURVE)
    assert found.provable_drop == least
    [problem] = found.problems
    assert (problem.code, problem.field) == ("budget_unprovable", "budget.max_accuracy_drop")
    assert problem.nearest == pytest.approx(least, abs=1e-4)
    assert preflight_of_curve(asked(budget={"max_accuracy_drop": 0.02}), inputs(model(), data()), CURVE).problems == ()
    assert found.max_memory_saving == POINTS[-1].memory_saving


def test_a_plan_saves_what_its_rates_leave_out() -> None:
    """Of 10 by 12 the half of 10 is left: 240 of 480 bytes."""
    found = preflight_of_plan(asked(), inputs(model(), data()), plan({"mlp": 0.5}))
    assert (found.max_memory_saving, found.problems) == (0.5, ())
    assert found.parameter_bytes == WHOLE
    assert found.provable_drop == smallest_provable_drop(550, 0.95)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (plan({"nothing": 0.5}), "no channel group"),
        (plan({"mlp": 0.01}), "removes no channel"),
        (plan({"mlp": 0.5}, Origin(family="qkformer", variant="cifar", channel_multiple=1, sizes={})), "qkformer"),
        (plan({"mlp": 0.5}, Origin(family="spikformer", variant="cifar", channel_multiple=1, sizes={"mlp": (20, 10)})),
         "20 channels"),
    ],
    ids=["group", "nothing", "family", "size"],
)  # fmt: skip
def test_a_plan_that_does_not_fit_is_a_problem_before_anything_is_queued(given: GivenPlan, told: str) -> None:
    found = preflight_of_plan(asked(), inputs(model(), data()), given)
    [problem] = found.problems
    assert problem.code == "plan_mismatch"
    assert told in problem.detail
    assert found.max_memory_saving is None


def test_without_data_there_are_no_images_to_count() -> None:
    none = Inputs(checkpoint_name="m.pth", checkpoint=model(), data_name="", data=None, has_data=False)
    found = preflight_of_plan(asked(budget={"min_memory_saving": 0.0}), none, plan({"mlp": 0.5}))
    assert (found.samples, found.splits, found.provable_drop, found.max_memory_saving) == (None, (), None, 0.5)
    assert found.problems == ()
    assert len(found.notes) == 1
    unknown = preflight_of_plan(asked(), replace(none, checkpoint=None), plan({"mlp": 0.5}))
    assert (unknown.max_memory_saving, unknown.problems) == (None, ())
