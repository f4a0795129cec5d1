"""The engine: traces the original once a block of images, and computes candidates from what they change onwards.

What a candidate leaves alone is taken from the trace; channels that it silences are the trace's, but zero; everything
behind is computed anew, with BatchNorms folded, channels last in memory and neurons in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from primesvt_core.engines._base import Images, Predictions
from primesvt_core.engines.folding import Pointwise, Step, steps
from primesvt_core.engines.kernels import Kernels, available, leaky
from primesvt_core.engines.predictions import predictions
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.graph import INPUT, Apply, Attend, Channels, Fire, Node, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import LIF, reset
from primesvt_core.pruning.patches import Patch

KEPT_BYTES = 2 << 30
"""Memory for what the original computes and candidates begin with; the deepest values, which save most, stay first."""

Channel = frozenset[int]
ORIGINAL = Patch()


@dataclass(frozen=True)
class Outline:
    """How a candidate differs from the original, value by value; the same for all blocks.

    Attributes:
        changed: values that must be computed, in order.
        silent: values that are the trace's but for channels that are zero.
        begins_with: values of the trace that it needs.
    """

    changed: tuple[Node, ...]
    silent: Mapping[Signal, Channel]
    begins_with: frozenset[Signal]


class BlockEngine:
    """Computes many candidates of one model on one block of images after another.

    Args:
        model: the original, in eval mode, on its device.
        images: to compute them on.
        kernels: the form of the inner loops.
        kept_bytes: memory for values that later calls begin with.
    """

    def __init__(
        self, model: SpikingModel, images: Images, *, kernels: Kernels | None = None, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self.model, self.images, self.kernels = model, images, kernels or available()
        self.nodes = model.graph.nodes
        self.output = model.graph.output
        self.like = next(model.parameters())
        self.place = {INPUT: -1, **{node.value: index for index, node in enumerate(self.nodes)}}
        self.node_of = {node.value: node for node in self.nodes}
        self.steps: dict[Signal, list[Step]] = {}
        self.labels: dict[int, Tensor] = {}
        self.kept = Kept(self.place, kept_bytes)

    def evaluate(self, block: int, patches: Sequence[Patch]) -> list[Predictions]:
        """What each candidate predicts on the images of a block."""
        with torch.inference_mode():
            outlines = [outline(self.nodes, patch) for patch in patches]
            first = [min((self.place[v] for v in o.begins_with), default=len(self.nodes)) for o in outlines]
            trace = self._trace(block, [o.begins_with for o in outlines])
            original = trace[self.output]
            logits: dict[int, Tensor] = {}
            for index in sorted(range(len(patches)), key=lambda i: first[i]):
                logits[index] = self._candidate(trace, patches[index], outlines[index])
            labels = self.labels[block]
            return [predictions(original, logits[index], labels) for index in range(len(patches))]

    def _trace(self, block: int, begins_with: Sequence[frozenset[Signal]]) -> dict[Signal, Tensor]:
        """The values of the original that the candidates begin with, and its logits."""
        wanted = frozenset((self.output,)).union(*begins_with)
        found = {name: self.kept.get(block, name) for name in wanted}
        missing = [name for name, value in found.items() if value is None]
        values = {name: value for name, value in found.items() if value is not None}
        if missing:
            values |= self._compute(block, frozenset(missing))
            for name in wanted:
                self.kept.put(block, name, values[name])
        return {name: _unpacked(value, self.like) for name, value in values.items()}

    def _compute(self, block: int, wanted: frozenset[Signal]) -> dict[Signal, Tensor]:
        images, labels = self.images.block(block)
        self.labels[block] = labels
        values = {INPUT: self.model.encode(images.to(self.like))}
        last = max(self.place[name] for name in wanted)
        uses = _last_uses(self.nodes[: last + 1])
        for node in self.nodes[: last + 1]:
            x = [values[name] for name in node.inputs]
            overwrite = uses[node.inputs[0]] is node and node.inputs[0] not in wanted and self._is_fresh(node.inputs[0])
            values[node.value] = self._run(node, x, ORIGINAL, overwrite=overwrite)
            for name in {*node.inputs}:
                if uses[name] is node and name not in wanted:
                    del values[name]
        return {name: values[name] for name in wanted}

    def _candidate(self, trace: Mapping[Signal, Tensor], patch: Patch, plan: Outline) -> Tensor:
        """The logits of a candidate."""
        own: dict[Signal, Tensor] = {}
        uses = _last_uses(plan.changed)
        for node in plan.changed:
            overwrite = node.inputs[0] in own and uses[node.inputs[0]] is node and self._is_fresh(node.inputs[0])
            without = self._silent_columns(node, plan)
            x = [
                own[name] if name in own
                else trace[name] if name == without else _silenced(trace[name], plan.silent.get(name, frozenset()))
                for name in node.inputs
            ]  # fmt: skip
            silent = plan.silent[without] if without is not None else frozenset()
            own[node.value] = self._run(node, x, patch, overwrite=overwrite, silent=silent)
            for name in {*node.inputs} & own.keys():
                if uses[name] is node:
                    del own[name]
        return own.get(self.output, trace.get(self.output, torch.empty(0)))

    def _is_fresh(self, name: Signal) -> bool:
        """Whether a value has memory of its own, which another value is no view of."""
        return name != INPUT and isinstance(self.node_of[name].op, Stateless | Attend)

    def _silent_columns(self, node: Node, plan: Outline) -> Signal | None:
        """The input whose silent channels cost a product nothing but zero columns in its weights."""
        if isinstance(node.op, Stateless) and node.inputs[0] in plan.silent:
            first = self._original_steps(node)[0]
            return node.inputs[0] if isinstance(first, Pointwise) else None
        return None

    def _original_steps(self, node: Node) -> list[Step]:
        if node.value not in self.steps:
            self.steps[node.value] = steps(node.op.modules, node.tensors, ORIGINAL)
        return self.steps[node.value]

    def _run(
        self, node: Node, x: list[Tensor], patch: Patch, *, overwrite: bool, silent: Channel = frozenset()
    ) -> Tensor:
        op = node.op
        if isinstance(op, Stateless):
            found = self._original_steps(node) if not _touches(node, patch) else steps(op.modules, node.tensors, patch)
            if silent:
                first, *others = found
                assert isinstance(first, Pointwise)  # noqa: S101  # `_silent_columns` said so
                found = [first.without(sorted(silent)), *others]
            return flatten_time(lambda y: _chain(found, y), x[0])
        if isinstance(op, Fire):
            return self._fire(op, x[0], overwrite=overwrite)
        if isinstance(op, Attend):
            return attend(*x, num_heads=op.num_heads, scale=op.scale)
        if op.modules and _touches(node, patch):
            return _with_patch(node, self.model, patch, x)
        return op(*x)

    def _fire(self, op: Fire, x: Tensor, *, overwrite: bool) -> Tensor:
        neuron = op.neuron
        if isinstance(neuron, LIF) and neuron.v_reset == 0.0 and neuron.decay_input:
            return leaky(x, neuron.tau, neuron.v_threshold, self.kernels, overwrite=overwrite)
        reset(neuron)
        spikes: Tensor = neuron(x)
        reset(neuron)
        return spikes


def attend(q: Tensor, k: Tensor, v: Tensor, *, num_heads: int, scale: float) -> Tensor:
    """`spiking_self_attention` for channels that lie last in memory: the same integers."""
    T, B, _, N = q.shape
    queries, keys, values = (x.flatten(0, 1).transpose(1, 2).unflatten(2, (num_heads, -1)) for x in (q, k, v))
    products = keys.permute(0, 2, 3, 1) @ values.transpose(1, 2)  # (M, heads, C_qk, C_v)
    attended = (queries.transpose(1, 2) @ products).mul_(scale)  # (M, heads, N, C_v)
    return attended.transpose(1, 2).reshape(T, B, N, -1).transpose(2, 3)


def outline(nodes: Sequence[Node], patch: Patch) -> Outline:
    """What a candidate changes."""
    touched = patch.touched
    changed: dict[Signal, Node] = {}
    silent: dict[Signal, Channel] = {}
    begins_with: set[Signal] = set()
    for node in nodes:
        is_touched = any(node.uses(name) for name in touched)
        if not is_touched and not any(name in changed or name in silent for name in node.inputs):
            continue
        channels = _silent_channels(node, patch, changed, silent, is_touched=is_touched)
        if channels is not None:
            silent[node.value] = channels
            continue
        changed[node.value] = node
        begins_with |= {name for name in node.inputs if name not in changed}
    return Outline(tuple(changed.values()), silent, frozenset(begins_with))


def _silent_channels(
    node: Node,
    patch: Patch,
    changed: Mapping[Signal, Node],
    silent: Mapping[Signal, Channel],
    *,
    is_touched: bool,
) -> Channel | None:
    """The channels that are zero, where that is all by which a value differs from the original's."""
    op = node.op
    if any(name in changed for name in node.inputs):
        return None
    different = {silent[name] for name in node.inputs if name in silent}
    if is_touched:
        return None if different else _silenced_at_the_end(node, patch)
    if len(different) != 1:
        return None
    (channels,) = different
    if isinstance(op, Fire) or (isinstance(op, Apply) and op.by_channel):
        return channels
    if isinstance(op, Channels):
        return frozenset(c - op.start for c in channels if 0 <= c - op.start < op.width)
    if isinstance(op, Attend) and node.inputs[2] in silent and not {*node.inputs[:2]} & silent.keys():
        return channels
    return channels if isinstance(op, Stateless) and all(map(_keeps_silence, op.modules)) else None


