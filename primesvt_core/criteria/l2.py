"""L2 norm of the filters (PrimeSVT, arXiv 2606.03428): channels with weak filters go first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.pruning.surgery import filters
from primesvt_core.types import ChannelGroup


def l2_scores(filters: Sequence[Tensor]) -> Tensor:
    """Score each channel by the L2 norm of its filters, those of all producers taken as one vector.

    Args:
        filters: ``(size, fan_in)`` per producer, float32.

    Returns:
        ``(size,)`` float64, non-negative; larger means keep.
    """
    return torch.stack([f.double().square().sum(1) for f in filters]).sum(0).sqrt()


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)``: of the weights alone."""
    return l2_scores(filters(group, scoring.state))


CRITERION = Criterion(score=score)
