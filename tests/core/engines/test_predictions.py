"""From logits to predictions."""

from __future__ import annotations

import math

import pytest
import torch

from primesvt_core.engines.predictions import predictions

ORIGINAL = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
CANDIDATE = torch.tensor([[2.0, 0.0, 0.0], [1.0, -1.0, 0.5]])
LABELS = torch.tensor([0, 2])


def test_what_is_said_of_every_image() -> None:
    found = predictions(ORIGINAL, CANDIDATE, LABELS)
    assert found.classes == (0, 0)
    assert found.right == (True, False)
    assert found.margin == (2.0, -0.5)


def test_the_divergence_is_that_of_the_softmaxes() -> None:
    found = predictions(ORIGINAL, CANDIDATE, LABELS)
    p, q = ([math.exp(x) / sum(map(math.exp, row)) for x in row] for row in ([0.0, 1.0, 0.0], [1.0, -1.0, 0.5]))
    wanted = sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))
    assert found.divergence[0] == 0.0
    assert found.divergence[1] == pytest.approx(wanted, rel=1e-6)
