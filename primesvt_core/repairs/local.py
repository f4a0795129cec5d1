"""The closed form, two things better: currents vary as they did, and queries and keys are made up for.

Least squares give the part of a current that the kept inputs tell, which varies less than the current did: it stays
below the threshold where the current would have reached it. So every row is multiplied by the ratio of the standard
deviations, 1 to 3, about an unchanged mean; that costs nothing, is farther from the currents in the mean square, and
nearer to the original's predictions.

Queries and keys reach no weight, but the layer behind their attention is refitted to what the attention gives without
them, everything before it being the original's. That takes a part of a forward pass for every choice of them, and is
remembered. No layer sees what other repairs made of its input (`sequential`), so that choices of several groups come
together without another pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial, reduce
from operator import add

from torch import Tensor

from primesvt_core.pruning.consumers import consumers, reading
from primesvt_core.pruning.patches import Patch, silencing
from primesvt_core.registry import Need
from primesvt_core.repairs._base import Fitting, Repair
from primesvt_core.repairs._following import ORIGINAL, Place, steps_behind
from primesvt_core.repairs._refitting import changes, closed_forms, is_layer, layer_of, losing, original_sums
from primesvt_core.repairs._ridge import Sums, sums_over
from primesvt_core.types import ChannelGroup, Plan


def fit(fitting: Fitting, plan: Plan) -> dict[str, Tensor]:
    """New weights and constants of the layers that lose columns, and of those behind queries and keys."""
    layers, behind = losing(fitting, plan), _behind(fitting, plan)
    layers |= {m: layer_of(fitting, reading(m, fitting.model)) for m in behind if m not in layers}
    others = {module: layer for module, layer in layers.items() if module not in behind}
    sums = {**original_sums(fitting, others), **behind}
    return changes(fitting, layers, closed_forms(layers, sums, restores_spread=True))


def _behind(fitting: Fitting, plan: Plan) -> dict[str, Sums]:
    """What layers see, all columns, and should compute, behind pruned groups whose channels reach no weight."""
    places: dict[str, tuple[Place, list[ChannelGroup]]] = {}
    for group in fitting.groups:
        is_pruned = len(plan.kept.get(group.name, range(group.size))) < group.size
        if is_pruned and not consumers(group, fitting.model):
            for place in steps_behind(fitting.model, _silenced(fitting, [group], plan), is_layer)[0]:
                places.setdefault(place.module, (place, []))[1].append(group)
    return {
        module: fitting.remembered(
            (module, *((group.name, plan.kept[group.name]) for group in groups)),
            partial(_gathered, fitting, place, _silenced(fitting, groups, plan)),
        )
        for module, (place, groups) in places.items()
    }


def _silenced(fitting: Fitting, groups: Sequence[ChannelGroup], plan: Plan) -> Patch:
    return silencing(fitting.groups, Plan({group.name: plan.kept[group.name] for group in groups}))


def _gathered(fitting: Fitting, place: Place, patch: Patch) -> Sums:
    """On the images that moments are taken of."""
    calibration, model = fitting.calibration, fitting.model
    engine, blocks = calibration.engine, calibration.moment_blocks
    filters = layer_of(fitting, reading(place.module, model)).filters
    found: list[Sums] = []
    for block in range(blocks):
        rows, before = (
            calibration.sampling(place.module, block, blocks)(
                place.seen(model, engine.values(block, candidate, place.node.inputs), candidate)
            )
            for candidate in (patch, ORIGINAL)
        )
        found.append(sums_over(rows, before @ filters.to(before)))
    engine.rebase(ORIGINAL)  # nothing follows that changes this one further
    return reduce(add, found)


REPAIR = Repair(fit=fit, needs=frozenset({Need.ACTIVATIONS}))
