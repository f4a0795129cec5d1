"""How much of the variance of its consumers' currents a channel brings, other channels aside (VBP, arXiv 2507.12988).

A constant part of a channel can be put into a bias; only what varies is lost with it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.pruning.consumers import Consumer
from primesvt_core.registry import Need
from primesvt_core.types import ChannelGroup


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)``: for every consumer, row and kernel position the squared weight, in units of the current behind its
    BatchNorm, times the variance of the input; summed.

    Of queries and keys, which no weight reads and no bias follows, it is the energy of their products.
    """
    consumers = scoring.consumers[group.name]
    if not consumers:
        return scoring.overlaps[group.name].diagonal(dim1=1, dim2=2).flatten()
    return torch.stack([_brought(scoring, consumer) for consumer in consumers]).sum(0)


def _brought(scoring: Scoring, consumer: Consumer) -> Tensor:
    """``(size,)``: squared currents."""
    weight = scoring.state[consumer.weight].double().flatten(1).cpu() * consumer.scale.cpu()[:, None]
    energy = weight.view(consumer.groups, -1, consumer.fan_in).square().sum(1).flatten()
    variance = scoring.moments[consumer.module].covariance.diagonal(dim1=1, dim2=2).flatten().cpu()
    return (energy * variance)[consumer.columns.cpu()].sum(1)


CRITERION = Criterion(score=score, needs=frozenset({Need.ACTIVATIONS}))
