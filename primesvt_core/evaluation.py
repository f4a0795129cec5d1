"""Running models over images: who is right on which image, how many spikes, how much memory, how fast."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import torch
from torch import Tensor, nn

from primesvt_core.data import Batch
from primesvt_core.errors import SpecError
from primesvt_core.layers.model import SpikingModel, Stage
from primesvt_core.layers.neurons import neurons, reset, spikes_of, steps_of
from primesvt_core.pruning.surgery import silenced
from primesvt_core.spec import DEVICES
from primesvt_core.types import ChannelGroup, Plan

PREFIX_BYTES = 2 << 30
"""Memory for what the original computes before each stage; the deepest stages, which save most, are kept first."""

LARGEST_BYTE = 255


def pick_device(name: str) -> torch.device:
    """``auto`` is the first GPU, or the CPU where there is none.

    Raises:
        SpecError: if the name is none of a device, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(DEVICES, name):
        raise SpecError(f"there is no device {name!r}: use auto, cpu, cuda or cuda:N")
    device, gpus = torch.device(name), torch.cuda.device_count()
    if device.type == "cuda" and (device.index or 0) >= gpus:
        told = f"its GPUs are cuda:0 to cuda:{gpus - 1}" if gpus else "torch finds no GPU on it"
        raise SpecError(f"this machine has no {name}: {told}; use another device, or auto")
    return device


Tick = Callable[[int], None]
"""Told the images done so far."""


def correct(model: SpikingModel, batches: Iterable[Batch], tick: Tick = lambda _: None) -> list[bool]:
    """For every image, in order, whether ``model`` is right."""
    device = next(model.parameters()).device
    right: list[bool] = []
    with torch.inference_mode():
        for batch in batches:
            logits = model(torch.from_numpy(batch.images).to(device))
            right += (logits.argmax(1).cpu() == torch.from_numpy(batch.labels)).tolist()
            tick(len(right))
    return right


class TrialEvaluator:
    """Scores candidates on the search split by silencing channels of the original.

    What lies before the first silenced stage is the same for every candidate; it is computed once and kept.
    """

    def __init__(
        self,
        model: SpikingModel,
        groups: Sequence[ChannelGroup],
        batches: Iterable[Batch],
        tick: Tick = lambda _: None,
    ) -> None:
        self.model, self.groups = model, groups
        self.stages = model.stages()
        self.device = next(model.parameters()).device
        self.touched = {group.name: _first_stage(group, self.stages) for group in groups}
        self.labels: list[Tensor] = []
        self.inputs: list[list[Tensor]] = []
        self.baseline: list[bool] = []
        self._remember(batches, tick)

    def correct(self, plan: Plan) -> list[bool]:
        """For every image of the search split whether the model pruned by ``plan`` is right."""
        start = min((self.touched[name] for name in plan.kept), default=len(self.stages) - 1)
        while start and self.inputs[start] == []:
            start -= 1
        right: list[bool] = []
        with torch.inference_mode(), silenced(self.model, self.groups, plan):
            for kept, labels in zip(self.inputs[start], self.labels, strict=True):
                right += self._right(self._run(kept.to(self.device), start), labels)
        return right

    def _run(self, x: Tensor, start: int) -> Tensor:
        reset(self.model)
        x = self.model.encode(x) if start == 0 else _unpacked(x)
        for stage in self.stages[start:]:
            x = stage.run(x)
        reset(self.model)
        return x

    def _right(self, logits: Tensor, labels: Tensor) -> list[bool]:
        right: list[bool] = (logits.argmax(1).cpu() == labels).tolist()
        return right

    def _remember(self, batches: Iterable[Batch], tick: Tick) -> None:
        """Run the original once and keep every stage's input, in one byte an element where nothing is lost by it."""
        self.inputs = [[] for _ in self.stages]
        with torch.inference_mode():
            for batch in batches:
                images = torch.from_numpy(batch.images)
                self.labels.append(torch.from_numpy(batch.labels))
                self.inputs[0].append(images)
                reset(self.model)
                x = self.model.encode(images.to(self.device))
                for index, stage in enumerate(self.stages):
                    if index:
                        self.inputs[index].append(_packed(x).cpu())
                    x = stage.run(x)
                reset(self.model)
                self.baseline += self._right(x, self.labels[-1])
                tick(len(self.baseline))
                self._forget_beyond_limit()

    def _forget_beyond_limit(self) -> None:
        """Give up the shallowest stages' inputs, which save least, once all together take too much."""
        sizes = [sum(x.nbytes for x in kept) for kept in self.inputs]
        for index in range(1, len(sizes)):
            if sum(sizes[1:]) <= PREFIX_BYTES:
                return
            self.inputs[index], sizes[index] = [], 0


def _first_stage(group: ChannelGroup, stages: Sequence[Stage]) -> int:
    """Index of the first stage whose result changes when the group is silenced."""
    return min(
        index for index, stage in enumerate(stages) if any(stage.uses(f"{norm}.weight") for norm in group.silencers)
    )


def _packed(x: Tensor) -> Tensor:
    """Spikes and sums of spikes as bytes; anything else as it is."""
    small = x.to(torch.uint8)
    return small if torch.equal(small.to(x.dtype), x) else x


def _unpacked(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.uint8 else x


@dataclass(frozen=True, kw_only=True)
class Activity:
    """How a model behaves on images.

    Attributes:
        spikes_per_image: summed over neurons and time steps.
        firing_rates: mean spikes per neuron and time step, by neuron layer.
        peak_activation_bytes: largest input plus output of one layer, for one image.
        latency_seconds: median time of one image on this machine.
    """

    spikes_per_image: float
    firing_rates: dict[str, float]
    peak_activation_bytes: int
    latency_seconds: float


def measure(model: SpikingModel, batches: Iterable[Batch]) -> Activity:
    """Measure spikes over all the images, activation memory and latency on the first one."""
    device = next(model.parameters()).device
    spikes: dict[str, float] = {name: 0.0 for name, _ in neurons(model)}
    neuron_steps = dict.fromkeys(spikes, 0)
    images, first = 0, None

    def count(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            spikes[name] += float(spikes_of(module, output).double().sum())
            neuron_steps[name] += output.numel() * steps_of(module)

        return hook

    hooks = [module.register_forward_hook(count(name)) for name, module in neurons(model)]
    try:
        with torch.inference_mode():
            for batch in batches:
                x = torch.from_numpy(batch.images).to(device)
                first = x[:1] if first is None else first
                model(x)
                images += len(x)
    finally:
        for hook in hooks:
            hook.remove()
    assert first is not None, "a split is never empty"  # noqa: S101
    return Activity(
        spikes_per_image=sum(spikes.values()) / images,
        firing_rates={name: spikes[name] / neuron_steps[name] for name in spikes},
        peak_activation_bytes=_peak_activation(model, first),
        latency_seconds=_latency(model, first),
    )


def _peak_activation(model: SpikingModel, image: Tensor) -> int:
    peak = 0

    def hook(_module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal peak
        peak = max(peak, sum(x.nbytes for x in inputs) + output.nbytes)

    leaves = [module for module in model.modules() if not list(module.children())]
    hooks = [module.register_forward_hook(hook) for module in leaves]
    try:
        with torch.inference_mode():
            model(image)
    finally:
        for handle in hooks:
            handle.remove()
    return peak


def _latency(model: SpikingModel, image: Tensor, runs: int = 9) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(runs):
            start = time.perf_counter()
            model(image).cpu()
            times.append(time.perf_counter() - start)
    return median(times)
