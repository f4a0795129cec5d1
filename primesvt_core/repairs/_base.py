"""What a repair is, and what it is fitted to."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from primesvt_core.registry import Registry, WithNeeds
from primesvt_core.types import ChannelGroup, Plan

if TYPE_CHECKING:
    from torch import Tensor

    from primesvt_core.calibration import Calibration
    from primesvt_core.layers.model import SpikingModel

T = TypeVar("T")

REMEMBERED = 64
"""Results that a fitting remembers: sums of one layer, a few MB each."""


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """The original, and what its layers see on calibration images; one for all plans.

    Attributes:
        state: the original's state dict as it is stored.
        groups: its channel groups.
        calibration: of its model; what one repair has it gather is there for the others.
    """

    state: Mapping[str, Tensor]
    groups: Sequence[ChannelGroup]
    calibration: Calibration
    _known: dict[Hashable, object] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def model(self) -> SpikingModel:
        """The original, in eval mode, on its device."""
        return self.calibration.model

    def remembered(self, key: Hashable, gather: Callable[[], T]) -> T:
        """What ``gather`` gives, gathered once; of what many plans need, the last that were new stay."""
        if key not in self._known:
            while len(self._known) >= REMEMBERED:
                del self._known[next(iter(self._known))]
            self._known[key] = gather()
        return cast("T", self._known[key])


@dataclass(frozen=True, kw_only=True)
class Repair(WithNeeds):
    """One way to make up for removed channels without training.

    Attributes:
        fit: from the original and a plan to the tensors that change, by name, at the original's shapes and in the dtype
            that they are stored in: with the plan's channels silenced they make the repaired model, and slicing them by
            the plan makes the same one, smaller. Where a weight's columns are gone it has zeros or what it had.
            Deterministic; without a plan nothing changes.
        while_searching: the cheaper repair that candidates have while a search compares many of them; None: this one.
    """

    fit: Callable[[Fitting, Plan], Mapping[str, Tensor]]
    while_searching: str | None = None


REPAIRS: Registry[Repair] = Registry("repairs", Repair)
