"""L1 norm of the filters (Li et al., Pruning filters for efficient ConvNets, arXiv 1608.08710)."""

from __future__ import annotations

import torch
from torch import Tensor

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.pruning.surgery import filters
from primesvt_core.types import ChannelGroup


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)``: the sum of the absolute weights of a channel's filters, over all producers."""
    return torch.stack([f.double().abs().sum(1) for f in filters(group, scoring.state)]).sum(0)


CRITERION = Criterion(score=score)
