"""What is at hand to score channels by: weights, the model, what its layers see, labelled images, a seed.

The record is free of torch, so that criteria can be listed without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar, cast

from primesvt_core.errors import SpecError
from primesvt_core.types import ChannelGroup

if TYPE_CHECKING:
    from torch import Tensor

    from primesvt_core.calibration import Calibration, Moments
    from primesvt_core.engines import Images
    from primesvt_core.layers.model import SpikingModel
    from primesvt_core.pruning.consumers import Consumer

T = TypeVar("T")

OVERLAP_IMAGES = 128
"""So many images are enough to say how spikes of queries and keys overlap: every token of each is counted."""


@dataclass(frozen=True, kw_only=True)
class Scoring:
    """What is at hand; the same for all groups of a run, so that what one of them needs is gathered for all.

    Attributes:
        state: the original's state dict.
        model: the original, in eval mode, on its device.
        groups: all that are to be scored.
        seed: of the spec.
        calibration: inputs of the model's layers; of a criterion that needs activations.
        labelled: images whose labels are known; of a criterion that needs labels.
        tick: receives what is being gathered, for people.
    """

    state: Mapping[str, Tensor]
    model: SpikingModel
    groups: Sequence[ChannelGroup]
    seed: int = 0
    calibration: Calibration | None = None
    labelled: Images | None = None
    tick: Callable[[str], None] = lambda _: None
    _known: dict[object, object] = field(default_factory=dict, init=False, repr=False)

    def once(self, gather: Callable[[Scoring], T]) -> T:
        """What ``gather`` makes of this; the same object for every group, so that images are run once for all."""
        if gather not in self._known:
            self._known[gather] = gather(self)
        return cast("T", self._known[gather])

    @property
    def activations(self) -> Calibration:
        """What the layers see.

        Raises:
            SpecError: of a criterion that does not say that it needs activations.
        """
        if self.calibration is None:
            raise SpecError("a criterion that looks at activations must say so: needs=frozenset({Need.ACTIVATIONS})")
        return self.calibration

    @property
    def labels(self) -> Images:
        """Images with their labels.

        Raises:
            SpecError: of a criterion that does not say that it needs labels.
        """
        if self.labelled is None:
            raise SpecError("a criterion that looks at labels must say so: needs=frozenset({Need.LABELS})")
        return self.labelled

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Consumer, ...]]:
        """By group, the layers that read its channels; none where they are only multiplied or counted (queries)."""
        from primesvt_core.pruning.consumers import consumers  # which loads torch

        return {group.name: consumers(group, self.model) for group in self.groups}

    @cached_property
    def moments(self) -> Mapping[str, Moments]:
        """By module, sums over the inputs of every layer that reads a group's channels, on all calibration images."""
        modules = [*dict.fromkeys(each.module for found in self.consumers.values() for each in found)]
        blocks = len(self.activations.images)
        return self.activations.moments(modules, lambda done: self.tick(f"calibrating, block {done} of {blocks}"))

    @cached_property
    def overlaps(self) -> Mapping[str, Tensor]:
        """By group without a consumer, ``(parts, channels, channels)`` float64: how much two channels of a part add to
        the same places of what is computed from them, summed over `OVERLAP_IMAGES` images; see `_overlaps`.
        """
        from primesvt_core.criteria._overlaps import overlaps, places_of  # which load torch

        places = {g.name: places_of(g, self.model) for g in self.groups if not self.consumers[g.name]}
        parts = {group.name: group.parts for group in self.groups}
        wanted = {place.value for found in places.values() for place in found.places}
        sums: dict[str, Tensor] = {}
        images = block = 0
        while places and images < OVERLAP_IMAGES and block < len(self.activations.images):
            values = self.activations.values(wanted, block)
            for name, found in places.items():
                new = overlaps(found, values, parts[name])
                sums[name] = sums[name] + new if name in sums else new
            images, block = images + next(iter(values.values())).shape[1], block + 1
            self.tick(f"calibrating, image {images} of {OVERLAP_IMAGES}")
        return sums
