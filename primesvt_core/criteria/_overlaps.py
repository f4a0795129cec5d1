"""Channels that no weight reads: queries and keys, whose products are summed over them, or queries that are counted.

A channel's part of such a sum cannot be made up for by others with a weight, so what counts is how large it is, and how
far it falls on the same places as the parts of other channels:

- self-attention sums ``q_d k_dᵀ`` over the channels d of a head; the overlap of two is ``<q_d, q_e> <k_d, k_e>``;
- token attention sums the queries themselves; the overlap of two is ``<q_d, q_e>``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from primesvt_core.layers.graph import Fire, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.consumers import attention_of
from primesvt_core.pruning.groups import positions
from primesvt_core.types import ChannelGroup


@dataclass(frozen=True)
class Place:
    """Where channels are in a value of the graph.

    Attributes:
        value: ``(T, B, C, ...)``.
        channels: ``(size,)``, which of the C they are.
    """

    value: Signal
    channels: Tensor


@dataclass(frozen=True)
class Places:
    """Where a group's channels are, and whether those are multiplied (queries and keys) or counted each for itself."""

    places: tuple[Place, ...]
    are_multiplied: bool


def places_of(group: ChannelGroup, model: SpikingModel) -> Places:
    """Where to look for the channels of a group without a consumer."""
    attention = attention_of(group, model)
    if attention is not None:
        channels = torch.arange(group.size)
        return Places(tuple(Place(value, channels) for value in attention.inputs[:2]), are_multiplied=True)
    norms = {f"{norm}.weight": norm for norm in group.silencers}
    found = [
        Place(_fired(norms[piece.tensor], model), torch.tensor(positions(piece, group, range(group.size))))
        for piece in group.slices
        if piece.tensor in norms
    ]
    return Places(tuple(found), are_multiplied=False)


def overlaps(found: Places, values: Mapping[Signal, Tensor], parts: int) -> Tensor:
    """``(parts, run, run)`` float64: of every two channels of a part, summed over images and time steps."""
    grams = [_grams(values[place.value], place.channels, parts) for place in found.places]
    if found.are_multiplied:
        queries, keys = grams
        grams = [queries * keys]
    return torch.stack([gram.double().sum(0) for gram in grams]).sum(0).cpu()


def _grams(value: Tensor, channels: Tensor, parts: int) -> Tensor:
    """``(T * B, parts, run, run)``: of every image and time step alone."""
    x = value.flatten(0, 1).index_select(1, channels.to(value.device)).flatten(2)
    x = x.reshape(len(x), parts, -1, x.shape[-1])
    return x @ x.transpose(2, 3)


def _fired(norm: str, model: SpikingModel) -> Signal:
    """What the first neuron behind a BatchNorm gives; the BatchNorm's own currents where there is none."""
    reached: dict[Signal, None] = {}
    for node in model.graph.nodes:
        if node.uses(f"{norm}.weight"):
            reached[node.value] = None
        elif isinstance(node.op, Fire) and {*node.inputs} & {*reached}:
            return node.value
    return next(iter(reached))
