"""How strong a channel's filters are times how often its consumers see it fire."""

from __future__ import annotations

import torch
from torch import Tensor

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.pruning.surgery import filters
from primesvt_core.registry import Need
from primesvt_core.types import ChannelGroup


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)``: L2 norm of the channel's filters, over all producers, times its activity.

    The activity is the mean square of what a consumer is given, which of spikes is the firing rate, averaged over the
    positions of its kernel and over all consumers. Of queries and keys, which no weight reads, it is the energy of
    their products: of spikes, how often both fire.
    """
    squares = torch.stack([f.double().square().sum(1) for f in filters(group, scoring.state)])
    return squares.sum(0).sqrt() * _activity(scoring, group)


def _activity(scoring: Scoring, group: ChannelGroup) -> Tensor:
    consumers = scoring.consumers[group.name]
    if not consumers:
        return scoring.overlaps[group.name].diagonal(dim1=1, dim2=2).flatten()
    seen = []
    for consumer in consumers:
        moments = scoring.moments[consumer.module]
        mean_square = moments.gram.diagonal(dim1=1, dim2=2).flatten() / moments.count
        seen.append(mean_square[consumer.columns].mean(1).cpu())
    return torch.stack(seen).mean(0)


CRITERION = Criterion(score=score, needs=frozenset({Need.ACTIVATIONS}))
