"""A repair that follows the forward pass: what is behind a refitted layer is refitted to what it makes of it.

Places that wait for the same repairs form a step. For every step both networks are computed, block by block, from where
the engine still has values: of the original once, of the candidate behind the step before. Nothing but sums is kept of
what layers see, and the engine's memory is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from primesvt_core.calibration import Calibration
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.layers.graph import Node, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.patches import Patch, patched

ORIGINAL = Patch()


@dataclass(frozen=True)
class Place:
    """A module that sees something else than in the original, and the operation that it is a part of."""

    node: Node
    module: str

    def seen(self, model: SpikingModel, values: Sequence[Tensor], patch: Patch) -> Tensor:
        """What the module is given, ``(T * B, C, ...)``, where the operation takes these values in a candidate."""
        if isinstance(self.node.op, Stateless) and self.module == self.node.tensors[0]:
            return values[0].flatten(0, 1)
        seen: list[Tensor] = []
        handle = model.get_submodule(self.module).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            with torch.inference_mode(), patched(model, patch.within(self.node.uses)):
                self.node.op(*values)
        finally:
            handle.remove()
        return torch.cat(seen) if len(seen) > 1 else seen[0]


def steps_behind(model: SpikingModel, patch: Patch, wanted: Callable[[nn.Module], bool]) -> list[list[Place]]:
    """The wanted modules behind what a patch changes: those of a step wait for all steps before, not for each other."""
    depth: dict[Signal, int] = {}
    steps: dict[int, list[Place]] = {}
    for node in model.graph.nodes:
        at = max((depth[name] for name in node.inputs if name in depth), default=-1)
        for name, module in _modules(node):
            if at >= 0 and wanted(module):
                steps.setdefault(at, []).append(Place(node, name))
                at += isinstance(node.op, Stateless)  # modules of other operations stand side by side
            if name in patch.silenced:
                at = max(at, 0)
        if at >= 0:
            depth[node.value] = at if isinstance(node.op, Stateless) else at + _waits(node, wanted)
    return [steps[at] for at in sorted(steps)]


def _waits(node: Node, wanted: Callable[[nn.Module], bool]) -> bool:
    return any(wanted(module) for _, module in _modules(node))


def _modules(node: Node) -> Iterator[tuple[str, nn.Module]]:
    """Every module of an operation and those inside it, with their names in the model."""
    for name, module in zip(node.tensors, node.op.modules, strict=False):  # parameters come behind modules
        for inner, found in module.named_modules():
            yield f"{name}.{inner}".rstrip("."), found


Observe = Callable[[str, int, Tensor, Tensor | None], None]
"""Is told a module's name, the block, what it sees in the candidate and, where that is asked for, in the original."""


def follow(
    calibration: Calibration,
    patch: Patch,
    wanted: Callable[[nn.Module], bool],
    observe: Observe,
    settle: Callable[[str], Mapping[str, Tensor]],
    *,
    compares: bool,
) -> dict[str, Tensor]:
    """Go through the network behind a patch, step by step, and repair it on the way.

    Args:
        calibration: the images, and the original.
        patch: what is silenced.
        wanted: the modules that are repaired.
        observe: is shown what a module sees, block by block.
        settle: gives the new tensors of a module that was observed.
        compares: whether the original is computed, too.
    """
    model, images = calibration.model, calibration.images
    engine = BlockEngine(model, images)  # of its own: what one keeps of late layers leaves no room for early ones
    for places in steps_behind(model, patch, wanted):
        names = [*dict.fromkeys(name for place in places for name in place.node.inputs)]
        for block in range(len(images)):
            now = dict(zip(names, engine.values(block, patch, names), strict=True))
            before = dict(zip(names, engine.values(block, ORIGINAL, names), strict=True)) if compares else {}
            for place in places:
                seen = place.seen(model, [now[name] for name in place.node.inputs], patch)
                values = [before[name] for name in place.node.inputs if compares]
                observe(place.module, block, seen, place.seen(model, values, ORIGINAL) if compares else None)
        engine.rebase(patch)
        patch = patch.extended({name: t for place in places for name, t in settle(place.module).items()})
    return dict(patch.tensors)
