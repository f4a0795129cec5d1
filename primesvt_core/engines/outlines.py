"""What a candidate changes in a forward pass: which values are computed anew, and which are merely silent in places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from primesvt_core.layers.graph import Add, Apply, Attend, Channels, Fire, Node, Planes, Signal, Stateless
from primesvt_core.pruning.patches import Patch

Silence = frozenset[int]
"""Channels of a value that are zero."""

NOTHING: Silence = frozenset()


@dataclass(frozen=True)
class Outline:
    """How a candidate differs from the original, value by value; the same for all blocks.

    Attributes:
        changed: values that must be computed, in order.
        silent: values that are the trace's but for channels that are zero.
        begins_with: values of the trace that it needs.
    """

    changed: tuple[Node, ...]
    silent: Mapping[Signal, Silence]
    begins_with: frozenset[Signal]


def outline(nodes: Sequence[Node], patch: Patch, since: Patch | None = None) -> Outline:
    """What a candidate changes, of the original or of another candidate ``since`` that it extends."""
    touched = _by_prefix(differing(patch, since or Patch()))
    changed: dict[Signal, Node] = {}
    silent: dict[Signal, Silence] = {}
    begins_with: set[Signal] = set()
    for node in nodes:
        of_node = frozenset(name for prefix in node.tensors for name in touched.get(prefix, ()))
        if not of_node and not any(name in changed or name in silent for name in node.inputs):
            continue
        channels = _silent_channels(node, patch, changed, silent, of_node)
        if channels is not None:
            silent[node.value] = channels
            continue
        changed[node.value] = node
        begins_with |= {name for name in node.inputs if name not in changed}
    return Outline(tuple(changed.values()), silent, frozenset(begins_with))


def _by_prefix(names: Iterable[str]) -> Mapping[str, list[str]]:
    """Names of state dict entries by every module that they lie in, and by themselves."""
    found: dict[str, list[str]] = {}
    for name in names:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:end]), []).append(name)
    return found


def differing(patch: Patch, other: Patch) -> frozenset[str]:
    """State dict entries that two candidates have otherwise."""
    norms = {
        norm for norm in {*patch.silenced, *other.silenced} if patch.silenced.get(norm) != other.silenced.get(norm)
    }
    tensors = {n for n in {*patch.tensors, *other.tensors} if patch.tensors.get(n) is not other.tensors.get(n)}
    return frozenset((*(f"{norm}.{entry}" for norm in norms for entry in ("weight", "bias")), *tensors))


def extends(patch: Patch, other: Patch) -> bool:
    """Whether a candidate silences whatever the other does, and has all its tensors."""
    silences = all({*channels} <= {*patch.silenced.get(norm, ())} for norm, channels in other.silenced.items())
    return silences and all(patch.tensors.get(name) is tensor for name, tensor in other.tensors.items())


def _silent_channels(
    node: Node,
    patch: Patch,
    changed: Mapping[Signal, Node],
    silent: Mapping[Signal, Silence],
    touched: frozenset[str],
) -> Silence | None:
    """The channels that are zero, where that is all by which a value differs from the original's."""
    op = node.op
    if any(name in changed for name in node.inputs):
        return None
    different = {silent[name] for name in node.inputs if name in silent}
    if touched:
        return None if different else _silenced_at_the_end(node, patch, touched)
    if len(different) != 1:
        return None
    (channels,) = different
    if isinstance(op, Fire) or (isinstance(op, Apply) and op.by_channel):
        return channels
    if isinstance(op, Channels):
        return _in_run(op, channels)
    if isinstance(op, Planes):
        return channels if node.inputs[0] in silent else None
    if isinstance(op, Attend) and node.inputs[2] in silent and not {*node.inputs[:2]} & silent.keys():
        return channels
    return channels if isinstance(op, Stateless) and all(map(keeps_silence, op.modules)) else None


def gone(nodes: Sequence[Node], patch: Patch) -> dict[Signal, Silence]:
    """Channels of every value that a candidate has no use for: they are zero, and whatever reads them knows it."""
    found: dict[Signal, Silence] = {}
    for node in nodes:
        channels = _gone(node, patch, [found.get(name, NOTHING) for name in node.inputs])
        if channels:
            found[node.value] = channels
    return found


def _gone(node: Node, patch: Patch, inputs: Sequence[Silence]) -> Silence:
    op = node.op
    if isinstance(op, Fire | Planes):
        return inputs[0]
    if isinstance(op, Channels):
        return _in_run(op, inputs[0])
    if isinstance(op, Attend):
        return inputs[2]
    if isinstance(op, Stateless):
        layers = [name for name, module in zip(node.tensors, op.modules, strict=True) if not keeps_silence(module)]
        return frozenset(patch.silenced.get(layers[-1], ())) if layers else inputs[0]
    is_alike = len({*inputs}) == 1 and (isinstance(op, Add) or (isinstance(op, Apply) and op.by_channel))
    return inputs[0] if is_alike else NOTHING


def _in_run(op: Channels, channels: Silence) -> Silence:
    return frozenset(channel - op.start for channel in channels if 0 <= channel - op.start < op.width)


def _silenced_at_the_end(node: Node, patch: Patch, touched: frozenset[str]) -> Silence | None:
    """Channels of a layer's BatchNorm that are zeroed, where nothing else of the operation differs."""
    if not isinstance(node.op, Stateless):
        return None
    named = zip(node.tensors, node.op.modules, strict=True)
    *_, norm = (name for name, module in named if not keeps_silence(module))
    only = {f"{norm}.weight", f"{norm}.bias"}
    is_silence = touched <= only and not only & patch.tensors.keys() and norm in patch.silenced
    return frozenset(patch.silenced[norm]) if is_silence else None


def keeps_silence(module: object) -> bool:
    """Whether a module without weights leaves channels of zeros as they are, and touches no other."""
    return isinstance(module, nn.MaxPool2d | nn.AvgPool2d | nn.Identity)
