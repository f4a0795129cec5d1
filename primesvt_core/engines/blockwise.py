"""The engine: traces the original once a block of images, and computes candidates from what they change onwards.

A block is computed piece by piece, each by one thread, so that its values stay in the caches of a core.

What a candidate leaves alone is taken from the trace, without the channels that it silences; everything behind is
computed anew, on the channels that are left, with BatchNorms folded, channels last in memory and neurons in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from threading import Lock
from typing import NamedTuple

import torch
from torch import Tensor

from primesvt_core.engines._base import Images, Predictions
from primesvt_core.engines.fewer_channels import between, fewer, is_even, whole
from primesvt_core.engines.folding import Step, steps
from primesvt_core.engines.keeping import Kept, unpacked
from primesvt_core.engines.kernels import Kernels, attend, available, leaky
from primesvt_core.engines.metric import metric_of
from primesvt_core.engines.outlines import NOTHING, Outline, Silence, extends, gone, outline
from primesvt_core.engines.pieces import at_a_time, bytes_an_image, piece_count
from primesvt_core.engines.predictions import predictions
from primesvt_core.engines.recordings import RECORDED_BYTES, Recordings
from primesvt_core.engines.stacks import STACK_BYTES, Stack, alike, only_silences
from primesvt_core.engines.threads import in_parallel
from primesvt_core.layers.causality import logits_by_step, output_node
from primesvt_core.layers.graph import INPUT, Attend, Channels, Fire, Node, Planes, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import LIF, reset
from primesvt_core.pruning.patches import Patch, patched

KEPT_BYTES = 3 << 29
"""Memory for values that candidates begin with, a third each for the original's, an accepted step's, and those of the
candidate that may be the next; the deepest values, which save most, stay first."""

ORIGINAL = Patch()


class Piece(NamedTuple):
    """Some images of a block, as even a share as there is."""

    block: int
    number: int
    pieces: int


@dataclass(frozen=True, eq=False)
class Level:
    """A patched model, whose values are computed from those of another one, or of the original.

    Attributes:
        patch: its changes of the original.
        plan: how it differs from its parent.
        gone: channels that its values do not have.
        parent: whose values it takes where they do not differ; None of the original itself.
        kept: its own values that stay in memory.
        stack: the candidates that it stands for, where they are several side by side.
        steps: what its stateless operations compute, once they were asked for.
        recordings: of what it launches on a GPU.
    """

    patch: Patch
    plan: Outline
    gone: Mapping[Signal, Silence]
    parent: Level | None
    kept: Kept
    stack: Stack | None = None
    steps: dict[Signal, list[Step]] = field(default_factory=dict)
    recordings: Recordings = field(default_factory=Recordings)

    @cached_property
    def changed(self) -> frozenset[Signal]:
        """Values that it computes."""
        return frozenset(node.value for node in self.plan.changed)

    @cached_property
    def begins(self) -> tuple[Level, tuple[Signal, ...]] | None:
        """Equal for levels that differ in nothing but silent channels where they begin; None of any other level."""
        if self.parent is None or not only_silences(self.plan, self.patch, self.parent.patch):
            return None
        return self.parent, tuple(node.value for node in self.plan.changed)

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
        as_written: whether every layer and every BatchNorm computes as it is, on all channels; slower. Neurons and
            attention give the same spikes and integers in any form.
        abreast: whether candidates that merely silence channels of one group are computed as one batch, with zeros in
            the channels' places; on a GPU unless it is said.
    """

    def __init__(
        self,
        model: SpikingModel,
        images: Images,
        *,
        kernels: Kernels | None = None,
        kept_bytes: int = KEPT_BYTES,
        as_written: bool = False,
        abreast: bool | None = None,
    ) -> None:
        self.model, self.images, self.kernels = model, images, kernels or available()
        self.as_written, self.kept_bytes = as_written, kept_bytes
        self.nodes = model.graph.nodes
        self.output = model.graph.output
        self.like = next(model.parameters())
        self.abreast = not as_written and (self.like.is_cuda if abreast is None else abreast)
        self.place = {INPUT: -1, **{node.value: index for index, node in enumerate(self.nodes)}}
        self.node_of = {node.value: node for node in self.nodes}
        self.cuts = _cuts(self.nodes)
        self.labels: dict[int, Tensor] = {}
        self.by_modules = Lock()
        """For operations that write to the model's modules."""
        self.loading = Lock()
        self.loaded: tuple[int, Tensor] | None = None
        """The block whose images were read last, and its images."""
        self.pixels = 1
        """Of an image, once one was read."""
        self.levels: dict[int, Level] = {}
        self.stacks: dict[tuple[Level, ...], Level] = {}
        everything = Outline(self.nodes, {}, frozenset((INPUT,)))
        self.original = self.base = Level(
            ORIGINAL, everything, {}, None, Kept(self.place, kept_bytes // 3, self.kernels)
        )

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        """What each candidate predicts on the images of a block."""
        original, candidates = self.logits(block, patches)
        metric = metric_of(self.images)
        return [predictions(original, each, self._labels(block), metric) for each in candidates]

    def logits(self, block: int, patches: Sequence[Patch]) -> tuple[Tensor, list[Tensor]]:
        """Logits ``(B, num_classes)`` of the original and of each candidate on the images of a block."""
        may_be_base = len(patches) == 1 and extends(patches[0], self.base.patch)
        room = self.kept_bytes // 3 if may_be_base else 0
        self.levels = {id(patch): self.levels.get(id(patch)) or self._level(patch, room) for patch in patches}
        labels = self._labels(block)
        pieces = self._pieces(block)
        levels, places = self._side_by_side([self.levels[id(patch)] for patch in patches], len(labels) // pieces)
        found = in_parallel([partial(self._logits, levels, Piece(block, number, pieces)) for number in range(pieces)])
        self.loaded = None
        original, *candidates = (torch.cat(parts) for parts in zip(*found, strict=True))
        by_place = dict(zip(places, candidates, strict=True))
        return original, [by_place[place] for place in range(len(patches))]

    def _side_by_side(self, levels: Sequence[Level], images: int) -> tuple[Sequence[Level], Sequence[int]]:
        """The levels to compute, where several may have become one, and the places of the candidates that they give."""
        if not self.abreast:
            return levels, range(len(levels))
        most = STACK_BYTES // (bytes_an_image(self.model, self.pixels) * max(1, images))
        runs = [*alike([level.begins for level in levels], most)]
        stacks = [tuple(levels[place] for place in run) for run in runs]
        self.stacks = {
            some: self.stacks.get(some) or (self._stack(some) if len(some) > 1 else some[0]) for some in stacks
        }
        return [self.stacks[some] for some in stacks], [place for run in runs for place in run]

    def _stack(self, levels: Sequence[Level]) -> Level:
        """Levels that begin alike as one."""
        plan, parent = levels[0].plan, levels[0].parent
        assert parent  # noqa: S101  # where there is none, nothing is silenced
        plan = Outline(plan.changed, {}, plan.begins_with)
        stack = Stack(tuple(level.plan.silent for level in levels), parent.gone)
        return Level(parent.patch, plan, parent.gone, parent, Kept(self.place, 0, self.kernels), stack)

    def _logits(self, levels: Sequence[Level], piece: Piece) -> list[Tensor]:
        """Logits of the original and of every level on a piece."""
        with torch.inference_mode():
            output = frozenset((self.output,))
            parents = {level.parent for level in levels if level.parent}
            held = {parent: self._begun(parent, levels, piece) for parent in parents}
            found = [(held.get(self.original) or self._values(self.original, piece, output, {}))[self.output]]
            for level in levels:
                logits = self._values(level, piece, output, held)[self.output]
                found += level.stack.apart(logits) if level.stack else [logits]
            return found

    def _begun(self, parent: Level, levels: Sequence[Level], piece: Piece) -> dict[Signal, Tensor]:
        """What a level's children begin with, computed once for all of them, and its output."""
        plans = (level.plan for level in levels if level.parent is parent)
        wanted = frozenset((self.output,)).union(*(plan.begins_with for plan in plans))
        return self._values(parent, piece, wanted, {})

    def values(self, block: int, patch: Patch, names: Sequence[Signal]) -> list[Tensor]:
        """What a candidate computes on the images of a block: ``(T, B, C, ...)`` each, silenced channels as zeros.

        It computes no further than it must. What is between, candidates that extend this one take over by `rebase`.
        """
        level = self.levels.get(id(patch))
        if level is None:
            level = self._level(patch, self.kept_bytes // 3) if patch.touched else self.original
            self.levels[id(patch)] = level
        pieces = self._pieces(block)
        found = in_parallel(
            [partial(self._wanted, level, Piece(block, number, pieces), names) for number in range(pieces)]
        )
        self.loaded = None
        return [torch.cat([x.movedim(2, -1) for x in parts], 1).movedim(-1, 2) for parts in zip(*found, strict=True)]

    def _wanted(self, level: Level, piece: Piece, names: Sequence[Signal]) -> list[Tensor]:
        with torch.inference_mode():
            values = self._values(level, piece, frozenset(names), {})
            return [whole(values[name], level.without(name)) for name in names]

    def by_step(self, block: int) -> tuple[Tensor, Tensor]:
        """Logits ``(T, B, num_classes)`` of the model itself after every number of time steps, and labels ``(B,)``.

        The model is one of which `layers.causality.noncausal` finds nothing. Its last logits are what `evaluate` has.
        """
        pieces = self._pieces(block)
        found = in_parallel([partial(self._by_step, Piece(block, number, pieces)) for number in range(pieces)])
        self.loaded = None
        return torch.cat(found, 1), self._labels(block)

    def _by_step(self, piece: Piece) -> Tensor:
        with torch.inference_mode():
            values = self._values(self.original, piece, frozenset(output_node(self.model).inputs), {})
            with self.by_modules:
                return logits_by_step(self.model, values)

    def rebase(self, patch: Patch) -> None:
        """Keep values of a candidate as well: those that follow change it further."""
        before, evaluated = self.base, self.levels.get(id(patch))
        self.levels = {}
        if not patch.touched:
            self.base = self.original
            return
        self.base = self._level(patch, self.kept_bytes // 3, self.original)
        if evaluated and evaluated.parent is before:
            self.base.kept.adopt(evaluated.kept)
            if before is not self.original:
                self.base.kept.adopt(before.kept, without=evaluated.changed | evaluated.plan.silent.keys())

    def _level(self, patch: Patch, room: int, parent: Level | None = None) -> Level:
        parent = parent or (self.base if extends(patch, self.base.patch) else self.original)
        plan = outline(self.nodes, patch, parent.patch)
        without = {} if self.as_written else gone(self.nodes, patch)
        return Level(patch, plan, without, parent, Kept(self.place, room, self.kernels))

    def _labels(self, block: int) -> Tensor:
        if block not in self.labels:
            self._block(block)
        return self.labels[block]

    def _pieces(self, block: int) -> int:
        """In how many pieces a block is computed."""
        if self.like.is_cuda:
            return 1
        images = len(self._labels(block))
        return piece_count(images, at_a_time(self.model, self.pixels))

    def _block(self, block: int) -> Tensor:
        """The images of a block; kept until it is through."""
        with self.loading:
            if self.loaded is None or self.loaded[0] != block:
                images, self.labels[block] = self.images.block(block)
                self.loaded, self.pixels = (block, images), images.shape[-2] * images.shape[-1]
            return self.loaded[1]

    def _values(
        self, level: Level, piece: Piece, wanted: frozenset[Signal], held: Mapping[Level, Mapping[Signal, Tensor]]
    ) -> dict[Signal, Tensor]:
        """Values of a level: kept ones, its parent's, and what must be computed from them.

        Args:
            level: whose.
            piece: of the images.
            wanted: which.
            held: what levels' children begin with, as far as it was computed before.
        """
        known, missing, others = self._sources(level, piece, wanted)
        values = {name: unpacked(value, self.like) for name, value in known.items()}
        if level.parent is None:
            values |= self._images(piece, others)
        elif others:
            found = held.get(level.parent) or self._values(level.parent, piece, others, held)
            values |= {name: self._taken(level, level.parent, name, found[name]) for name in others}
        nodes = [node for node in level.plan.changed if node.value in missing]
        if not self._is_recorded(level, piece):
            return self._computed(level, nodes, wanted, partial(level.kept.put, piece), values)
        new = wanted & missing
        stay = (new | self.cuts) & missing if level.kept.limit else new
        used = {name: values[name] for node in nodes for name in node.inputs if name in values}
        found = level.recordings.run((stay, missing), partial(self._all_of, level, nodes, stay), used) if nodes else {}
        for name in found:
            level.kept.put(piece, name, found[name])
        return {name: found[name] if name in new else values[name] for name in wanted}

    def _is_recorded(self, level: Level, piece: Piece) -> bool:
        """Whether the launches of a piece, which is a block on a GPU, take time that counts."""
        images = len(self._labels(piece.block)) * (level.stack.count if level.stack else 1)
        return self.like.is_cuda and bytes_an_image(self.model, self.pixels) * images <= RECORDED_BYTES

    def _all_of(
        self, level: Level, nodes: Sequence[Node], names: frozenset[Signal], values: Mapping[Signal, Tensor]
    ) -> dict[Signal, Tensor]:
        """Values of a level, whose own ones that stay are among the names."""
        return self._computed(level, nodes, names, lambda _name, _value: None, {**values})

    def _computed(
        self,
        level: Level,
        nodes: Sequence[Node],
        wanted: frozenset[Signal],
        keep: Callable[[Signal, Tensor], None],
        values: dict[Signal, Tensor],
    ) -> dict[Signal, Tensor]:
        """Values of a level, node by node; ``values`` has what they begin with, and loses what is used no more.

        Args:
            level: whose.
            nodes: what is to be computed, in order.
            wanted: what is returned.
            keep: is told of values that may stay in memory.
            values: changed in place.
        """
        uses, stay, own = _last_uses(nodes), wanted | self.cuts, {node.value for node in nodes}
        for node in nodes:
            first = node.inputs[0]
            is_last = uses[first] is node and first not in stay
            overwrite = is_last and first in own and self._is_fresh(first)
            values[node.value] = self._run(level, node, [values[name] for name in node.inputs], overwrite=overwrite)
            if node.value in stay:
                keep(node.value, values[node.value])
            for name in {*node.inputs} - wanted:
                if uses[name] is node:
                    del values[name]
        return {name: values[name] for name in wanted}

    def _taken(self, level: Level, parent: Level, name: Signal, value: Tensor) -> Tensor:
        """A parent's value as a level has it: without further channels, or with zeros in their places."""
        if level.stack:
            return level.stack.spread(name, value)
        if self.as_written:
            return _silenced(value, level.plan.silent.get(name, NOTHING))
        return fewer(value, parent.without(name), level.without(name))

    def _sources(
        self, level: Level, piece: Piece, wanted: frozenset[Signal]
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
            value = level.kept.get(piece, name)
            if value is not None:
                known[name] = value
            elif name in level.changed:
                missing.add(name)
                left += self.node_of[name].inputs
            else:
                others.add(name)
        return known, frozenset(missing), frozenset(others)

    def _images(self, piece: Piece, names: frozenset[Signal]) -> dict[Signal, Tensor]:
        if not names:
            return {}
        images = self._block(piece.block).tensor_split(piece.pieces)[piece.number]
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
            return _chain(level.steps[node.value], x[0])
        if isinstance(op, Fire):
            return self._fire(op, x[0], overwrite=overwrite)
        if isinstance(op, Attend):
            return self._attend(op, x, before)
        if isinstance(op, Channels) and before[0]:
            return fewer(op(whole(x[0], before[0])), NOTHING, after)
        if not isinstance(op, Planes) and {*before} != {after}:  # values that lack other channels than the result
            x = [whole(value, without) for value, without in zip(x, before, strict=True)]
        if not op.modules:
            return op(*x)
        with self.by_modules:
            return _with_patch(node, self.model, level.patch, x) if _touches(node, level.patch) else op(*x)

    def _steps(self, level: Level, node: Node, before: Silence, after: Silence) -> list[Step]:
        """A level's stateless operation, from the channels that its input has to those that its value has."""
        touched = level.parent is not None and _touches(node, level.patch)
        if touched or level.parent is None:
            folds, kernels = not self.as_written, self.kernels
            found = steps(node.op.modules, node.tensors, level.patch, kernels=kernels, folds=folds)
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
            return attend(q, k, v, num_heads=heads, scale=op.scale, kernels=self.kernels)
        return fewer(
            attend(q, k, whole(v, before[2]), num_heads=heads, scale=op.scale, kernels=self.kernels), NOTHING, before[2]
        )

    def _fire(self, op: Fire, x: Tensor, *, overwrite: bool) -> Tensor:
        neuron = op.neuron
        if isinstance(neuron, LIF) and neuron.v_reset == 0.0 and neuron.decay_input:
            return leaky(x, neuron.tau, neuron.v_threshold, self.kernels, overwrite=overwrite)
        with self.by_modules:
            reset(neuron)
            spikes: Tensor = neuron(x)
            reset(neuron)
        return spikes


def _touches(node: Node, patch: Patch) -> bool:
    return any(node.uses(name) for name in patch.touched)


def _with_patch(node: Node, model: SpikingModel, patch: Patch, x: Sequence[Tensor]) -> Tensor:
    with patched(model, patch.within(node.uses)):
        return node.op(*x)


def _chain(found: Sequence[Step], x: Tensor) -> Tensor:
    if len(x) > 1 and x.stride(0) == 0:  # one image shown at every time step
        return _chain(found, x[:1]).expand(len(x), *[-1] * (x.dim() - 1))
    for step in found:
        x = step(x)
    return x


def _silenced(x: Tensor, channels: Silence) -> Tensor:
    if not channels:
        return x
    return x.index_fill(2, torch.tensor(sorted(channels), device=x.device), 0.0)


def _cuts(nodes: Sequence[Node]) -> frozenset[Signal]:
    """Values on which alone everything behind them depends: the streams between the parts of a network."""
    last = {name: at for at, node in enumerate(nodes) for name in node.inputs}
    found, reach = set(), -1
    for at, node in enumerate(nodes):
        if reach <= at and node.value in last:
            found.add(node.value)
        reach = max(reach, last.get(node.value, at))
    return frozenset(found)


def _last_uses(nodes: Sequence[Node]) -> dict[Signal, Node]:
    return {name: node for node in nodes for name in node.inputs}
