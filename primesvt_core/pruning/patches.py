"""What a candidate changes of the original: channels that are silenced, and tensors that a repair returns.

A candidate is computed at the original's shapes: `patched` puts its patch on the modules, and slicing the patched state
dict by the candidate's plan gives the small model that computes the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter

import torch
from torch import Tensor, nn

from primesvt_core.pruning.groups import positions
from primesvt_core.types import ChannelGroup, Plan


@dataclass(frozen=True, kw_only=True)
class Patch:
    """A small set of changes; without any it is the original.

    Attributes:
        silenced: by BatchNorm module, the channels whose weight and bias are zero.
        tensors: whole tensors in place of the original's, by their name in the state dict.
    """

    silenced: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    tensors: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def touched(self) -> frozenset[str]:
        """Names of all state dict entries that differ from the original's."""
        norms = (f"{norm}.{entry}" for norm in self.silenced for entry in ("weight", "bias"))
        return frozenset((*norms, *self.tensors))

    def within(self, uses: Callable[[str], bool]) -> Patch:
        """Those of the changes that touch an entry of the state dict for which ``uses`` holds."""
        return Patch(
            silenced={norm: channels for norm, channels in self.silenced.items() if uses(f"{norm}.weight")},
            tensors={name: tensor for name, tensor in self.tensors.items() if uses(name)},
        )

    def extended(self, tensors: Mapping[str, Tensor]) -> Patch:
        """The same with further tensors, or others in the place of its own."""
        return Patch(silenced=self.silenced, tensors={**self.tensors, **tensors})

    def value(self, name: str, original: Tensor) -> Tensor:
        """The entry ``name`` of the candidate's state dict."""
        tensor = self.tensors.get(name, original)
        module, _, entry = name.rpartition(".")
        if entry in ("weight", "bias") and module in self.silenced:
            tensor = tensor.clone()
            tensor[list(self.silenced[module])] = 0.0
        return tensor.to(original)


def silencing(groups: Sequence[ChannelGroup], plan: Plan) -> Patch:
    """Silence the channels that ``plan`` does not keep: zero their entries in the last BatchNorms.

    A neuron that gets 0 never fires, since its threshold is positive; so the silenced model computes what the sliced
    one does. Zeroing the filters alone would not do: BatchNorm's bias would still drive the neuron.
    """
    silenced: dict[str, set[int]] = {}
    for group in groups:
        if group.name not in plan.kept:
            continue
        gone = sorted(set(range(group.size)) - set(plan.kept[group.name]))
        for piece in group.slices:
            module, _, entry = piece.tensor.rpartition(".")
            if module in group.silencers and entry == "weight":
                silenced.setdefault(module, set()).update(positions(piece, group, gone))
    return Patch(silenced={module: tuple(sorted(channels)) for module, channels in silenced.items() if channels})


@contextmanager
def patched(model: nn.Module, patch: Patch) -> Iterator[None]:
    """Put the patch on the model, and take it off again after."""
    saved: list[tuple[Tensor, Tensor]] = []
    with torch.no_grad():
        try:
            for name in sorted(patch.touched):
                entry: Tensor = attrgetter(name)(model)
                saved.append((entry, entry.clone()))
                entry.copy_(patch.value(name, entry))
            yield
        finally:
            for entry, value in reversed(saved):
                entry.copy_(value)