def _silenced_at_the_end(node: Node, patch: Patch) -> Channel | None:
    """Channels of a layer's BatchNorm that are zeroed, where the patch does nothing else to the operation."""
    if not isinstance(node.op, Stateless) or any(node.uses(name) for name in patch.tensors):
        return None
    named = zip(node.tensors, node.op.modules, strict=True)
    rest = [(name, module) for name, module in named if not _keeps_silence(module)]
    norm = rest[-1][0]
    others = [name for name, _ in rest[:-1] if name in patch.silenced]
    return frozenset(patch.silenced[norm]) if norm in patch.silenced and not others else None


def _keeps_silence(module: torch.nn.Module) -> bool:
    """Whether a module without weights leaves channels of zeros as they are, and touches no other."""
    return isinstance(module, torch.nn.MaxPool2d | torch.nn.AvgPool2d | torch.nn.Identity)


def _touches(node: Node, patch: Patch) -> bool:
    return any(node.uses(name) for name in patch.touched)


def _with_patch(node: Node, model: SpikingModel, patch: Patch, x: Sequence[Tensor]) -> Tensor:
    from primesvt_core.pruning.patches import patched

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


def _silenced(x: Tensor, channels: Channel) -> Tensor:
    if not channels:
        return x
    return x.index_fill(2, torch.tensor(sorted(channels), device=x.device), 0.0)


