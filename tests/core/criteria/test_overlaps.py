"""Channels that no weight reads: which values they are in, and what their overlaps are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from primesvt_core.criteria import _scoring
from primesvt_core.criteria._base import scores_of
from primesvt_core.criteria.reconstruction import CRITERION
from primesvt_core.criteria.variance import CRITERION as VARIANCE
from primesvt_core.testing.criteria import scoring_of
from primesvt_core.testing.models import FamilyModel, tiny
from tests.support.zoo import MODELS

N = 16
"""Tokens of the tiny model."""


def given(model: FamilyModel, name: str, images: int) -> Tensor:
    """What a neuron gives on the first images, ``(T * B, C, N)``."""
    seen: list[Tensor] = []
    handle = model.double.get_submodule(name).register_forward_hook(lambda _m, _x, y: seen.append(y))
    with torch.inference_mode():
        model.double(model.input[:images].double())
    handle.remove()
    return seen[0].flatten(0, 1).flatten(2)


@pytest.mark.parametrize("images", [1, 128])
def test_overlaps_of_queries_and_keys_are_products_of_inner_products(
    images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_scoring, "OVERLAP_IMAGES", images)
    found = scoring_of(tiny(), CRITERION).overlaps
    assert [*found] == ["block.0.attn.qk"]
    seen = 2 if images == 1 else 3  # blocks of two are taken whole
    q, k = (given(tiny(), f"block.0.attn.{name}_lif", seen).view(-1, 2, 8, N) for name in "qk")
    for d in range(8):
        for e in range(8):
            inner = (q[:, :, d] * q[:, :, e]).sum(2) * (k[:, :, d] * k[:, :, e]).sum(2)
            assert torch.equal(found["block.0.attn.qk"][:, d, e], inner.sum(0))


def test_queries_that_are_counted_overlap_where_both_fire() -> None:
    """In token attention, fused with the keys: the queries are the first channels of what the neuron gives."""
    model = next(model for model in MODELS if model.name == "sj_qkformer-builder").load()
    group = next(group for group in model.groups if group.name == "stage1.0.attn.q")
    scoring = scoring_of(model, CRITERION)
    q = given(model, "stage1.0.attn.qk_lif", len(model.input))[:, : group.size]
    q = q.reshape(len(q), group.parts, -1, q.shape[-1])
    wanted = torch.einsum("bhdn,bhen->hde", q, q)
    assert torch.equal(scoring.overlaps[group.name], wanted)
    assert scores_of("it", VARIANCE, scoring, group) == wanted.diagonal(dim1=1, dim2=2).flatten().tolist()
