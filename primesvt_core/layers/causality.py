"""What a network says after fewer time steps, from a run over all of them.

Where every operation but the last computes its first t time steps from the first t of what it takes, values of a run
over T time steps begin with those of a run over t of them. The last operation brings time steps together: applied to
the first t, it gives the logits of that shorter run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from primesvt_core.layers.graph import INPUT, Node, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import reset

RELATIVE, ABSOLUTE = 1e-3, 1e-4
"""By how much sums may differ that are added in another order, the latter as a share of the largest value."""

SCALE = 2.0
"""Standard deviation of the random currents: neurons fire."""


def logits_by_step(model: SpikingModel, values: Mapping[Signal, Tensor]) -> Tensor:
    """Logits after every number of time steps, from one on: ``(T, B, num_classes)``.

    Args:
        model: of which `noncausal` finds nothing.
        values: what the last operation takes, each ``(T, B, ...)`` from a run over all time steps.
    """
    last = output_node(model)
    inputs = [values[name] for name in last.inputs]
    return torch.stack([last.op(*(x[:steps] for x in inputs)) for steps in range(1, len(inputs[0]) + 1)])


def output_node(model: SpikingModel) -> Node:
    """The operation that gives the logits."""
    graph = model.graph
    return next(node for node in graph.nodes if node.value == graph.output)


def noncausal(model: SpikingModel, image: Sequence[int], steps: int) -> str | None:
    """Why a run over fewer time steps is no beginning of a longer one; None where it is.

    Every operation before the last is given random values for ``steps`` time steps and the first of them alone, so that
    what is found depends neither on the weights nor on whether neurons fire.

    Args:
        model: on its device, in eval mode.
        image: ``(C, H, W)`` of what it takes.
        steps: time steps to try it for, at least 2.
    """
    if model.depends_on_batch:
        return "its output depends on the other images of a batch, and on the number of time steps"
    if type(model).encode is not SpikingModel.encode:
        return "it brings images into time in a way of its own"
    with torch.inference_mode():
        mixing = next(_mixing(model, image, steps), None)
    return None if mixing is None else f"{mixing} computes a time step from later ones"


def _mixing(model: SpikingModel, image: Sequence[int], steps: int) -> Iterator[Signal]:
    """Operations before the last whose first time steps depend on the number of time steps, in order."""
    like, chance = next(model.parameters()), torch.Generator().manual_seed(0)
    shapes: dict[Signal, tuple[int, ...]] = {INPUT: (steps, 1, *image)}
    last = output_node(model)
    for node in model.graph.nodes:
        if node is last:
            continue
        inputs = [SCALE * torch.randn(shapes[name], generator=chance).to(like) for name in node.inputs]
        whole = _run(node, inputs)
        shapes[node.value] = tuple(whole.shape)
        if whole.shape[0] != steps or not all(_begins_with(node, inputs, whole, first) for first in range(1, steps)):
            yield node.value
            return


def _begins_with(node: Node, inputs: Sequence[Tensor], whole: Tensor, steps: int) -> bool:
    try:
        found = _run(node, [x[:steps] for x in inputs])
    except RuntimeError:  # of something that has a size for every time step
        return False
    scale = float(whole.nan_to_num(0.0, 0.0, 0.0).abs().amax())
    wanted = whole[:steps]
    return found.shape == wanted.shape and torch.allclose(
        found, wanted, rtol=RELATIVE, atol=ABSOLUTE * scale, equal_nan=True
    )


def _run(node: Node, inputs: Sequence[Tensor]) -> Tensor:
    """What an operation gives, its neurons from rest."""
    found = node.op(*inputs)
    for module in node.op.modules:
        reset(module)
    return found
