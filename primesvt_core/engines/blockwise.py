"""The engine: traces the original once a block of images, and computes candidates from what they change onwards.

What a candidate leaves alone is taken from the trace; channels that it silences are the trace's, but zero; everything
behind is computed anew, with BatchNorms folded, channels last in memory and neurons in place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from primesvt_core.engines._base import Images, Predictions
from primesvt_core.engines.folding import Step, steps, takes_silence
from primesvt_core.engines.keeping import Kept, unpacked
from primesvt_core.engines.kernels import Kernels, attend, available, leaky
from primesvt_core.engines.outlines import Outline, Silence, outline
from primesvt_core.engines.predictions import predictions
from primesvt_core.layers.flatten_time import flatten_time
from primesvt_core.layers.graph import INPUT, Attend, Fire, Node, Signal, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import LIF, reset
from primesvt_core.pruning.patches import Patch, patched

KEPT_BYTES = 2 << 30
"""Memory for what the original computes and candidates begin with; the deepest values, which save most, stay first."""

ORIGINAL = Patch()


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
        self.as_written = as_written
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
        values = self._compute(block, wanted)
        for name, value in values.items():
            self.kept.put(block, name, value)
        return values

    def _compute(self, block: int, wanted: frozenset[Signal]) -> dict[Signal, Tensor]:
        """Values of the original, from those that are kept on, or from the images."""
        nodes, known = self._missing(block, wanted)
        values = {name: unpacked(value, self.like) for name, value in known.items()}
        if any(INPUT in node.inputs for node in nodes) or block not in self.labels:
            images, self.labels[block] = self.images.block(block)
            values[INPUT] = self.model.encode(images.to(self.like))
        uses = _last_uses(nodes)
        for node in nodes:
            x = [values[name] for name in node.inputs]
            overwrite = uses[node.inputs[0]] is node and node.inputs[0] not in wanted and self._is_fresh(node.inputs[0])
            values[node.value] = self._run(node, x, ORIGINAL, overwrite=overwrite)
            for name in {*node.inputs}:
                if uses[name] is node and name not in wanted:
                    del values[name]
        return {name: values[name] for name in wanted}

    def _missing(self, block: int, wanted: frozenset[Signal]) -> tuple[list[Node], dict[Signal, Tensor]]:
        """Nodes that must be computed for the wanted values, in order, and the kept values that they begin with."""
        known: dict[Signal, Tensor] = {}
        missing: set[Signal] = set()
        left = [*wanted]
        while left:
            name = left.pop()
            if name in known or name in missing or name == INPUT:
                continue
            value = self.kept.get(block, name)
            if value is not None:
                known[name] = value
            else:
                missing.add(name)
                left += self.node_of[name].inputs
        return [node for node in self.nodes if node.value in missing], known

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
            return node.inputs[0] if takes_silence(first) else None
        return None

    def _original_steps(self, node: Node) -> list[Step]:
        if node.value not in self.steps:
            self.steps[node.value] = self._steps(node, ORIGINAL)
        return self.steps[node.value]

    def _steps(self, node: Node, patch: Patch) -> list[Step]:
        return steps(node.op.modules, node.tensors, patch, folds=not self.as_written)

    def _run(
        self, node: Node, x: list[Tensor], patch: Patch, *, overwrite: bool, silent: Silence = frozenset()
    ) -> Tensor:
        op = node.op
        if isinstance(op, Stateless):
            found = self._original_steps(node) if not _touches(node, patch) else self._steps(node, patch)
            if silent:
                first, *others = found
                assert takes_silence(first)  # noqa: S101  # `_silent_columns` said so
                found = [first.without(sorted(silent)), *others]
            return flatten_time(lambda y: _chain(found, y), x[0])
        if isinstance(op, Fire):
            return self._fire(op, x[0], overwrite=overwrite)
        if isinstance(op, Attend) and not self.as_written:
            return attend(*x, num_heads=op.num_heads, scale=op.scale)
        if op.modules and _touches(node, patch):
            return _with_patch(node, self.model, patch, x)
        return op(*x)

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
