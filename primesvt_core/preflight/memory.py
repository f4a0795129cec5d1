"""How small a model can become at all: every permitted group at its highest rate, from shapes alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from pydantic import TypeAdapter, ValidationError

from primesvt_client.facts import CheckpointFacts
from primesvt_client.rounding import rounded_down
from primesvt_core.costs import Count, polynomial
from primesvt_core.errors import SpecError
from primesvt_core.method.given_plan import GivenPlan, fitted
from primesvt_core.method.limits import chosen_groups, described
from primesvt_core.method.search import bytes_left, check_memory_target
from primesvt_core.preflight._base import VALIDATED_BEFORE, Inputs, Problem, has_other_weights, problems_of
from primesvt_core.pruning.groups import kept_count
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import ChannelGroup, GroupSize

WITHOUT_WIDTHS = frozenset(
    {
        "time_steps", "image_size", "levels", "tau", "attention_tau", "threshold", "attention_threshold", "decay_input",
        "v_reset", "soft_reset",
    }
)  # fmt: skip
"""Assumptions of where and how neurons compute: neither channel groups nor memory depend on them."""

SIZES = TypeAdapter(tuple[GroupSize, ...])


@dataclass(frozen=True, kw_only=True)
class Depth:
    """How far a model can be pruned.

    Attributes:
        largest_saving: with every permitted group at its highest rate; None if it is not known.
        problems: that a target is beyond it, or that the spec's limits leave nothing to prune.
        notes: why it is not known.
    """

    largest_saving: float | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """A model's channel groups, and its memory at any size of them."""

    groups: tuple[ChannelGroup, ...]
    memory: Count


def deepest(spec: CompressionSpec, inputs: Inputs) -> Depth:
    """How far the model can be pruned within the limits of a spec."""
    shape = _known(spec, inputs)
    if not isinstance(shape, _Shape):
        return shape
    try:
        permitted = chosen_groups(shape.groups, spec)
    except SpecError as error:
        return Depth(problems=(Problem(error=error),))
    whole = shape.memory({})
    smallest = shape.memory({group.name: kept_count(group, spec.rates[-1]) for group in permitted})
    return Depth(largest_saving=_largest_saving(whole, smallest), problems=(*_targets(spec, whole, smallest),))


def depth_of_plan(spec: CompressionSpec, inputs: Inputs, plan: GivenPlan) -> Depth:
    """What a given plan saves of the model, if it fits."""
    shape, model = _known(spec, inputs), inputs.checkpoint
    if not isinstance(shape, _Shape) or model is None:
        return shape if isinstance(shape, Depth) else Depth()
    try:
        found = fitted(plan, family=model.family, variant=model.variant or "", groups=shape.groups, spec=spec)
    except SpecError as error:
        return Depth(problems=(Problem(error=error),))
    sizes = {group.name: group for group in chosen_groups(shape.groups, spec)}
    left = shape.memory({name: kept_count(sizes[name], rate) for name, rate in found.rates.items()})
    return Depth(largest_saving=1 - left / shape.memory({}), notes=found.notes)


def _known(spec: CompressionSpec, inputs: Inputs) -> _Shape | Depth:
    """The channel groups of the model that a run would have; where they are not known, why."""
    model = inputs.checkpoint
    if model is None:
        return Depth()
    if doubt := _doubt(spec, model, inputs.checkpoint_name):
        return Depth(notes=(doubt,))
    what = "how far it can be pruned"
    return _shape(model) or Depth(notes=(VALIDATED_BEFORE.format(name=inputs.checkpoint_name, what=what),))


def _doubt(spec: CompressionSpec, model: CheckpointFacts, name: str) -> str:
    """Why the run may have other groups than were found when the checkpoint was validated; empty if it has not."""
    if has_other_weights(spec, model):
        return f"How far {name} can be pruned was found of its weights {model.container}, not of {spec.container}."
    found = (model.config or {}) | {str(one["field"]): one["value"] for one in model.assumptions or ()}
    others = [
        f"{field}={value}"
        for field, value in spec.assumptions.items()
        if field not in WITHOUT_WIDTHS and found.get(field) != value
    ]
    told = ", ".join(others)
    return f"How far {name} can be pruned depends on {told}, and is found when the job runs." if told else ""


def _shape(model: CheckpointFacts) -> _Shape | None:
    """What validation kept of the groups; None if it was another version's."""
    if model.groups is None or model.memory is None:
        return None
    try:
        sizes = SIZES.validate_python(model.groups)
    except ValidationError:
        return None
    groups = tuple(_group(size) for size in sizes)
    terms = {term.groups: term.bytes for term in model.memory}
    return _Shape(groups=groups, memory=polynomial(terms, groups))


def _group(size: GroupSize) -> ChannelGroup:
    """A group without the tensors that it is of."""
    return ChannelGroup(
        name=size.name, size=size.size, parts=size.parts, min_size=size.min_size,
        width="", slices=(), producers=(), silencers=(), consumers=(),
    )  # fmt: skip


def _targets(spec: CompressionSpec, whole: int, smallest: int) -> Iterator[Problem]:
    """The targets that are out of reach, each with the nearest that is not."""
    limits, budget = described(spec), spec.budget
    if budget.min_memory_saving is not None:
        target, nearest = bytes_left(whole, budget.min_memory_saving), _nearest_saving(whole, smallest)
        check = partial(check_memory_target, target, whole, smallest, limits)
        yield from problems_of(check, "budget.min_memory_saving", nearest)
    if budget.max_parameter_bytes is not None:
        check = partial(check_memory_target, budget.max_parameter_bytes, whole, smallest, limits)
        yield from problems_of(check, "budget.max_parameter_bytes", smallest)


def _largest_saving(whole: int, smallest: int) -> float:
    """The largest saving that may be asked for: that of the smallest model, but for rounding."""
    saving = 1 - smallest / whole
    while saving > 0 and bytes_left(whole, saving) < smallest:
        saving = math.nextafter(saving, 0)
    return saving


def _nearest_saving(whole: int, smallest: int) -> float | None:
    """A saving of four decimals that may be asked for; None if there is none."""
    return rounded_down(_largest_saving(whole, smallest)) or None
