"""By chance: the control, against which every other criterion must win."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

from primesvt_core.criteria._base import Criterion
from primesvt_core.criteria._scoring import Scoring
from primesvt_core.types import ChannelGroup


def score(scoring: Scoring, group: ChannelGroup) -> Tensor:
    """``(size,)``: uniform in [0, 1), drawn anew for every seed and group, the same in every process."""
    chance = torch.Generator().manual_seed(zlib.crc32(f"{scoring.seed}/{group.name}".encode()))
    return torch.rand(group.size, generator=chance, dtype=torch.float64)


CRITERION = Criterion(score=score)
