"""Slicing a state dict by a plan, and putting the pruned tensors back into the original's shapes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from primesvt_core.families._base import Family, FamilyConfig
from primesvt_core.pruning.groups import check_plan, positions
from primesvt_core.types import ChannelGroup, Plan, Shapes, TensorSlice, TensorSpec

State = Mapping[str, Tensor]
C = TypeVar("C", bound=FamilyConfig)


def shapes_of(state: State) -> Shapes:
    """A state dict without its values."""
    return {
        name: TensorSpec(
            shape=tuple(tensor.shape), dtype=str(tensor.dtype).removeprefix("torch."), itemsize=tensor.element_size()
        )
        for name, tensor in state.items()
    }


def full_shapes(family: Family[C], config: C) -> Shapes:
    """The state dict of a config's model without its values, and without the memory for them.

    Raises:
        RuntimeError: torch's, of widths that no tensor has.
    """
    return dict(_full_shapes(family.build, config))


@lru_cache(maxsize=8)  # what looks at a file again, as loading does after inspecting, asks for the same config
def _full_shapes(build: Callable[[C], nn.Module], config: C) -> Shapes:
    with torch.device("meta"):
        return shapes_of(build(config).state_dict())


def prune(family: Family[C], config: C, state: State, plan: Plan) -> tuple[C, dict[str, Tensor]]:
    """Remove the channels that ``plan`` does not keep.

    Returns:
        The config with the new widths, and a state dict of its shapes that shares no memory with ``state``.

    Raises:
        PruningError: if the plan cannot be carried out.
    """
    groups = family.groups(config)
    check_plan(plan, groups)
    planned = [group for group in groups if group.name in plan.kept]
    sliced = {name: tensor.clone() for name, tensor in state.items()}
    for group in planned:
        for piece in group.slices:
            if piece.shared:
                sliced[piece.tensor] = _slice_shared(sliced[piece.tensor], piece, group, plan.kept[group.name])
    for (name, dim), dropped in _dropped(planned, plan).items():
        keep = [index for index in range(state[name].shape[dim]) if index not in dropped]
        sliced[name] = sliced[name].index_select(dim, torch.tensor(keep, device=state[name].device))
    widths = {group.width: len(plan.kept[group.name]) for group in planned}
    return with_widths(config, widths), sliced


def masked(family: Family[C], config: C, state: State, plan: Plan, shapes: Shapes) -> dict[str, Tensor]:
    """A pruned state dict at the shapes of the original: the channels that are gone are there again, silent.

    The public code, whose widths are fixed, loads it and computes what the pruned model does.

    Args:
        family: of both.
        config: the original's.
        state: the pruned one's, perhaps fine-tuned.
        plan: by which it was pruned.
        shapes: the original's.

    Raises:
        PruningError: if the plan is not one of this model.
    """
    groups = family.groups(config)
    check_plan(plan, groups)
    planned = [group for group in groups if group.name in plan.kept]
    found = {name: tensor.clone() for name, tensor in state.items()}
    for group in planned:
        for piece in group.slices:
            if piece.shared:
                size = shapes[piece.tensor].shape[piece.dim]
                found[piece.tensor] = _spread_shared(found[piece.tensor], piece, group, plan.kept[group.name], size)
    for (name, dim), dropped in _dropped(planned, plan).items():
        keep = [index for index in range(shapes[name].shape[dim]) if index not in dropped]
        found[name] = _spread(found[name], dim, keep, shapes[name].shape[dim], 1 if name.endswith("running_var") else 0)
    return found


def _spread(tensor: Tensor, dim: int, places: Sequence[int], size: int, filling: int) -> Tensor:
    """The tensor's slices along ``dim`` at their ``places`` among ``size``; ``filling`` elsewhere."""
    shape = [*tensor.shape[:dim], size, *tensor.shape[dim + 1 :]]
    return torch.full(shape, filling, dtype=tensor.dtype).index_copy(dim, torch.tensor(places), tensor)


def _spread_shared(tensor: Tensor, piece: TensorSlice, group: ChannelGroup, kept: Sequence[int], size: int) -> Tensor:
    """The inverse of `_slice_shared`."""
    parts = tensor.chunk(group.parts, dim=0)
    inputs = _inputs(group, kept)
    return torch.cat([_spread(rows, piece.dim, keep, size, 0) for rows, keep in zip(parts, inputs, strict=True)])


def _inputs(group: ChannelGroup, kept: Sequence[int]) -> list[list[int]]:
    """For every part, which channels of its run are kept."""
    run = group.size // group.parts
    return [[c % run for c in kept if c // run == part] for part in range(group.parts)]


def _dropped(planned: Sequence[ChannelGroup], plan: Plan) -> dict[tuple[str, int], set[int]]:
    """Indices to remove, by tensor and dimension; several groups may share one dimension."""
    dropped: dict[tuple[str, int], set[int]] = defaultdict(set)
    for group in planned:
        gone = sorted(set(range(group.size)) - set(plan.kept[group.name]))
        for piece in group.slices:
            if not piece.shared:
                dropped[piece.tensor, piece.dim].update(positions(piece, group, gone))
    return dropped


def _slice_shared(tensor: Tensor, piece: TensorSlice, group: ChannelGroup, kept: Sequence[int]) -> Tensor:
    """Slice the input channels of a grouped convolution: each part of its rows keeps its own subset."""
    parts, inputs = tensor.chunk(group.parts, dim=0), _inputs(group, kept)
    return torch.cat(
        [rows.index_select(piece.dim, torch.tensor(keep)) for rows, keep in zip(parts, inputs, strict=True)]
    )


def with_widths(config: C, widths: Mapping[str, int]) -> C:
    """The config with the fields at the dotted paths replaced."""
    document = config.model_dump(mode="json")
    for path, width in widths.items():
        *parents, leaf = path.split(".")
        node: Any = document
        for key in parents:
            node = node[int(key) if key.isdigit() else key]
        node[int(leaf) if leaf.isdigit() else leaf] = width
    return type(config).model_validate(document)


def filters(group: ChannelGroup, state: State) -> list[Tensor]:
    """Every producer's filters of the group's channels: ``(size, fan_in)`` each, float32.

    A tensor in which several producers are fused (queries and keys) gives one for each of its slices.
    """
    found = []
    for producer in group.producers:
        for piece in group.slices:
            if piece.tensor == producer and piece.dim == 0:
                rows = torch.tensor(positions(piece, group, range(group.size)))
                found.append(state[producer].float().index_select(0, rows).flatten(1))
    return found
