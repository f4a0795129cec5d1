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

SOME = {"qkformer-step_cifar-T4", "sdtv1-step_imagenet-T4", "spikformer-step_cifar-T4", "spikingformer-step_cifar-T4"}
"""Of several families; sdtv3's kernels take scratch memory of their own, which no tensor of the forward pass is."""

FAMILIES_TRIED = [reference for reference in references() if reference.name in SOME]


def allocated_at_once(model: SpikingModel, image: Tensor) -> int:
    """The most that torch's allocator has handed out during a forward pass, each neuron reset as it has fired."""

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
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    changes: list[int] = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return max(accumulate(changes)) + image.nbytes


@pytest.mark.parametrize("reference", FAMILIES_TRIED, ids=lambda reference: reference.name)
def test_layer_by_layer_as_much_is_alive_as_torch_allocates(reference: Reference) -> None:
    golden = reference.load()
    config, parameters = golden.config, sum(tensor.nbytes for tensor in golden.state.values())
    model = build(golden.family, config, golden.state)
    image = torch.rand(1, config.in_channels, config.image_size, config.image_size)
    real = parameters + allocated_at_once(model, image)
    assert inference_bytes(golden.family, config, parameters).layerwise == pytest.approx(real, rel=0.05)


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
