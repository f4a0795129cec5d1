"""A plan that is given instead of searched for: the rates of channel groups, and whether they fit a checkpoint.

It comes from the report of a finished run, or from a file of rates. What comes from a report knows which architecture
it is of, and how many channels each rate left there. Free of torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from primesvt_client.errors import without_type
from primesvt_client.plan_files import check_once, read_plan_file
from primesvt_core.errors import ImpossibleBudget, PlanMismatch, SpecError
from primesvt_core.method.limits import chosen_groups, max_rate
from primesvt_core.method.search import Goal
from primesvt_core.pruning.groups import kept_count
from primesvt_core.spec import ClassReading, CompressionSpec, PixelReading
from primesvt_core.types import ChannelGroup, Rates

SHOWN = 5
"""What an error lists of what does not fit."""

WITHOUT_DATA = "paper"
"""The preset that needs no images: its criterion looks at weights alone, and it repairs nothing."""

NO_REPAIR = "none"
"""The repair that changes nothing."""

GivenRate = Annotated[float, Field(strict=True, ge=0.0, lt=1.0)]
Channels = Annotated[int, Field(strict=True, ge=1)]
RATES = TypeAdapter(dict[str, GivenRate])


@dataclass(frozen=True, kw_only=True)
class Origin:
    """The run that a plan was found by.

    Attributes:
        family: of its model.
        variant: likewise.
        channel_multiple: that kept channels were multiples of.
        sizes: of every group that it might prune, the channels before and after.
        data_fingerprint: of the data set that it was found on; None if on none.
    """

    family: str
    variant: str
    channel_multiple: int
    sizes: Mapping[str, tuple[int, int]]
    data_fingerprint: str | None = None


@dataclass(frozen=True, kw_only=True)
class GivenPlan:
    """Rates that are taken as they are.

    Attributes:
        name: of the file that they come from, for people.
        rates: by channel group, or by pattern (``*``, ``?``) of such names; fractions in [0, 1).
        origin: the run that found them; None of a file of rates.
    """

    name: str
    rates: Rates
    origin: Origin | None = None


@dataclass(frozen=True, kw_only=True)
class FittedPlan:
    """A plan that fits a checkpoint.

    Attributes:
        rates: of every group that loses channels, in the order of the groups.
        notes: what people could not guess.
    """

    rates: Rates
    notes: tuple[str, ...] = field(default=())


class _Read(BaseModel):
    """What is read of a report: other versions may have more."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Group(_Read):
    name: str
    size_before: Channels
    size_after: Channels
    rate: GivenRate


class _Spec(_Read):
    channel_multiple: Channels = 1


class _Data(_Read):
    fingerprint: str


class _Report(_Read):
    schema_version: Literal[1, 2]
    family: str
    variant: str
    groups: tuple[_Group, ...]
    spec: _Spec = _Spec()
    data: _Data | None = None


def read_plan(path: Path) -> GivenPlan:
    """Read a plan: a run's ``report.json``, or a YAML or JSON file of rates by channel group or pattern.

    Raises:
        SpecError: if it is neither, or names a rate that is none, or a group twice.
    """
    return plan_of(read_plan_file(path), path.name)


def plan_of(document: Mapping[str, Any], name: str) -> GivenPlan:
    """The plan that a document is: a run's report, or rates by channel group or pattern.

    Args:
        document: not validated.
        name: of the plan, for people.

    Raises:
        SpecError: if it is neither, or names a rate that is none, or a group twice.
    """
    try:
        if isinstance(document.get("groups"), list):
            return _of_report(name, _Report.model_validate(document))
        return GivenPlan(name=name, rates=RATES.validate_python(document))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {without_type(e['msg'])}" for e in error.errors()]
        raise SpecError(
            f"the plan {name} is neither a report nor rates by channel group, fractions from 0 to below 1:"
            f" {_listed(problems, '; ')}"
        ) from None


