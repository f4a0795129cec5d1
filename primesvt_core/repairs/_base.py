"""What a repair is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from primesvt_core.registry import Registry, WithNeeds
from primesvt_core.types import ChannelGroup, Plan

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Repair(WithNeeds):
    """One way to make up for removed channels without training.

    Attributes:
        fit: from the original's state dict, its channel groups and a plan to the tensors that change, by name, at the
            original's shapes: the pruned model is sliced from them by the same plan. Deterministic.
    """

    fit: Callable[[Mapping[str, Tensor], Sequence[ChannelGroup], Plan], Mapping[str, Tensor]]


REPAIRS: Registry[Repair] = Registry("repairs", Repair)
