"""What is alive when while a model computes one image: its forward pass on tensors without values.

A tensor counts from the operation that gives it to the last one that takes it, once, however many views there are of
it. While a neuron fires, its currents, its spikes and its membranes are alive; torch has what updates these beside
them, and, where a neuron rounds, every operation of the rounding.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from primesvt_core.costs.inference import InferenceBytes, Lifetimes, Moment, Record, Schedule
from primesvt_core.families._base import Family, FamilyConfig
from primesvt_core.layers.graph import Fire, Graph, Node
from primesvt_core.layers.neurons import MultiLevelNeuron, neurons
from primesvt_core.pruning.surgery import with_widths


class Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes, while it is entered, every tensor that an operation gives, and which of them are alive whenever one does.

    Args:
        ignored: tensors that do not count: parameters and buffers.
    """

    def __init__(self, ignored: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.sizes: list[int] = []
        self.moments: list[Moment] = []
        self._ignored = {_place(tensor) for tensor in ignored}
        self._alive: dict[int, int] = {}  # the tensor that lies at a place
        self._views: dict[int, set[int]] = {}  # of a place, by identity
        self._watched: dict[int, weakref.ref[Tensor]] = {}

    def __torch_dispatch__(
        self, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = func(*args, **(kwargs or {}))
        for one in tree_leaves(given):
            if isinstance(one, Tensor):
                self.hold(one)
        return given

    def hold(self, tensor: Tensor) -> None:
        """Count a tensor from now on, until nobody has it any more."""
        place, identity = _place(tensor), id(tensor)
        if place in self._ignored or identity in self._watched:
            return
        if place not in self._alive:
            self._alive[place] = len(self.sizes)
            self.sizes.append(tensor.untyped_storage().nbytes())
            self.moments.append(Moment(tensors=frozenset(self._alive.values())))
        self._views.setdefault(place, set()).add(identity)
        self._watched[identity] = weakref.ref(tensor, lambda _: self._forget(place, identity))

    def fired(self, membranes: int) -> None:
        """A neuron with membranes of so many bytes fires: its currents and its spikes are alive."""
        self.sizes.append(membranes)
        self.moments.append(
            Moment(tensors=frozenset(self._alive.values()), membranes=(len(self.sizes) - 1,))
        )  # fmt: skip

    def _forget(self, place: int, identity: int) -> None:
        del self._watched[identity]
        self._views[place].discard(identity)
        if not self._views[place]:
            del self._views[place], self._alive[place]


@dataclass(frozen=True)
class _Firing:
    """A neuron in a record: gives spikes of the currents' shape, and computes nothing if it has membranes.

    Attributes:
        recorder: of the record.
        neuron: that fires.
        as_torch: whether it takes what torch takes for it; a loop over its elements otherwise.
    """

    recorder: Recorder
    neuron: nn.Module
    as_torch: bool

    @property
    def modules(self) -> tuple[nn.Module, ...]:
        return (self.neuron,)

    def __call__(self, *inputs: Tensor) -> Tensor:
        (x,) = inputs
        has_membranes = not isinstance(self.neuron, MultiLevelNeuron)
        if self.as_torch and not has_membranes:
            rounded: Tensor = self.neuron(x)
            return rounded
        spikes = torch.empty(x.shape, dtype=x.dtype, device=x.device)
        if has_membranes:
            self.recorder.fired((1 + self.as_torch) * spikes[0].numel() * spikes.element_size())
        return spikes


def lifetimes(
    family: Family[FamilyConfig], config: FamilyConfig, schedule: Schedule, *, frames: bool = False
) -> Lifetimes:
    """What is alive when while a model of a config computes one image of the config's size.

    Args:
        family: of the model.
        config: of the model.
        schedule: by which it computes.
        frames: whether every time step has an image of its own, of which the schedule ``stepwise`` has one at a time.
    """
    with torch.device("meta"), torch.no_grad():
        model = family.build(config).eval()
        steps = config.time_steps if schedule == "layerwise" else 1
        image = torch.empty(steps if frames else 1, 1, config.in_channels, config.image_size, config.image_size)
        recorder = Recorder((*model.parameters(), *model.buffers()))
        recorder.hold(image)
        with recorder:
            _firing(model.graph, recorder, as_torch=schedule == "layerwise").run(
                image if frames else image.expand(steps, *image.shape[1:])
            )
    found = Lifetimes(sizes=tuple(recorder.sizes), moments=tuple(recorder.moments))
    return found if schedule == "layerwise" else _kept(found)


def _kept(found: Lifetimes) -> Lifetimes:
    """With all membranes at every moment."""
    every = tuple(one for moment in found.moments for one in moment.membranes)
    return replace(found, moments=tuple(replace(moment, membranes=every) for moment in found.moments))


def _firing(graph: Graph, recorder: Recorder, *, as_torch: bool) -> Graph:
    """The graph with neurons that are recorded.

    Raises:
        ValueError: if a neuron is a part of another operation.
    """
    return replace(graph, nodes=tuple(_recorded(node, recorder, as_torch) for node in graph.nodes))


def _recorded(node: Node, recorder: Recorder, as_torch: bool) -> Node:
    if isinstance(node.op, Fire):
        return replace(node, op=_Firing(recorder, node.op.neuron, as_torch))
    if any(True for module in node.op.modules for _ in neurons(module)):
        raise ValueError(f"{node.value} has a neuron within it")
    return node


def inference_bytes(
    family: Family[FamilyConfig], config: FamilyConfig, parameter_bytes: int, *, frames: bool = False
) -> InferenceBytes:
    """Peak memory of a model of a config, by schedule."""
    layerwise, stepwise = (
        lifetimes(family, config, schedule, frames=frames).peak for schedule in ("layerwise", "stepwise")
    )
    return InferenceBytes(layerwise=parameter_bytes + layerwise, stepwise=parameter_bytes + stepwise)


def recording(family: Family[FamilyConfig], config: FamilyConfig, *, frames: bool = False) -> Record:
    """Records networks of the same family at other widths than the config's."""
    paths = {group.name: group.width for group in family.groups(config)}

    def record(sizes: Mapping[str, int], schedule: Schedule) -> Lifetimes:
        widths = {paths[name]: size for name, size in sizes.items()}
        return lifetimes(family, with_widths(config, widths), schedule, frames=frames)

    return record


def _place(tensor: Tensor) -> int:
    place: int = tensor.untyped_storage()._cdata
    return place