def without_more(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A plan's document without what makes no difference: of a report what is read of it, rates as they are.

    Args:
        document: not validated.
        name: of the plan, for people.

    Raises:
        SpecError: it is no plan.
    """
    plan_of(document, name)
    if not isinstance(document.get("groups"), list):
        return dict(document)
    return _Report.model_validate(document).model_dump(mode="json", exclude_none=True)


def asked_with(plan: GivenPlan, document: Mapping[str, Any], *, has_data: bool) -> dict[str, Any]:
    """A spec's document for a plan: what its rates meant where they were found, and what needs no data without any.

    Args:
        plan: given.
        document: of the spec; what it says holds.
        has_data: whether there are images.
    """
    limits = {} if plan.origin is None else {"channel_multiple": plan.origin.channel_multiple}
    return {**limits, **({} if has_data else {"preset": WITHOUT_DATA}), **document}


def check_without_data(spec: CompressionSpec, criterion_needs_data: bool = False) -> None:
    """Refuse a spec that asks for what only images can give.

    Args:
        spec: of a run without data.
        criterion_needs_data: whether the spec's criterion looks at images, where that is known.

    Raises:
        SpecError: with what does.
    """
    budget, classes, pixels = spec.budget, spec.class_reading, spec.pixel_reading
    others = (
        budget.max_inference_bytes, budget.max_synaptic_operations, budget.max_stored_bytes, budget.max_time_steps,
    )  # fmt: skip
    needy = {
        "max_accuracy_drop, min_accuracy and max_disagreement are confirmed on": budget.has_accuracy_floor,
        "limits of inference, operations, stored bytes and time steps are checked, and stored weights confirmed, on": (
            any(limit is not None for limit in others) or spec.weights is not None
        ),
        f"the repair {spec.repair!r} is fitted on": spec.repair != NO_REPAIR,
        "fine-tuning learns from": spec.fine_tuning.is_asked,
        f"the criterion {spec.criterion!r} looks at": criterion_needs_data,
        "class_order, allow_fewer_classes, value_range and preprocessing say how to read": (
            (classes, pixels) != (ClassReading(), PixelReading())
        ),
    }
    if asked := [what for what, is_asked in needy.items() if is_asked]:
        raise SpecError(f"without data nothing is measured: {'; '.join(asked)} images; give data, or leave that out")


def fitted(
    plan: GivenPlan, *, family: str, variant: str, groups: Sequence[ChannelGroup], spec: CompressionSpec
) -> FittedPlan:
    """The rates of a checkpoint's channel groups, by a plan.

    Args:
        plan: given.
        family: of the checkpoint.
        variant: likewise.
        groups: all its channel groups.
        spec: whose limits of what may be pruned hold as well.

    Raises:
        PlanMismatch: naming what does not fit: another architecture, groups, sizes, or limits of the spec.
    """
    if plan.origin is not None:
        _check_architecture(plan.name, plan.origin, family, variant, groups)
    rates = _by_group(plan, groups)
    chosen = {group.name: group for group in chosen_groups(groups, spec)}
    _check_limits(plan.name, rates, chosen, spec)
    kept = {name: kept_count(chosen[name], rate) for name, rate in rates.items()}
    if plan.origin is not None:
        _check_channels(plan.name, plan.origin, kept, rates)
    whole = [name for name, count in kept.items() if count == chosen[name].size]
    found = {name: rate for name, rate in rates.items() if name not in whole}
    if not found:
        raise PlanMismatch(f"the plan {plan.name} removes no channel of any group; there is nothing to prune")
    told = f"The rates of {_listed(whole, ', ')} are too small to remove a channel: left whole."
    return FittedPlan(rates=found, notes=(told,) if whole else ())


def seen_before(plan: GivenPlan, data_fingerprint: str) -> tuple[str, ...]:
    """A note where a plan was found on the data set that is to confirm it.

    Args:
        plan: given.
        data_fingerprint: of that data set.
    """
    if plan.origin is None or plan.origin.data_fingerprint != data_fingerprint:
        return ()
    return (
        f"The plan {plan.name} was found on this very data set: its bound does not count that the plan was chosen on"
        " it, and what was confirmed of one model may not be so independent of what is of another. Images that no run"
        " has seen promise more.",
    )


def check_targets(name: str, goal: Goal, parameter_bytes: int, macs: int, rates: Rates) -> None:
    """Refuse, before any evaluation, a target that a plan does not reach: nothing else is looked for.

    Args:
        name: of the plan.
        goal: the limits of size.
        parameter_bytes: of the model pruned by the plan.
        macs: of one image over all time steps, likewise.
        rates: of the plan.

    Raises:
        ImpossibleBudget: with what remains.
    """
    if goal.is_reached(parameter_bytes, macs, rates):
        return
    wanted = [f"{goal.target_bytes:,} bytes"] if goal.target_bytes is not None else []
    wanted += [f"{goal.max_macs:,} multiply-accumulates"] if goal.max_macs is not None else []
    wanted += [f"{limit.most:,} {limit.unit}" for limit in goal.limits]
    left = [f"{parameter_bytes:,} bytes", f"{macs:,} multiply-accumulates"]
    left += [f"{round(limit.cost(rates)):,} {limit.unit}" for limit in goal.limits]
    raise ImpossibleBudget(
        f"the budget leaves {' and '.join(wanted)}, but the plan {name} leaves {', '.join(left)}, and no other is"
        " looked for; give another plan, or relax the budget",
        facts={"parameter_bytes": parameter_bytes, "macs": macs},
    )


def _of_report(name: str, report: _Report) -> GivenPlan:
    check_once([group.name for group in report.groups])
    origin = Origin(
        family=report.family,
        variant=report.variant,
        channel_multiple=report.spec.channel_multiple,
        sizes={group.name: (group.size_before, group.size_after) for group in report.groups},
        data_fingerprint=None if report.data is None else report.data.fingerprint,
    )
    return GivenPlan(name=name, rates={group.name: group.rate for group in report.groups}, origin=origin)


def _check_architecture(name: str, origin: Origin, family: str, variant: str, groups: Iterable[ChannelGroup]) -> None:
    if (origin.family, origin.variant) != (family, variant):
        raise PlanMismatch(
            f"the plan {name} is of a model of the family {origin.family} ({origin.variant}), but the checkpoint is of"
            f" the family {family} ({variant}); give a plan of the same architecture"
        )
    sizes = {group.name: group.size for group in groups}
    if unknown := [group for group in origin.sizes if group not in sizes]:
        raise _unknown(name, unknown, sizes)
    other = [
        f"{group} has {before:,} channels in the plan and {sizes[group]:,} in the checkpoint"
        for group, (before, _) in origin.sizes.items()
        if before != sizes[group]
    ]
    if other:
        raise PlanMismatch(
            f"the plan {name} is of a model of other sizes: {_listed(other, '; ')}; give one of the same architecture"
        )


def _unknown(name: str, unknown: Sequence[str], there: Iterable[str]) -> PlanMismatch:
    return PlanMismatch(
        f"the plan {name} has rates of {_listed([repr(one) for one in unknown], ', ')}, which no channel group of the"
        f" checkpoint matches; there are: {', '.join(there)}"
    )


def _by_group(plan: GivenPlan, groups: Sequence[ChannelGroup]) -> dict[str, float]:
    """The rate of every group that has one above 0; a group's own name counts before patterns."""
    names = [group.name for group in groups]
    if unknown := [p for p in plan.rates if not any(p == name or fnmatchcase(name, p) for name in names)]:
        raise _unknown(plan.name, unknown, names)
    found: dict[str, float] = {}
    for name in names:
        matching = {pattern: rate for pattern, rate in plan.rates.items() if fnmatchcase(name, pattern)}
        rates = {plan.rates[name]} if name in plan.rates else {*matching.values()}
        if len(rates) > 1:
            given = ", ".join(f"{pattern}: {rate:g}" for pattern, rate in matching.items())
            raise PlanMismatch(f"the plan {plan.name} gives {name} several rates ({given}); name that group itself")
        found[name] = next(iter(rates), 0.0)
    return {name: rate for name, rate in found.items() if rate > 0}


def _check_limits(name: str, rates: Rates, chosen: Mapping[str, ChannelGroup], spec: CompressionSpec) -> None:
    """Refuse what the spec lets nobody prune, which would be left whole or pruned less without a word."""
    if excluded := [group for group in rates if group not in chosen]:
        raise PlanMismatch(f"the plan {name} prunes {_listed(excluded, ', ')}, which the constraint spec excludes")
    if deeper := [f"{g} at {r:g}, not {max_rate(g, spec):g}" for g, r in rates.items() if r > max_rate(g, spec)]:
        raise PlanMismatch(
            f"the plan {name} prunes deeper than max_rates of the constraint spec: {_listed(deeper, '; ')}"
        )


def _check_channels(name: str, origin: Origin, kept: Mapping[str, int], rates: Rates) -> None:
    """Refuse rates that leave other numbers of channels than where they were found."""
    other = [
        f"{group} at {rates[group]:g} leaves {count:,} channels, and left {origin.sizes[group][1]:,} there"
        for group, count in kept.items()
        if count != origin.sizes[group][1]
    ]
    if other:
        raise PlanMismatch(
            f"the rates of the plan {name} remove something else here: {_listed(other, '; ')}; give the limits of the"
            f" run that found them (channel_multiple {origin.channel_multiple})"
        )


def _listed(texts: Sequence[str], between: str) -> str:
    """The first of several texts, and how many there are more."""
    more = len(texts) - SHOWN
    return between.join(texts[:SHOWN]) + (f"{between}and {more} more" if more > 0 else "")
