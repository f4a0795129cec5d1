"""Operations as they are written: what the engine computes of them is what torch does, bit for bit."""

from __future__ import annotations

import importlib.util

import pytest
import torch
from torch import Tensor, nn

from primesvt_core.engines.folding import steps
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.pointwise import PointwiseLinear
from primesvt_core.pruning.patches import Patch

pytestmark = pytest.mark.skipif(importlib.util.find_spec("numba") is None, reason="numba is not installed")
CHANNELS = 24


def drawn(norm: nn.Module, dtype: torch.dtype) -> nn.Module:
    """A BatchNorm that has seen something."""
    chance = torch.Generator().manual_seed(0)
    for name, tensor in norm.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=chance)
            tensor.copy_(noise.square() + 0.1 if name in ("running_var", "weight") else noise)
    return norm.to(dtype).eval()


def values(*shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("tokens", [1, 7, 400])
@pytest.mark.parametrize("affine", [True, False])
def test_a_norm_of_tokens_is_torchs(tokens: int, affine: bool, dtype: torch.dtype) -> None:
    norm = drawn(nn.BatchNorm1d(CHANNELS, affine=affine), dtype)
    last = values(2, 3, tokens, CHANNELS, dtype=dtype).movedim(-1, 2)
    with torch.inference_mode():
        for x in (last, last.contiguous(), last[:1].expand(4, -1, -1, -1)):
            (step,) = steps([norm], ["norm"], Patch(), kernels="numba", folds=False)
            assert torch.equal(step(x), flatten_time(norm, x))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_norm_of_planes_is_torchs(dtype: torch.dtype) -> None:
    norm = drawn(nn.BatchNorm2d(CHANNELS), dtype)
    x = values(2, 3, 5, 5, CHANNELS, dtype=dtype).movedim(-1, 2)
    with torch.inference_mode():
        (step,) = steps([norm], ["norm"], Patch(), kernels="numba", folds=False)
        assert torch.equal(step(x), flatten_time(norm, x))


def test_a_candidates_norm_is_a_copy() -> None:
    layer, norm = PointwiseLinear(CHANNELS, CHANNELS), drawn(nn.BatchNorm1d(CHANNELS), torch.float32)
    before, x = norm.state_dict()["bias"].clone(), values(2, 3, 7, CHANNELS, dtype=torch.float32).movedim(-1, 2)
    patch = Patch(tensors={"norm.bias": torch.ones(CHANNELS)})
    with torch.inference_mode():
        first, second = steps([layer, norm], ["layer", "norm"], patch, kernels="numba", folds=False)
        found = second(first(x))
        wanted = flatten_time(norm, flatten_time(layer, x))
    assert torch.equal(norm.state_dict()["bias"], before)
    assert torch.allclose(found - wanted, (1 - before)[:, None].expand_as(found), atol=1e-5)
