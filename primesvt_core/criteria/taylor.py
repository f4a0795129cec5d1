"""First-order change of the loss when a channel is silenced (Molchanov et al., arXiv 1611.06440), with labels.

Silencing sets a channel's current behind its last BatchNorm to 0. To first order that changes an image's loss by the
sum over positions and time steps of gradient times current; gradients of spikes are the surrogates of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.engines import Images
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.groups import positions
from primesvt_core.registry import Need
from primesvt_core.types import ChannelGroup

IMAGES = 256
"""So many labelled images are looked at, or all where there are fewer."""

BATCH = 16
"""Images at a time: all that a network computes on them is kept until their gradients are known."""


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)`` float64: the mean over images of the absolute first-order change of the cross entropy."""
    return scoring.once(_changes)[group.name]


def _changes(scoring: Scoring) -> Mapping[str, Tensor]:
    """The scores of all groups, from one backward pass a batch of images."""
    sums = {group.name: torch.zeros(group.size, dtype=torch.float64) for group in scoring.groups}
    norms = sorted({norm for group in scoring.groups for norm in group.silencers})
    images = 0
    for x, labels in _batches(scoring.labels):
        found = _by_norm(scoring.model, norms, x, labels)
        for group in scoring.groups:
            sums[group.name] += _of_group(group, found).abs().sum(0)
        images += len(labels)
        scoring.tick(f"gradients, image {images} of {IMAGES}")
    return {name: total / images for name, total in sums.items()}


def _batches(images: Images) -> Iterator[tuple[Tensor, Tensor]]:
    """The first images and their labels."""
    left, block = IMAGES, 0
    while left > 0 and block < len(images):
        x, labels = (found[:left] for found in images.block(block))
        yield from zip(torch.split(x, BATCH), torch.split(labels, BATCH), strict=True)
        left, block = left - len(labels), block + 1


def _of_group(group: ChannelGroup, by_norm: Mapping[str, Tensor]) -> Tensor:
    """``(B, size)``: all of the channels' producers are silenced at once."""
    norms = {f"{norm}.weight": norm for norm in group.silencers}
    return torch.stack(
        [
            by_norm[norms[piece.tensor]][:, positions(piece, group, range(group.size))]
            for piece in group.slices
            if piece.tensor in norms
        ]
    ).sum(0)


def _by_norm(model: SpikingModel, norms: list[str], x: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Of every BatchNorm ``(B, C)`` float64: gradient times output, summed over positions and time steps."""
    device = next(model.parameters()).device
    with torch.inference_mode(mode=False), torch.enable_grad(), _currents(model, norms) as currents:
        logits = model(x.to(next(model.parameters())))
        loss = cross_entropy(logits, labels.to(device), reduction="sum")
        calls = [(name, y) for name, found in currents.items() for y in found]
        gradients = torch.autograd.grad(loss, [y for _, y in calls])
    found = {name: torch.zeros(len(x), 1, dtype=torch.float64) for name in norms}
    for (name, y), gradient in zip(calls, gradients, strict=True):
        steps = y.shape[0] // len(x)  # one where all time steps are the same, and computed once
        products = (gradient * y).detach().double().reshape(steps, len(x), y.shape[1], -1)
        found[name] = found[name] + products.sum((0, 3)).cpu()
    return found


@contextmanager
def _currents(model: SpikingModel, norms: list[str]) -> Iterator[dict[str, list[Tensor]]]:
    """What the BatchNorms of these names give, call by call, with gradients."""
    seen: dict[str, list[Tensor]] = {name: [] for name in norms}

    def hook(name: str, y: Tensor) -> None:
        if not y.requires_grad:  # a model whose weights are frozen
            y.requires_grad_()
        seen[name].append(y)

    handles = []
    for name in norms:

        def watch(_module: nn.Module, _x: object, y: Tensor, name: str = name) -> None:
            hook(name, y)

        handles.append(model.get_submodule(name).register_forward_hook(watch))
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


CRITERION = Criterion(score=score, needs=frozenset({Need.LABELS, Need.GRADIENTS}))
