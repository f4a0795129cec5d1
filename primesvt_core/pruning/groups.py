"""Arithmetic on channel groups: which channels a rate keeps, where they lie, what is saved. Free of torch."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from primesvt_core.errors import PruningError
from primesvt_core.types import ChannelGroup, Plan, Rates, Shapes, TensorSlice

BUFFERS = frozenset(
    {"running_mean", "running_var", "num_batches_tracked", "firing_rate_x", "firing_rate_attn", "threshold", "alpha"}
)
ROUNDING = 1e-9
"""So that a rate of 0.3 on 10 channels removes 3, though 0.3 * 10 may come out a little below."""


def kept_count(group: ChannelGroup, rate: float) -> int:
    """Channels left of ``group`` at ``rate``: the same number in every part, never fewer than its smallest size.

    Where kept sizes have to be multiples, it is the next larger one: never more than ``rate`` is removed.
    """
    run = group.size // group.parts
    smallest = math.ceil(group.min_size / group.parts)
    count = group.parts * max(run - int(rate * run + ROUNDING), min(smallest, run))
    step = math.lcm(group.parts, group.multiple)
    return min(group.size, math.ceil(count / step) * step)


def limited(group: ChannelGroup, max_rate: float, multiple: int) -> ChannelGroup:
    """The group with limits that every rate and policy respects.

    Args:
        group: of a family.
        max_rate: largest rate; deeper ones remove as much as this one.
        multiple: kept sizes are multiples of it and of the group's parts; a group that has no such size below its own
            is left whole.
    """
    return replace(group, min_size=kept_count(group, max_rate), multiple=multiple)


def is_prunable(group: ChannelGroup) -> bool:
    """Whether there is a smaller size for the group, within its limits."""
    return kept_count(group, 1.0) < group.size


def select(group: ChannelGroup, scores: Sequence[float], rate: float) -> tuple[int, ...]:
    """Channels kept at ``rate``, ascending: those of the highest score in every part; of equals, the earlier."""
    run, keep = group.size // group.parts, kept_count(group, rate) // group.parts
    kept: list[int] = []
    for start in range(0, group.size, run):
        ranked = sorted(range(start, start + run), key=lambda channel: (-scores[channel], channel))
        kept.extend(sorted(ranked[:keep]))
    return tuple(kept)


def plan_for(rates: Rates, groups: Iterable[ChannelGroup], scores: Mapping[str, Sequence[float]]) -> Plan:
    """The plan of ``rates``; groups that lose no channel are left out, so that equal plans compare equal."""
    kept = {group.name: select(group, scores[group.name], rates[group.name]) for group in groups if group.name in rates}
    sizes = {group.name: group.size for group in groups}
    return Plan({name: channels for name, channels in kept.items() if len(channels) < sizes[name]})


def composed(first: Plan, second: Plan) -> Plan:
    """One plan for two: ``second`` prunes what ``first`` left."""
    kept = {name: tuple(first.kept[name][c] for c in left) for name, left in second.kept.items() if name in first.kept}
    return Plan({**first.kept, **second.kept, **kept})


def check_plan(plan: Plan, groups: Sequence[ChannelGroup]) -> None:
    """Refuse a plan that cannot be carried out.

    Raises:
        PruningError: naming the group and what is wrong with its channels.
    """
    known = {group.name: group for group in groups}
    for name, kept in plan.kept.items():
        group = known.get(name)
        if group is None:
            raise PruningError(f"no channel group {name!r}; there are: {', '.join(known)}")
        if not kept or list(kept) != sorted(set(kept)) or kept[0] < 0 or kept[-1] >= group.size:
            raise PruningError(f"group {name}: the kept channels must be ascending, distinct, in [0, {group.size})")
        run = group.size // group.parts
        in_parts = [0] * group.parts
        for channel in kept:
            in_parts[channel // run] += 1
        if len(set(in_parts)) != 1:
            raise PruningError(
                f"group {name}: every one of its {group.parts} parts must keep the same number of channels"
            )


def positions(piece: TensorSlice, group: ChannelGroup, channels: Iterable[int]) -> list[int]:
    """Indices along the sliced dimension at which ``channels`` lie."""
    run = group.size // group.parts
    stride = run if piece.stride is None else piece.stride
    return [piece.offset + (channel // run) * stride + channel % run for channel in channels]


def pruned_shapes(shapes: Shapes, groups: Iterable[ChannelGroup], sizes: Mapping[str, int]) -> Shapes:
    """Shapes after every group in ``sizes`` is cut to that many channels."""
    result = dict(shapes)
    for group in groups:
        removed = group.size - sizes.get(group.name, group.size)
        for piece in group.slices if removed else ():
            shape = list(result[piece.tensor].shape)
            shape[piece.dim] -= removed // group.parts if piece.shared else removed
            result[piece.tensor] = replace(result[piece.tensor], shape=tuple(shape))
    return result


def memory_bytes(shapes: Shapes, unused: Collection[str] = ()) -> int:
    """Bytes of parameters and BatchNorm buffers that the forward pass uses."""
    return sum(spec.bytes for name, spec in shapes.items() if name not in unused)


def is_buffer(tensor: str) -> bool:
    """Whether a state dict entry is a buffer (of a BatchNorm, a firing rate, a threshold), not a trained parameter."""
    return tensor.rsplit(".", 1)[-1] in BUFFERS


def parameter_count(shapes: Shapes, unused: Collection[str] = ()) -> int:
    """Trained parameters that the forward pass uses."""
    return sum(math.prod(s.shape) for name, s in shapes.items() if name not in unused and not is_buffer(name))
