"""What is alive when, beside what torch's allocator and the neurons themselves say."""

from __future__ import annotations

from itertools import accumulate

import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from primesvt_core.families import FAMILIES
from primesvt_core.intake.lifetimes import inference_bytes, lifetimes
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import MultiLevelNeuron, neurons
from primesvt_core.testing.models import TINY
from tests.support.references import Reference, references

QUICK = {
    "qkformer-step_cifar-T4", "sdtv1-step_imagenet-T4", "spikformer-step_cifar-T4", "spikingformer-step_cifar-T4",
    "sj_maxformer-plif", "sj_sdt-slow", "sj_spikformer-if", "sj_qkformer-events",
}  # fmt: skip
"""Of several families, with every kind of neuron, images and frames; all others with `make test-thorough`."""

TRIED = [
    pytest.param(reference, marks=() if reference.name in QUICK else pytest.mark.thorough, id=reference.name)
    for reference in references()
]

CONVOLUTION = "aten::convolution"


def allocated_at_once(model: SpikingModel, image: Tensor) -> int:
    """The most that torch's allocator has handed out during a forward pass, each neuron reset as it has fired.

    What a convolution's kernel takes for itself and gives back before it returns is no tensor of the forward pass: how
    much that is depends on the kernel that torch chooses for a machine.
    """

    def forget(module: nn.Module, _inputs: object, _output: object) -> None:
        if not isinstance(module, MultiLevelNeuron):
            module.reset()  # type: ignore[operator]

    hooks = [module.register_forward_hook(forget) for _, module in neurons(model)]
    with torch.no_grad():
        encoded = model.encode(image)
        model.graph.run(encoded)
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
            model.graph.run(encoded)
    for hook in hooks:
        hook.remove()
    events = [*profiled.profiler.kineto_results.events()]
    kernels = [(e.start_ns(), e.start_ns() + e.duration_ns()) for e in events if e.name() == CONVOLUTION]
    changes = [(e.start_ns(), e.nbytes()) for e in events if e.name() == "[memory]"]

    def end_of_kernel(moment: int) -> int:
        return next((end for start, end in kernels if start <= moment <= end), moment)

    at_once: dict[int, int] = {}
    for moment, change in sorted(changes):
        at_once[end_of_kernel(moment)] = at_once.get(end_of_kernel(moment), 0) + change
    return max(accumulate(at_once[moment] for moment in sorted(at_once))) + image.nbytes


@pytest.mark.parametrize("reference", TRIED)
def test_layer_by_layer_as_much_is_alive_as_torch_allocates(reference: Reference) -> None:
    golden = reference.load()
    config, parameters = golden.config, sum(tensor.nbytes for tensor in golden.state.values())
    model, image = build(golden.family, config, golden.state), golden.input[:1]
    steps = image.shape[1] if image.dim() == FRAMES else config.time_steps
    real = parameters + allocated_at_once(model, image)
    found = inference_bytes(
        golden.family, config.model_copy(update={"time_steps": steps}), parameters, frames=image.dim() == FRAMES
    )
    assert found.layerwise == pytest.approx(real, rel=0.05)


FRAMES = 5
"""Dimensions of a batch of frames."""


def test_step_by_step_every_membrane_is_kept() -> None:
    family = FAMILIES.load("spikformer")
    model, seen = family.build(TINY).eval(), list[int]()
    hooks = [
        module.register_forward_hook(lambda _module, _inputs, output: seen.append(output[0].nbytes))
        for _, module in neurons(model)
    ]
    with torch.no_grad():
        model(torch.rand(1, TINY.in_channels, TINY.image_size, TINY.image_size))
    for hook in hooks:
        hook.remove()
    found = lifetimes(family, TINY, "stepwise")
    assert all(sum(found.sizes[one] for one in moment.membranes) == sum(seen) for moment in found.moments)
    assert found == lifetimes(family, TINY.model_copy(update={"time_steps": 9}), "stepwise")


def test_frames_have_an_image_for_every_step() -> None:
    """An image that is shown all steps is one tensor, and what the first layer makes of it as well."""
    family, image = FAMILIES.load("spikformer"), 4 * TINY.in_channels * TINY.image_size**2
    shown, frames = (lifetimes(family, TINY, "layerwise", frames=frames) for frames in (False, True))
    assert (shown.sizes[0], frames.sizes[0]) == (image, TINY.time_steps * image)
    assert frames.sizes[1] == TINY.time_steps * shown.sizes[1]
    assert lifetimes(family, TINY, "stepwise", frames=True) == lifetimes(family, TINY, "stepwise")
