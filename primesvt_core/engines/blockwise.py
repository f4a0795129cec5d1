"""The engine: traces the original once a block of images, and computes candidates from what they change onwards.

What a candidate leaves alone is taken from the trace, without the channels that it silences; everything behind is
computed anew, on the channels that are left, with BatchNorms folded, channels last in memory and neurons in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from primesvt_core.engines._base import Images, Predictions
from primesvt_core.engines.fewer_channels import between, fewer, is_even, whole
from primesvt_core.engines.folding import Step, steps
from primesvt_core.engines.keeping import Kept, unpacked
from primesvt_core.engines.kernels import Kernels, attend, available, leaky
from primesvt_core.engines.outlines import NOTHING, Outline, Silence, extends, gone, outline
from primesvt_core.engines.predictions import predictions
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.graph import INPUT, Attend, Channels, Fire, Node, Planes, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import LIF, reset
from primesvt_core.pruning.patches import Patch, patched

KEPT_BYTES = 2 << 30
"""Memory for what the original computes and candidates begin with; the deepest values, which save most, stay first."""

ORIGINAL = Patch()


@dataclass(frozen=True, eq=False)
class Level:
    """A patched model, whose values are computed from those of another one, or of the original.

    Attributes:
        patch: its changes of the original.
        plan: how it differs from its parent.
        gone: channels that its values do not have.
        parent: whose values it takes where they do not differ; None of the original itself.
        kept: its own values that stay in memory.
        steps: what its stateless operations compute, once they were asked for.
    """

    patch: Patch
    plan: Outline
    gone: Mapping[Signal, Silence]
    parent: Level | None
    kept: Kept
    steps: dict[Signal, list[Step]] = field(default_factory=dict)

    @cached_property
    def changed(self) -> frozenset[Signal]:
        """Values that it computes."""
        return frozenset(node.value for node in self.plan.changed)

    def without(self, name: Signal) -> Silence:
        """Channels that a value does not have."""
        return self.gone.get(name, NOTHING)


class BlockEngine:
    """Computes many candidates of one model on one block of images after another.

    Args:
        model: the original, in eval mode, on its device.
        images: to compute them on.
        kernels: the form of the inner loops.
        kept_bytes: memory for values that later calls begin with.
        as_written: whether every module computes as it is, bit for bit as the reference does; slower.
    """

    def __init__(
        self,
        model: SpikingModel,
        images: Images,
        *,
        kernels: Kernels | None = None,
        kept_bytes: int = KEPT_BYTES,
        as_written: bool = False,
    ) -> None:
        self.model, self.images, self.kernels = model, images, kernels or available()
        self.as_written, self.kept_bytes = as_written, kept_bytes
        self.nodes = model.graph.nodes
        self.output = model.graph.output
        self.like = next(model.parameters())
        self.place = {INPUT: -1, **{node.value: index for index, node in enumerate(self.nodes)}}
        self.node_of = {node.value: node for node in self.nodes}
        self.labels: dict[int, Tensor] = {}
        self.levels: dict[int, Level] = {}
        everything = Outline(self.nodes, {}, frozenset((INPUT,)))
        self.original = self.base = Level(ORIGINAL, everything, {}, None, Kept(self.place, kept_bytes // 2))

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        """What each candidate predicts on the images of a block."""
        with torch.inference_mode():
            output = frozenset((self.output,))
            self.levels = {id(patch): self.levels.get(id(patch)) or self._level(patch) for patch in patches}
            levels = [self.levels[id(patch)] for patch in patches]
            parents = {level.parent for level in levels if level.parent}
            held = {parent: self._begun(parent, levels, block) for parent in parents}
            original = (held.get(self.original) or self._values(self.original, block, output, {}))[self.output]
            logits = [self._values(level, block, output, held)[self.output] for level in levels]
            return [predictions(original, found, self._labels(block)) for found in logits]

    def _begun(self, parent: Level, levels: Sequence[Level], block: int) -> dict[Signal, Tensor]:
        """What a level's children begin with, computed once for all of them, and its output."""
        plans = (level.plan for level in levels if level.parent is parent)
        wanted = frozenset((self.output,)).union(*(plan.begins_with for plan in plans))
        return self._values(parent, block, wanted, {})

    def rebase(self, patch: Patch) -> None:
        """Keep values of a candidate as well: those that follow change it further."""
        self.levels = {}
        self.base = self._level(patch, Kept(self.place, self.kept_bytes // 2)) if patch.touched else self.original

    def _level(self, patch: Patch, kept: Kept | None = None) -> Level:
        parent = self.base if kept is None and extends(patch, self.base.patch) else self.original
        plan = outline(self.nodes, patch, parent.patch)
        without = {} if self.as_written else gone(self.nodes, patch)
        return Level(patch, plan, without, parent, kept or Kept(self.place, 0))

    def _labels(self, block: int) -> Tensor:
        if block not in self.labels:
            _, self.labels[block] = self.images.block(block)
        return self.labels[block]

    def _values(
        self, level: Level, block: int, wanted: frozenset[Signal], held: Mapping[Level, Mapping[Signal, Tensor]]
    ) -> dict[Signal, Tensor]:
        """Values of a level: kept ones, its parent's, and what must be computed from them.

        Args:
            level: whose.
            block: of images.
            wanted: which.
            held: what levels' children begin with, as far as it was computed before.
        """
        known, missing, others = self._sources(level, block, wanted)
        values = {name: unpacked(value, self.like) for name, value in known.items()}
        if level.parent is None:
            values |= self._images(block, others)
        elif others:
            found = held.get(level.parent) or self._values(level.parent, block, others, held)
            values |= {name: self._taken(level, level.parent, name, found[name]) for name in others}
        nodes = [node for node in level.plan.changed if node.value in missing]
        uses = _last_uses(nodes)
        for node in nodes:
            first = node.inputs[0]
            is_last = uses[first] is node and first not in wanted
            overwrite = is_last and first in missing and self._is_fresh(first)
            values[node.value] = self._run(level, node, [values[name] for name in node.inputs], overwrite=overwrite)
            for name in {*node.inputs} - wanted:
                if uses[name] is node:
                    del values[name]
        for name in wanted & missing:
            level.kept.put(block, name, values[name])
        return {name: values[name] for name in wanted}

    def _taken(self, level: Level, parent: Level, name: Signal, value: Tensor) -> Tensor:
        """A parent's value as a level has it: without further channels, or with zeros in their places."""
        if self.as_written:
            return _silenced(value, level.plan.silent.get(name, NOTHING))
        return fewer(value, parent.without(name), level.without(name))

    def _sources(
        self, level: Level, block: int, wanted: frozenset[Signal]
    ) -> tuple[dict[Signal, Tensor], frozenset[Signal], frozenset[Signal]]:
        """What is kept of the values that the wanted ones need, what is to be computed, and what the parent has."""
        known: dict[Signal, Tensor] = {}
        missing: set[Signal] = set()
        others: set[Signal] = set()
        left = [*wanted]
        while left:
            name = left.pop()
            if name in known or name in missing or name in others:
                continue
            value = level.kept.get(block, name)
            if value is not None:
                known[name] = value
            elif name in level.changed:
                missing.add(name)
                left += self.node_of[name].inputs
            else:
                others.add(name)
        return known, frozenset(missing), frozenset(others)

    def _images(self, block: int, names: frozenset[Signal]) -> dict[Signal, Tensor]:
        if not names:
            return {}
        images, self.labels[block] = self.images.block(block)
        return {INPUT: self.model.encode(images.to(self.like))}

    def _is_fresh(self, name: Signal) -> bool:
        """Whether a value has memory of its own, which another value is no view of."""
        return name != INPUT and isinstance(self.node_of[name].op, Stateless | Attend)

    def _run(self, level: Level, node: Node, x: list[Tensor], *, overwrite: bool) -> Tensor:
        """One operation of a level, on values without the channels that are gone."""
        op, after = node.op, level.without(node.value)
        before = [level.without(name) for name in node.inputs]
        if isinstance(op, Stateless):
            if node.value not in level.steps:
                level.steps[node.value] = self._steps(level, node, before[0], after)
            return flatten_time(lambda y: _chain(level.steps[node.value], y), x[0])
        if isinstance(op, Fire):
            return self._fire(op, x[0], overwrite=overwrite)
        if isinstance(op, Attend) and not self.as_written:
            return self._attend(op, x, before)
        if isinstance(op, Channels) and before[0]:
            return fewer(op(whole(x[0], before[0])), NOTHING, after)
        if not isinstance(op, Planes) and {*before} != {after}:  # values that lack other channels than the result
            x = [whole(value, without) for value, without in zip(x, before, strict=True)]
        if op.modules and _touches(node, level.patch):
            return _with_patch(node, self.model, level.patch, x)
        return op(*x)

    def _steps(self, level: Level, node: Node, before: Silence, after: Silence) -> list[Step]:
        """A level's stateless operation, from the channels that its input has to those that its value has."""
        touched = level.parent is not None and _touches(node, level.patch)
        if touched or level.parent is None:
            found = steps(node.op.modules, node.tensors, level.patch, folds=not self.as_written)
        else:
            if node.value not in self.original.steps:
                self.original.steps[node.value] = self._steps(self.original, node, NOTHING, NOTHING)
            found = self.original.steps[node.value]
        return between(found, before, after) if before or after else found

    def _attend(self, op: Attend, x: Sequence[Tensor], before: Sequence[Silence]) -> Tensor:
        q, k, v = x
        heads = op.num_heads
        if before[0] != before[1] or not is_even(before[0], q, heads):
            q, k = whole(q, before[0]), whole(k, before[1])
        if is_even(before[2], v, heads):
            return attend(q, k, v, num_heads=heads, scale=op.scale)
        return fewer(attend(q, k, whole(v, before[2]), num_heads=heads, scale=op.scale), NOTHING, before[2])

    def _fire(self, op: Fire, x: Tensor, *, overwrite: bool) -> Tensor:
        neuron = op.neuron
        if not self.as_written and isinstance(neuron, LIF) and neuron.v_reset == 0.0 and neuron.decay_input:
            return leaky(x, neuron.tau, neuron.v_threshold, self.kernels, overwrite=overwrite)
        reset(neuron)
        spikes: Tensor = neuron(x)
        reset(neuron)
        return spikes


def _touches(node: Node, patch: Patch) -> bool:
    return any(node.uses(name) for name in patch.touched)


def _with_patch(node: Node, model: SpikingModel, patch: Patch, x: Sequence[Tensor]) -> Tensor:
    own = Patch(
        silenced={name: channels for name, channels in patch.silenced.items() if node.uses(f"{name}.weight")},
        tensors={name: tensor for name, tensor in patch.tensors.items() if node.uses(name)},
    )
    with patched(model, own):
        return node.op(*x)


def _chain(found: Sequence[Step], x: Tensor) -> Tensor:
    for step in found:
        x = step(x)
    return x


def _silenced(x: Tensor, channels: Silence) -> Tensor:
    if not channels:
        return x
    return x.index_fill(2, torch.tensor(sorted(channels), device=x.device), 0.0)


def _last_uses(nodes: Sequence[Node]) -> dict[Signal, Node]:
    return {name: node for node in nodes for name in node.inputs}
