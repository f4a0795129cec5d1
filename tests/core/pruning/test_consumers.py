"""Who reads channels, against slicing itself and against the modules that follow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile

import pytest
import torch
from torch import Tensor, nn

from primesvt_core.intake.loading import build
from primesvt_core.layers.graph import Attend, Stateless
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.consumers import Consumer, attention_of, consumers, reading
from primesvt_core.pruning.surgery import prune
from primesvt_core.testing.families import structures
from primesvt_core.testing.models import FamilyModel, tiny
from primesvt_core.types import ChannelGroup, Plan
from tests.support.references import references

MODELS = {re.sub(r"-T\d+$", "", reference.name): reference for reference in references()}
TINY = tiny()


@pytest.fixture(scope="module", params=MODELS.values(), ids=lambda reference: reference.name)
def model(request: pytest.FixtureRequest) -> FamilyModel:
    found: FamilyModel = request.param.load()
    return found


@pytest.fixture(scope="module")
def built(model: FamilyModel) -> SpikingModel:
    return build(model.family, model.config, model.state)


def read_groups(model: FamilyModel, built: SpikingModel) -> Iterator[tuple[ChannelGroup, tuple[Consumer, ...]]]:
    """One group of every structure, and what reads it."""
    return ((alike[-1], consumers(alike[-1], built)) for alike in structures(model))


def numbered(weight: Tensor, groups: int) -> Tensor:
    """Every entry is the number of its column, counted over convolution groups."""
    fan_in = weight[0].numel()
    columns = torch.arange(groups * fan_in).view(groups, 1, fan_in).expand(-1, len(weight) // groups, -1)
    return columns.reshape(weight.shape).double()


def test_columns_are_those_that_slicing_removes(model: FamilyModel, built: SpikingModel) -> None:
    plan = model.plan(0.5)
    for group, found in read_groups(model, built):
        gone = sorted({*range(group.size)} - {*plan.kept[group.name]})
        for consumer in found:
            state = {**model.state, consumer.weight: numbered(model.state[consumer.weight], consumer.groups)}
            _, sliced = prune(model.family, model.config, state, Plan({group.name: plan.kept[group.name]}))
            left = {*sliced[consumer.weight].long().flatten().tolist()}
            every = {*range(consumer.groups * consumer.fan_in)}
            assert {*consumer.columns[gone].flatten().tolist()} == every - left
            if group.parts == 1:  # the columns of one channel, not only of all together
                others = tuple(channel for channel in range(group.size) if channel != gone[0])
                _, sliced = prune(model.family, model.config, state, Plan({group.name: others}))
                left = {*sliced[consumer.weight].long().flatten().tolist()}
                assert {*consumer.columns[gone[0]].tolist()} == every - left


def test_every_declared_consumer_is_found(model: FamilyModel, built: SpikingModel) -> None:
    for group, found in read_groups(model, built):
        assert {*group.consumers} <= {consumer.weight for consumer in found}


def norms_behind(module: str, model: SpikingModel) -> list[nn.Module]:
    """The modules with a BatchNorm that come directly behind a layer."""
    for node in model.graph.nodes:
        if isinstance(node.op, Stateless) and module in node.tensors:
            behind = node.op.modules[node.tensors.index(module) + 1 :]
            return [*takewhile(lambda m: any("BatchNorm" in type(inner).__name__ for inner in m.modules()), behind)]
    return []


def centre(x: Tensor) -> Tensor:
    """``(1, C, ...)`` at the place in the middle, where a border has not come."""
    return x.flatten(2)[0, :, 0] if x.shape[-1] == 1 else x[0, :, x.shape[2] // 2, x.shape[3] // 2]


def test_a_row_times_its_scale_is_the_current(model: FamilyModel, built: SpikingModel) -> None:
    """A change of a layer's result, through the modules that follow."""
    for consumer in {c.module: c for _, found in read_groups(model, built) for c in found}.values():
        behind = norms_behind(consumer.module, built)
        is_flat = any(isinstance(module, nn.BatchNorm1d) for module in behind)
        zero, one = (torch.full((1, len(consumer.scale), *([1] if is_flat else [1, 1])), value) for value in (0.0, 1.0))
        with torch.inference_mode():
            for module in behind:
                zero, one = module(zero), module(one)
        wanted = (centre(one) - centre(zero)).double()
        assert torch.allclose(consumer.scale, wanted, rtol=1e-4, atol=1e-6), consumer.module


def test_a_constant_goes_where_it_is_added(model: FamilyModel, built: SpikingModel) -> None:
    for consumer in (consumer for _, found in read_groups(model, built) for consumer in found):
        has_bias = f"{consumer.module}.bias" in model.state
        if has_bias:
            assert consumer.constant == f"{consumer.module}.bias"
        elif consumer.constant is None:
            assert bool((consumer.scale == 1).all())
        else:
            assert consumer.constant.endswith(".running_mean")
            assert model.state[consumer.constant].shape == consumer.scale.shape


def test_groups_without_consumers_are_queries_and_keys(model: FamilyModel, built: SpikingModel) -> None:
    for group, found in read_groups(model, built):
        node = attention_of(group, built)
        if found:
            assert node is None
        elif node is not None:
            assert isinstance(node.op, Attend)
            assert node.op.num_heads == group.parts
        else:  # token attention, which counts queries
            assert group.name.endswith(".q")


def test_a_layer_of_the_tiny_model() -> None:
    built = build(TINY.family, TINY.config, TINY.state)
    read = reading("block.0.mlp.fc2_linear", built)
    norm = {name: TINY.state[f"block.0.mlp.fc2_bn.{name}"].double() for name in ("weight", "running_var")}
    assert (read.groups, read.fan_in, read.constant) == (1, 32, "block.0.mlp.fc2_linear.bias")
    assert torch.allclose(read.scale, norm["weight"] / (norm["running_var"] + 1e-5).sqrt())
    assert reading("patch_embed.proj_conv1", built).constant == "patch_embed.proj_bn1.running_mean"
    assert bool((reading("head", built).scale == 1).all())
