"""How a model behaves on images: how many spikes, how much memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from primesvt_core.data import Batch
from primesvt_core.engines.pieces import PIECE, at_a_time
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import neurons, spikes_of, steps_of


@dataclass(frozen=True, kw_only=True)
class Activity:
    """How a model behaves on images.

    Attributes:
        spikes_per_image: summed over neurons and time steps.
        firing_rates: mean spikes per neuron and time step, by neuron layer.
        peak_activation_bytes: largest input plus output of one layer, for one image.
    """

    spikes_per_image: float
    firing_rates: dict[str, float]
    peak_activation_bytes: int


def measure(model: SpikingModel, batches: Iterable[Batch]) -> Activity:
    """Measure spikes over all the images, and activation memory on the first one."""
    device = next(model.parameters()).device
    spikes: dict[str, float] = {name: 0.0 for name, _ in neurons(model)}
    neuron_steps = dict.fromkeys(spikes, 0)
    images, first = 0, None

    def count(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            spikes[name] += float(spikes_of(module, output).sum(dtype=torch.float64))
            neuron_steps[name] += output.numel() * steps_of(module)

        return hook

    hooks = [module.register_forward_hook(count(name)) for name, module in neurons(model)]
    try:
        with torch.inference_mode():
            for batch in batches:
                x = torch.from_numpy(batch.images).to(device)
                first = x[:1] if first is None else first
                for some in torch.split(x, _at_a_time(model, x)):
                    model(some)
                images += len(x)
    finally:
        for hook in hooks:
            hook.remove()
    assert first is not None, "a split is never empty"  # noqa: S101
    return Activity(
        spikes_per_image=sum(spikes.values()) / images,
        firing_rates={name: spikes[name] / neuron_steps[name] for name in spikes},
        peak_activation_bytes=_peak_activation(model, first),
    )


def _at_a_time(model: SpikingModel, x: Tensor) -> int:
    """A whole batch, unless what a layer makes of it takes too much memory."""
    most = at_a_time(model, x.shape[-2] * x.shape[-1])
    return len(x) if model.depends_on_batch or most == PIECE else most


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
