"""What a criterion is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from primesvt_core.registry import Registry, WithNeeds

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Criterion(WithNeeds):
    """One way to score the channels of a group.

    Attributes:
        score: from every producer's filters of the group's channels, ``(size, fan_in)`` float32 each, to ``(size,)``
            scores; larger means keep.
    """

    score: Callable[[Sequence[Tensor]], Tensor]


CRITERIA: Registry[Criterion] = Registry("criteria", Criterion)
