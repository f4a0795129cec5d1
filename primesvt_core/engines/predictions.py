"""From logits to predictions."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from primesvt_core.engines._base import Predictions
from primesvt_core.engines.metric import Metric, right_of


def predictions(original: Tensor, candidate: Tensor, labels: Tensor, metric: Metric | None = None) -> Predictions:
    """Compare logits ``(B, num_classes)`` with labels ``(B,)``, and with the original's logits.

    Args:
        original: logits of the original.
        candidate: of the candidate.
        labels: of the images.
        metric: what counts as right; the highest logit if not given.
    """
    classes = candidate.argmax(1).cpu()
    places = labels.to(candidate.device)[:, None]
    others = candidate.scatter(1, places, -torch.inf).amax(1)
    wanted, found = (log_softmax(logits.double(), 1) for logits in (original, candidate))
    divergence = (wanted.exp() * (wanted - found)).sum(1).clamp(min=0.0)
    return Predictions(
        classes=tuple(classes.tolist()),
        right=right_of(metric, candidate, labels),
        divergence=tuple(divergence.tolist()),
        margin=tuple((candidate.gather(1, places)[:, 0] - others).tolist()),
    )
