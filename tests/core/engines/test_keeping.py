"""Values that stay in memory: as many as may, the deepest of them, whatever came first."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from primesvt_core.engines.keeping import Kept, unpacked
from primesvt_core.layers.graph import Signal

STEM, BLOCK, HEAD = Signal("stem"), Signal("block"), Signal("head")
PLACE = {STEM: 0, BLOCK: 1, HEAD: 2}
BYTES = 100
"""Of one value."""


def value(number: int = 1) -> Tensor:
    return torch.full((2, 5, 10), float(number))


def test_what_is_kept_comes_back() -> None:
    kept = Kept(PLACE, 10 * BYTES, "torch")
    kept.put("a", STEM, value(3))
    kept.put("b", STEM, value() / 3)
    found = kept.get("a", STEM)
    assert found is not None
    assert (found.dtype, found.nbytes) == (torch.uint8, BYTES)
    assert torch.equal(unpacked(found, torch.zeros(1)), value(3))
    third = kept.get("b", STEM)
    assert third is not None
    assert torch.equal(third, value() / 3)
    assert kept.get("a", HEAD) is None


@pytest.mark.parametrize("order", [(STEM, BLOCK, HEAD), (HEAD, BLOCK, STEM), (BLOCK, HEAD, STEM)])
def test_the_deepest_stay(order: tuple[Signal, ...]) -> None:
    kept = Kept(PLACE, 2 * BYTES, "torch")
    for name in order:
        kept.put("a", name, value())
    assert {name for name in PLACE if kept.get("a", name) is not None} == {BLOCK, HEAD}
    assert kept.bytes == 2 * BYTES


def test_a_value_that_would_be_given_up_at_once_moves_no_other() -> None:
    kept = Kept(PLACE, 2 * BYTES, "torch")
    for piece in ("a", "b", "c"):
        kept.put(piece, BLOCK, value())
    kept.put("a", STEM, value())
    assert [piece for piece in "abc" if kept.get(piece, BLOCK) is not None] == ["a", "b"]
    assert kept.get("a", STEM) is None


def test_nothing_is_kept_without_room() -> None:
    kept = Kept(PLACE, 0, "torch")
    kept.put("a", HEAD, value())
    assert (kept.get("a", HEAD), kept.bytes) == (None, 0)


def test_what_another_keeps_is_adopted() -> None:
    one, other = Kept(PLACE, 2 * BYTES, "torch"), Kept(PLACE, 10 * BYTES, "torch")
    one.put("a", STEM, value())
    for name in PLACE:
        other.put("b", name, value())
    one.adopt(other, without={HEAD})
    assert one.get("b", HEAD) is None
    assert one.get("b", BLOCK) is not None
    assert one.bytes <= one.limit
