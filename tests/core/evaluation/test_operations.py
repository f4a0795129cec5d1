"""Accumulates that spikes cause: beside a loop over every weight, and of whole models by what their neurons give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from primesvt_core.data import Batch
from primesvt_core.evaluation.operations import accumulates, norms_seen, operations
from primesvt_core.families import FAMILIES
from primesvt_core.intake.geometry import geometry
from primesvt_core.intake.loading import build
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseConv2d, PointwiseLinear
from primesvt_core.testing.models import TINY, FamilyModel, tiny
from tests.support.references import references

LAYERS = [
    (nn.Conv2d(4, 6, 3, padding=1), (2, 4, 5, 6)),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), (2, 4, 5, 7)),
    (nn.Conv2d(4, 4, (3, 2), padding=(0, 1), dilation=2, groups=4), (2, 4, 7, 6)),
    (PointwiseConv2d(4, 6), (2, 4, 9)),
    (PointwiseConv1d(4, 6), (2, 4, 9)),
    (PointwiseLinear(4, 6), (2, 4, 9)),
    (nn.Linear(4, 6), (2, 4)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=lambda one: type(one).__name__)
def test_every_level_counts_once_for_every_weight_that_it_meets(layer: nn.Module, shape: tuple[int, ...]) -> None:
    """With weights of 1 and no bias, what a layer gives is the sum of the levels that it adds up."""
    levels = torch.randint(0, 4, shape, generator=torch.Generator().manual_seed(0)).float()
    assert isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        if layer.bias is not None:
            layer.bias.zero_()
        assert accumulates(layer, levels) == float(layer(levels).sum())


def batch(images: Tensor) -> list[Batch]:
    return [Batch(images.numpy(), np.zeros(len(images), np.int64))]


def by_hand(model: FamilyModel) -> dict[str, float]:
    """Of every layer the sum of its outputs with weights of 1, on the inputs that it has with its own."""
    found: dict[str, float] = {}
    built, seen = build(model.family, model.config, model.state), dict[nn.Module, Tensor]()
    names = {
        module: name
        for name, module in built.named_modules()
        if isinstance(module, nn.Linear | nn.modules.conv._ConvNd)
    }
    hooks = [module.register_forward_pre_hook(lambda one, given: seen.update({one: given[0]})) for module in names]
    frames = model.input.unsqueeze(1).expand(-1, model.config.time_steps, -1, -1, -1).contiguous()
    with torch.no_grad():
        built(frames)
        for hook in hooks:
            hook.remove()
        for module, name in names.items():
            module.get_parameter("weight").fill_(1.0)
            if module.bias is not None:
                module.get_parameter("bias").zero_()
            found[f"{name}.weight"] = float(module(seen[module]).double().sum()) / len(model.input)
    return found


def test_a_model_adds_up_what_spikes_reach_and_multiplies_the_rest() -> None:
    """The first layer sees an image and the head a mean; every other one sees spikes, or sums of them."""
    model, expected = tiny(), by_hand(tiny())
    found = operations(build(model.family, model.config, model.state), batch(model.input), attention=11.0)
    dense = geometry(model.family, model.config).positions
    first, head = "patch_embed.proj_conv.weight", "head.weight"
    assert found.multiplied.keys() == {first, head}
    for name, count in found.multiplied.items():
        assert count == dense[name] * model.state[name].numel()
    assert found.by_spikes.keys() == expected.keys() - {first, head}
    for name, count in found.by_spikes.items():
        assert count == pytest.approx(expected[name], rel=1e-6)
    assert found.attention == 11.0
    assert all(0 < count <= 3 * dense[name] * model.state[name].numel() for name, count in found.by_spikes.items())


def test_a_level_counts_as_that_many_spikes() -> None:
    """Of neurons that divide their levels by a norm: what layers see, times the norm."""
    golden = next(reference for reference in references() if reference.family == "sdtv3").load()
    model = build(golden.family, golden.config, golden.state)
    norms = norms_seen(model)
    assert {*norms.values()} - {1}
    found = operations(model, batch(golden.input), attention=0.0)
    name = next(name for name, module in model.named_modules() if norms.get(module, 1) > 1)
    seen: list[Tensor] = []
    hook = model.get_submodule(name).register_forward_pre_hook(lambda _module, given: seen.append(given[0]))
    with torch.no_grad():
        model(golden.input)
    hook.remove()
    layer = model.get_submodule(name)
    assert isinstance(layer, nn.Linear | nn.modules.conv._ConvNd)
    expected = accumulates(layer, (seen[0] * norms[layer]).round()) / len(golden.input)
    assert found.by_spikes[f"{name}.weight"] == pytest.approx(expected)


def test_images_in_several_batches_are_averaged() -> None:
    model = tiny()
    built = build(model.family, model.config, model.state)
    whole = operations(built, batch(model.input), attention=0.0)
    parts = [one for image in torch.split(model.input, 1) for one in batch(image)]
    assert operations(built, parts, attention=0.0).synaptic == pytest.approx(whole.synaptic)


def test_what_a_spike_model_has_no_image_for_is_no_spike() -> None:
    """Whole numbers alone make no spikes: an image of zeros and ones is still an image."""
    model = FAMILIES.load("spikformer").build(TINY).eval()
    found = operations(model, batch(torch.ones(1, TINY.in_channels, TINY.image_size, TINY.image_size)), attention=0.0)
    assert "patch_embed.proj_conv.weight" in found.multiplied
