"""The preflight of runs that search for nothing: another budget for a finished curve, and a given plan."""

from __future__ import annotations

from collections.abc import Iterator

from primesvt_client.plan_files import NO_LIMIT
from primesvt_core.method.finished_curve import FinishedCurve
from primesvt_core.method.given_plan import GivenPlan
from primesvt_core.preflight._base import Inputs
from primesvt_core.preflight.images import ImageCounts, count_images
from primesvt_core.preflight.looking_ahead import Preflight, put_together
from primesvt_core.preflight.memory import Depth, depth_of_plan
from primesvt_core.spec import Budget, CompressionSpec


def preflight_of_curve(spec: CompressionSpec, inputs: Inputs, curve: FinishedCurve) -> Preflight:
    """What is known before another point of a finished curve is taken.

    The smallest provable drop is that of a bound that holds together with those of all other points; the largest memory
    saving is the deepest point's.
    """
    images = count_images(spec, inputs.data, len(curve.points))
    return put_together(spec, inputs, images, Depth(largest_saving=curve.points[-1].memory_saving), later=())


def preflight_of_plan(spec: CompressionSpec, inputs: Inputs, plan: GivenPlan) -> Preflight:
    """What is known before a given plan is carried out; the largest memory saving is what it saves."""
    images = count_images(spec, inputs.data) if inputs.has_data else ImageCounts(samples=None, splits=())
    later = tuple(_told_later(spec, has_data=inputs.has_data))
    return put_together(spec, inputs, images, depth_of_plan(spec, inputs, plan), later)


def _told_later(spec: CompressionSpec, *, has_data: bool) -> Iterator[str]:
    if not has_data:
        yield "Without data nothing is measured or promised: the checkpoint is sliced."
    if spec.budget.has_target and spec.budget != Budget.model_validate(NO_LIMIT):
        yield "Whether the plan keeps the budget's limits of size is found when the job runs."
