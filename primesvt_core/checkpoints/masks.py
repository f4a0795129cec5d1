"""Masks of ``torch.nn.utils.prune``, which keeps ``weight_orig`` and ``weight_mask``: the weight is their product."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from primesvt_core.checkpoints.refusals import Refusal, quote, refuse
from primesvt_core.checkpoints.regions import Located, numbers
from primesvt_core.checkpoints.wrappers import some

ORIGINAL, MASK = "_orig", "_mask"


@dataclass(frozen=True)
class Masked(Located):
    """A weight whose entries count where its mask is 1.

    Attributes:
        mask: of the same shape, of ones and zeros.
    """

    mask: Located

    def array(self) -> NDArray[Any]:
        """The product, as a tensor's own array is given."""
        weight = super().array()
        kept = np.where(numbers(self.mask.array(), self.mask.dtype) != 0, weight, np.zeros((), weight.dtype))
        kept.flags.writeable = False
        return kept


def masked_stems(names: Collection[str]) -> tuple[str, ...]:
    """The names of weights that are kept as parts."""
    stems = (name.removesuffix(ORIGINAL) for name in names if name.endswith(ORIGINAL))
    return tuple(stem for stem in stems if stem + MASK in names)


def with_masks(located: Mapping[str, Located]) -> tuple[dict[str, Located], tuple[str, ...]]:
    """The tensors with every masked weight as the module computes it.

    Returns:
        The tensors, and a note where some were masked.

    Raises:
        CheckpointRefused: if a mask is none of its weight, or the weight is there as well.
    """
    stems = masked_stems(located)
    parts = {stem + ending for stem in stems for ending in (ORIGINAL, MASK)}
    masked = {stem: _masked(stem, located) for stem in stems}
    kept = {name: tensor for name, tensor in located.items() if name not in parts}
    return kept | masked, tuple([f"masks of torch.nn.utils.prune were applied to {some(stems)}"] if stems else [])


def _masked(stem: str, located: Mapping[str, Located]) -> Masked:
    weight, mask = located[stem + ORIGINAL], located[stem + MASK]
    if stem in located:
        raise refuse(Refusal.AMBIGUOUS, f"{quote(stem)} is there, and as {quote(stem + ORIGINAL)} with a mask as well")
    if mask.shape != weight.shape or not all(((piece == 0) | (piece == 1)).all() for piece in _entries(mask)):
        raise refuse(
            Refusal.UNSUPPORTED_TENSOR,
            f"{quote(stem + MASK)} is no mask of {quote(stem + ORIGINAL)}: it should have its shape, and hold ones and"
            " zeros; make the weight one tensor with torch.nn.utils.prune.remove, then save the state dict again",
        )
    return Masked(weight.region, weight.dtype, weight.shape, weight.strides, weight.offset, weight.big_endian, mask)


def _entries(tensor: Located) -> Iterator[NDArray[Any]]:
    """All entries, a few MiB at a time where they lie one after the other."""
    dense = tuple(math.prod(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape)))
    if tensor.strides != dense:
        yield numbers(tensor.array(), tensor.dtype)
        return
    flat = replace(tensor, shape=(math.prod(tensor.shape),), strides=(1,))
    yield from (numbers(piece, tensor.dtype) for piece in flat.pieces())
