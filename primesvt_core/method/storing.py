"""Weights as they will be stored: what is written of a state dict, and what is read back and therefore confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from math import inf

import torch
from torch import Tensor

from primesvt_core.checkpoints import Checkpoint
from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded, is_weight
from primesvt_core.checkpoints.stored_weights import SCALES, Restored, stored_metadata
from primesvt_core.errors import SpecError
from primesvt_core.families._base import FamilyConfig


@dataclass(frozen=True, kw_only=True)
class StoredState:
    """One state dict and its file.

    Attributes:
        state: as it is read back, whose weights are float32 where they are stored in a precision of their own.
        written: tensors of the file.
        metadata: that the file has beside its own.
    """

    state: Mapping[str, Tensor]
    written: Mapping[str, Tensor]
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """A sliced model: its config and its state dict, as it is stored and read back."""

    config: FamilyConfig
    stored: StoredState
    losses: tuple[float, ...] = ()

    @property
    def state(self) -> Mapping[str, Tensor]:
        """The state dict, as it is read back from the file."""
        return self.stored.state


def stored(state: Mapping[str, Tensor], precision: str | None) -> StoredState:
    """A state dict whose layers' weights are stored in a precision; all else keeps its dtype.

    Args:
        state: to store.
        precision: its key; None to store everything as it is.

    Raises:
        SpecError: if it cannot hold a weight.
    """
    if precision is None:
        return StoredState(state=state, written=state, metadata={})
    check_range(state, precision)
    read, written = dict(state), dict(state)
    for name, tensor in state.items():
        if is_weight(name, tuple(tensor.shape)):
            encoded = PRECISIONS[precision].encode(tensor.detach().cpu().float().contiguous().numpy())
            written |= _tensors(name, encoded)
            read[name] = torch.from_numpy(PRECISIONS[precision].decode(encoded))
    return StoredState(state=read, written=written, metadata=stored_metadata(precision))


def as_it_was(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> StoredState:
    """An original's state dict and the tensors of its file, whose rounded weights are taken over bit for bit.

    Args:
        checkpoint: the original's.
        state: as it was read of it.

    Raises:
        CheckpointRefused: if the file has been cut short since.
    """
    if checkpoint.weights is None:
        return StoredState(state=state, written=state, metadata={})
    written = dict(state)
    for name, located in checkpoint.located.items():
        if isinstance(located, Restored):
            written |= _tensors(name, located.encoded())
    return StoredState(state=state, written=written, metadata=stored_metadata(checkpoint.weights))


def _tensors(name: str, encoded: Encoded) -> dict[str, Tensor]:
    scales = {} if encoded.scales is None else {name + SCALES: torch.tensor(encoded.scales)}
    return {name: torch.tensor(encoded.values), **scales}


def check_range(state: Mapping[str, Tensor], precision: str | None) -> None:
    """Refuse a precision that cannot hold the weights of a state dict.

    Raises:
        SpecError: naming the first weight that is too large.
    """
    largest = PRECISIONS[precision].largest if precision else inf
    if largest == inf:
        return
    for name, tensor in state.items():
        if is_weight(name, tuple(tensor.shape)) and bool((tensor.abs() > largest).any()):
            raise SpecError(
                f"weights: {precision} holds nothing beyond {largest:,.0f}, and {name} has"
                f" {float(tensor.abs().max()):,.0f}; store them as float32 or int8"
            )


def stored_bytes(written: Mapping[str, Tensor], unused: frozenset[str]) -> int:
    """Bytes of a file's tensors that the forward pass uses, scales included."""
    return sum(tensor.nbytes for name, tensor in written.items() if name.removesuffix(SCALES) not in unused)


def digest(state: Mapping[str, Tensor]) -> str:
    """A short name for the weights of a state dict."""
    found = sha256()
    for name in sorted(state):
        found.update(name.encode())
        found.update(state[name].contiguous().numpy().tobytes())
    return found.hexdigest()[:8]
