"""Greedy by repaired error: the channel goes first whose loss the consumers make up for best when they are refitted.

After optimal brain surgeon (Hassibi and Stork 1993), as OSSCAR (ICML 2024) and ZipLM (arXiv 2302.04089) have it for
layers; here for a channel with all its consumers at once, in units of the current that reaches their neurons.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._greedy import Reader, order_by_overlaps, order_by_readers
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.pruning.consumers import Consumer
from primesvt_core.registry import Need
from primesvt_core.types import ChannelGroup


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)`` float64: the place of every channel in the order of removal, from 0."""
    consumers = scoring.consumers[group.name]
    if consumers:
        readers = [reader for consumer in consumers for reader in _readers(scoring, consumer)]
        order = order_by_readers(readers, group.size, group.parts)
    else:
        order = order_by_overlaps(scoring.overlaps[group.name])
    places = torch.empty(group.size, dtype=torch.float64)
    places[order] = torch.arange(group.size, dtype=torch.float64)
    return places


def _readers(scoring: Scoring, consumer: Consumer) -> Iterator[Reader]:
    """One for every group of a convolution; none for one that is given the same everywhere, which loses nothing."""
    weight = scoring.state[consumer.weight].double().flatten(1).cpu() * consumer.scale.cpu()[:, None]
    covariance, columns = scoring.moments[consumer.module].covariance.cpu(), consumer.columns.cpu()
    of_group = columns[:, 0] // consumer.fan_in
    for number, rows in enumerate(weight.chunk(consumer.groups)):
        channels = (of_group == number).nonzero().flatten()
        if len(channels) and covariance[number].diagonal().sum() > 0:
            yield Reader(rows, covariance[number], channels.tolist(), columns[channels] - number * consumer.fan_in)


CRITERION = Criterion(score=score, needs=frozenset({Need.ACTIVATIONS}))