def _last_uses(nodes: Sequence[Node]) -> dict[Signal, Node]:
    return {name: node for node in nodes for name in node.inputs}


class Kept:
    """Values of the original that stay in memory between calls, by block; spikes and sums of spikes as bytes."""

    def __init__(self, place: Mapping[Signal, int], limit: int) -> None:
        self.place, self.limit = place, limit
        self.values: dict[tuple[int, Signal], Tensor] = {}
        self.bytes = 0

    def get(self, block: int, name: Signal) -> Tensor | None:
        """What is kept, packed."""
        return self.values.get((block, name))

    def put(self, block: int, name: Signal, value: Tensor) -> None:
        """Keep a value; the shallowest are given up once all together take too much."""
        if (block, name) in self.values:
            return
        packed = _packed(value)
        self.values[block, name] = packed
        self.bytes += packed.nbytes
        if self.bytes > self.limit:
            for key in sorted(self.values, key=lambda key: self.place[key[1]]):
                self.bytes -= self.values.pop(key).nbytes
                if self.bytes <= self.limit:
                    break


def _packed(x: Tensor) -> Tensor:
    """Spikes and sums of spikes as bytes; anything else as it is."""
    small = x.to(torch.uint8)
    return small if torch.equal(small.to(x.dtype), x) else x


def _unpacked(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype) if x.dtype == torch.uint8 else x
