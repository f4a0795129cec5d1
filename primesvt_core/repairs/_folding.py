"""Filters of channels that were folded into those most like them."""

from __future__ import annotations

import torch
from torch import Tensor

from primesvt_core.repairs._refitting import Refitted
from primesvt_core.repairs._ridge import Sums


def folded(sums: Sums, layer: Refitted) -> tuple[Tensor, Tensor]:
    """Filters ``(G, n, o)`` of the kept columns, and constants ``(G, o)``."""
    about = 1.0 if layer.has_constant else 0.0
    mean, wanted = about * sums.total / sums.count, about * sums.wanted / sums.count
    covariance = sums.gram / sums.count - mean.unsqueeze(2) * mean.unsqueeze(1)
    variance = covariance.diagonal(dim1=1, dim2=2)
    is_gone = torch.ones_like(variance, dtype=torch.bool).scatter_(1, layer.kept, value=False)
    gone = is_gone.nonzero()[:, 1].view(len(variance), -1)
    filters = layer.left(layer.filters).clone()
    if gone.shape[1] and layer.kept.shape[1]:
        between = covariance.gather(1, gone.unsqueeze(2).expand(-1, -1, covariance.shape[2]))
        between = between.gather(2, layer.kept.unsqueeze(1).expand(-1, gone.shape[1], -1))  # (G, gone, kept)
        spread = variance.gather(1, layer.kept).clamp(min=torch.finfo(variance.dtype).tiny)
        nearest = (between / spread.sqrt().unsqueeze(1)).argmax(2)
        slope = between.gather(2, nearest.unsqueeze(2)).squeeze(2) / spread.gather(1, nearest)
        rows = layer.filters.gather(1, gone.unsqueeze(2).expand(-1, -1, layer.filters.shape[2]))
        filters.scatter_add_(1, nearest.unsqueeze(2).expand_as(rows), slope.clamp(min=0.0).unsqueeze(2) * rows)
    return filters, about * (wanted - (filters * mean.gather(1, layer.kept).unsqueeze(2)).sum(1))
