"""SpikingResformer (Shi et al., arXiv 2403.14302): attention between spikes and a strided convolution of them.

Reproduces the ImageNet, CIFAR and DVS128 Gesture models of github.com/xyshi2000/SpikingResformer at commit 3f751275,
written from their description: names and shapes of the state dict, numerics, and the order of operations. The running
firing rates that scale the attention are constants here, in training too.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor, nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import (
    Count,
    Family,
    FamilyConfig,
    Hyperparameter,
    Producer,
    Value,
    columns,
    group,
    layer,
    norm,
    rows,
)
from primesvt_core.families._blocks import count
from primesvt_core.families._recipes import (
    CIFAR10_MEAN,
    CIFAR100_CLASSES,
    Recipe,
    as_it_is,
    for_colours,
    imagenet_cropped,
    whole,
)
from primesvt_core.families._step import other_network
from primesvt_core.layers.graph import Flow, Multiplies, Part, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif, plif
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

__all__ = ["FAMILY", "BlockConfig", "Config", "SpikingResformer"]

CROP_SHARE = 0.95
NEURONS: Mapping[str, Callable[[], nn.Module]] = {
    "lif": partial(lif, arctan=True),
    "plif": partial(plif, arctan=True),
}
IMAGE_SIZE = {"imagenet": 224, "cifar": 32, "gesture": 64}
GESTURES = 11
TRANSFERRED_CLASSES, TRANSFERRED_SIZE = (10, GESTURES, 100), 128
"""Of the models that the public code trains on ImageNet and transfers to CIFAR and to event frames."""

CIFAR100_STATISTICS = ((129.3 / 255, 124.1 / 255, 112.4 / 255), (68.2 / 255, 65.4 / 255, 70.4 / 255))
CIFAR10_STATISTICS = (CIFAR10_MEAN, (0.2023, 0.1994, 0.2010))
LARGE_KERNEL = 7


class BlockConfig(BaseModel):
    """Widths of one pair of attention and feed-forward network.

    Attributes:
        value_dim: channels of the attention's second half, over all heads.
        inner_dim: of the feed-forward network.
        conv_groups: of its grouped convolution.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    value_dim: Count
    inner_dim: Count
    conv_groups: Count


class Config(FamilyConfig):
    """One SpikingResformer; tuples have an entry a stage.

    Attributes:
        streams: widths of the residual streams.
        num_heads: of the attention.
        patch_sizes: kernel and stride of the attention's convolution.
        head_dims: original widths of a head, which scale the attention.
        blocks: pairs of attention and feed-forward network.
    """

    variant: Literal["imagenet", "cifar", "gesture"]
    streams: tuple[Count, ...]
    num_heads: tuple[Count, ...]
    patch_sizes: tuple[Count, ...]
    head_dims: tuple[Count, ...]
    blocks: tuple[tuple[BlockConfig, ...], ...]
    neuron: Literal["lif", "plif"]

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for stream, heads, blocks in zip(self.streams, self.num_heads, self.blocks, strict=True):
            if stream % heads or any(block.value_dim % heads for block in blocks):
                raise ValueError(f"num_heads {heads} does not divide the stream of {stream} or its attention")
        return self

    def tokens(self, stage: int) -> int:
        """Positions after the attention's convolution, at the image size that the model was built for."""
        stride = 4 if self.variant == "imagenet" else 1
        side = self.image_size // (stride * (1 << stage) * self.patch_sizes[stage])
        return side * side


class Norm(nn.Sequential):
    """BatchNorm under the name that the public code wraps it in."""

    def __init__(self, width: int) -> None:
        super().__init__(OrderedDict(bn=nn.BatchNorm2d(width)))


def _pairs(y: Tensor, *others: Tensor) -> int:
    """Pairs of a position after the strided convolution and one before it, over all time steps: ``(T, B, C, H, W)``."""
    return y.shape[0] * y.shape[1] * y.shape[3:].numel() * others[-1].shape[3:].numel()


class Attention(Part):
    """Dual spike self-attention: ``spikes(y1^T x)`` weighs ``y2``, with ``y1, y2`` a strided convolution of ``x``."""

    def __init__(self, config: Config, stage: int, block: BlockConfig) -> None:
        super().__init__()
        width, patch = config.streams[stage], config.patch_sizes[stage]
        make = NEURONS[config.neuron]
        self.heads, self.tokens, self.head_dim = config.num_heads[stage], config.tokens(stage), config.head_dims[stage]
        self.activation_in, self.activation_attn, self.activation_out = make(), make(), make()
        self.W = nn.Conv2d(width, width + block.value_dim, patch, stride=patch, bias=False)
        self.norm = Norm(width + block.value_dim)
        self.Wproj = nn.Conv2d(block.value_dim, width, 1, bias=False)
        self.norm_proj = Norm(width)
        self.split = (width // self.heads, block.value_dim // self.heads)
        for name in ("firing_rate_x", "firing_rate_attn"):
            self.register_buffer(name, torch.zeros(1, 1, self.heads, 1, 1))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to the next stream."""
        spikes = flow.fire(x, self.activation_in)
        y = flow.run(spikes, self.W, self.norm)
        attention = flow.fire(
            flow.apply("scores", self.scores, y, spikes, multiplies=Multiplies(1, _pairs)), self.activation_attn
        )
        out = flow.fire(
            flow.apply("weighed", self.weighed, y, attention, x, multiplies=Multiplies(0, _pairs)), self.activation_out
        )
        return flow.add(x, flow.run(out, self.Wproj, self.norm_proj))

    def halves(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Both halves of the strided convolution: ``(T, B, heads, C, N)`` each."""
        first, second = y.flatten(3).unflatten(2, (self.heads, -1)).split(self.split, dim=3)  # type: ignore[no-untyped-call]
        return first, second

    def scores(self, y: Tensor, x: Tensor) -> Tensor:
        """``(T, B, heads, N, H * W)`` currents."""
        first, _ = self.halves(y)
        products = first.transpose(3, 4) @ x.flatten(3).unflatten(2, (self.heads, -1))  # type: ignore[no-untyped-call]
        scores: Tensor = products / torch.sqrt(self.get_buffer("firing_rate_x") * self.head_dim)
        return scores

    def weighed(self, y: Tensor, attention: Tensor, stream: Tensor) -> Tensor:
        """``(T, B, value_dim, H, W)`` currents."""
        _, second = self.halves(y)
        out = (second @ attention) / torch.sqrt(self.get_buffer("firing_rate_attn") * self.tokens)
        T, B, _, H, W = stream.shape
        return out.reshape(T, B, -1, H, W)


def _unit(make: Callable[[], nn.Module], conv: nn.Module, width: int) -> nn.Sequential:
    return nn.Sequential(make(), conv, Norm(width))


def _run(flow: Flow, unit: nn.Module, x: Signal) -> Signal:
    """A neuron, a convolution and its BatchNorm on ``(T, B, C, H, W)``."""
    fire, *layers = unit.children()
    return flow.run(flow.fire(x, fire), *layers)


class FeedForward(Part):
    """Pointwise, grouped 3 x 3 with a residual of its own, pointwise; added to the stream."""

    def __init__(self, config: Config, stage: int, block: BlockConfig) -> None:
        super().__init__()
        make, width, inner = NEURONS[config.neuron], config.streams[stage], block.inner_dim
        self.up = _unit(make, nn.Conv2d(width, inner, 1, bias=False), inner)
        grouped = nn.Conv2d(inner, inner, 3, padding=1, groups=block.conv_groups, bias=False)
        self.conv = nn.ModuleList([_unit(make, grouped, inner)])
        self.down = _unit(make, nn.Conv2d(inner, width, 1, bias=False), width)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to the next stream."""
        inner = _run(flow, self.up, x)
        return flow.add(x, _run(flow, self.down, flow.add(inner, _run(flow, self.conv[0], inner))))


class Downsampling(Part):
    """A neuron, a strided convolution and its BatchNorm."""

    def __init__(self, config: Config, stage: int) -> None:
        super().__init__()
        source, target = config.streams[stage - 1], config.streams[stage]
        self.activation = NEURONS[config.neuron]()
        self.conv = nn.Conv2d(source, target, 3, stride=2, padding=1, bias=False)
        self.norm = Norm(target)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, C', H / 2, W / 2)`` currents."""
        return flow.run(flow.fire(x, self.activation), self.conv, self.norm)


class SpikingResformer(SpikingModel):
    """The network: prologue, stages, mean over positions of the currents, linear classifier, mean over time."""

    def __init__(self, config: Config) -> None:
        super().__init__(config.time_steps)
        first = config.streams[0]
        if config.variant == "imagenet":
            conv = nn.Conv2d(config.in_channels, first, LARGE_KERNEL, stride=2, padding=3, bias=False)
            self.prologue = nn.Sequential(conv, Norm(first), nn.MaxPool2d(3, stride=2, padding=1))
        else:
            self.prologue = nn.Sequential(nn.Conv2d(config.in_channels, first, 3, padding=1, bias=False), Norm(first))
        self.layers = nn.ModuleList(nn.ModuleList(self._stage(config, s)) for s in range(len(config.streams)))
        self.classifier = nn.Linear(config.streams[-1], config.num_classes, bias=False)

    @staticmethod
    def _stage(config: Config, stage: int) -> Iterator[nn.Module]:
        if stage:
            yield Downsampling(config, stage)
        for block in config.blocks[stage]:
            yield Attention(config, stage, block)
            yield FeedForward(config, stage, block)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        parts = (part for stage in self.layers for part in stage.children())
        x = flow.through(flow.run(x, self.prologue), *parts)
        means = flow.apply("mean", lambda y: y.flatten(3).mean(3), x)
        return flow.apply("logits", lambda y: self.classifier(y).mean(0), means, modules=(self.classifier,))


def identify(shapes: Shapes) -> str | None:
    """By the running firing rates; the variant by the first kernel and by trained time constants."""
    if "layers.0.0.firing_rate_x" not in shapes or "prologue.0.weight" not in shapes:
        return None
    if shapes["prologue.0.weight"].shape[2] == LARGE_KERNEL:
        return "imagenet"
    return "gesture" if "layers.0.0.activation_in.w" in shapes else "cifar"


def _bases(stage: int, index: int) -> tuple[str, str]:
    """Modules of a stage's pair: its attention and its feed-forward network. A downsampling comes before the first."""
    first = 2 * index + (1 if stage else 0)
    return f"layers.{stage}.{first}", f"layers.{stage}.{first + 1}"


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes, the heads off the firing rates."""

    def shape(tensor: str) -> tuple[int, ...]:
        return shapes[tensor].shape

    def block(stage: int, index: int) -> BlockConfig:
        attention, feed = _bases(stage, index)
        inner, per_group = shape(f"{feed}.conv.0.1.weight")[:2]
        value_dim = shape(f"{attention}.Wproj.weight")[1]
        return BlockConfig(value_dim=value_dim, inner_dim=inner, conv_groups=inner // per_group)

    stages = range(count(shapes, "layers"))
    streams = tuple(
        shape("prologue.0.weight" if stage == 0 else f"layers.{stage}.0.conv.weight")[0] for stage in stages
    )
    heads = tuple(shape(f"{_bases(stage, 0)[0]}.firing_rate_x")[2] for stage in stages)
    return Config.model_validate(
        {
            "variant": variant,
            "in_channels": shape("prologue.0.weight")[1],
            "num_classes": shape("classifier.weight")[0],
            "streams": streams,
            "num_heads": heads,
            "patch_sizes": tuple(shape(f"{_bases(stage, 0)[0]}.W.weight")[2] for stage in stages),
            "head_dims": tuple(stream // number for stream, number in zip(streams, heads, strict=True)),
            "blocks": tuple(
                tuple(block(stage, index) for index in range(count(shapes, f"layers.{stage}") // 2)) for stage in stages
            ),
            "neuron": "plif" if "layers.0.0.activation_in.w" in shapes else "lif",
            **values,
        }
    )


def layers(config: Config) -> tuple[Layer, ...]:
    """Prologue, downsamplings and blocks in forward order, the classifier."""
    found = [layer("prologue", "prologue.0", "prologue.1.bn", bias=False, group="stream.0")]
    for stage, blocks in enumerate(config.blocks):
        stream = f"stream.{stage}"
        if stage:
            base = f"layers.{stage}.0"
            found.append(layer(base, f"{base}.conv", f"{base}.norm.bn", bias=False, group=stream))
        for index in range(len(blocks)):
            attention, feed = _bases(stage, index)
            for name, module, bn, owner in (
                (f"{attention}.W", f"{attention}.W", f"{attention}.norm.bn", f"{attention}.value"),
                (f"{attention}.proj", f"{attention}.Wproj", f"{attention}.norm_proj.bn", stream),
                (f"{feed}.up", f"{feed}.up.1", f"{feed}.up.2.bn", f"{feed}.inner"),
                (f"{feed}.conv", f"{feed}.conv.0.1", f"{feed}.conv.0.2.bn", f"{feed}.inner"),
                (f"{feed}.down", f"{feed}.down.1", f"{feed}.down.2.bn", stream),
            ):
                found.append(layer(name, module, bn, bias=False, group=owner))
    return (*found, layer("classifier", "classifier", bias=False, group=None))


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside the blocks, then the residual stream of every stage."""
    blocks = (
        found
        for stage, widths in enumerate(config.blocks)
        for index in range(len(widths))
        for found in _block_groups(config, stage, index)
    )
    return (*blocks, *(_stream(config, stage) for stage in range(len(config.streams))))


def _block_groups(config: Config, stage: int, index: int) -> Iterator[ChannelGroup]:
    block, heads, path = config.blocks[stage][index], config.num_heads[stage], f"blocks.{stage}.{index}"
    attention, feed = _bases(stage, index)
    first = config.streams[stage] // heads  # a head's rows: those that meet the stream's spikes, then the values'
    place = {"stride": first + block.value_dim // heads, "offset": first}
    yield ChannelGroup(
        name=f"{attention}.value", size=block.value_dim, width=f"{path}.value_dim", parts=heads, min_size=heads,
        slices=(
            *rows(f"{attention}.W", bias=False, **place), *norm(f"{attention}.norm.bn", **place),
            *columns(f"{attention}.Wproj"),
        ),
        producers=(f"{attention}.W.weight",), silencers=(f"{attention}.norm.bn",),
        consumers=(f"{attention}.Wproj.weight",),
    )  # fmt: skip
    producers = (Producer(f"{feed}.up.1", f"{feed}.up.2.bn"), Producer(f"{feed}.conv.0.1", f"{feed}.conv.0.2.bn"))
    inputs = TensorSlice(tensor=f"{feed}.conv.0.1.weight", dim=1, shared=True)
    yield group(
        f"{feed}.inner", block.inner_dim, f"{path}.inner_dim", producers, (f"{feed}.down.1",), extra=(inputs,),
        parts=block.conv_groups,
    )  # fmt: skip


def _stream(config: Config, stage: int) -> ChannelGroup:
    """A stage's stream; the attention's first half meets its spikes channel by channel, so it loses the same ones."""
    heads, base = config.num_heads[stage], f"layers.{stage}.0"
    producers = [Producer(f"{base}.conv", f"{base}.norm.bn") if stage else Producer("prologue.0", "prologue.1.bn")]
    consumers: list[str] = []
    extra: list[TensorSlice] = []
    for index, block in enumerate(config.blocks[stage]):
        attention, feed = _bases(stage, index)
        producers += [Producer(f"{attention}.Wproj", f"{attention}.norm_proj.bn")]
        producers += [Producer(f"{feed}.down.1", f"{feed}.down.2.bn")]
        consumers += [f"{attention}.W", f"{feed}.up.1"]
        stride = (config.streams[stage] + block.value_dim) // heads
        extra += rows(f"{attention}.W", bias=False, stride=stride) + norm(f"{attention}.norm.bn", stride=stride)
    is_last = stage + 1 == len(config.streams)
    consumers.append("classifier" if is_last else f"layers.{stage + 1}.0.conv")
    size, path = config.streams[stage], f"streams.{stage}"
    return group(f"stream.{stage}", size, path, producers, consumers, extra=extra, parts=heads, scope="global")


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation scripts; event frames, with their sum as a third channel, are taken as they are.

    Models that were transferred from ImageNet take what their own data set's models do.
    """
    cifar = whole(*(CIFAR100_STATISTICS if config.num_classes == CIFAR100_CLASSES else CIFAR10_STATISTICS))
    recipes: dict[str, Recipe] = {"imagenet": imagenet_cropped(CROP_SHARE, largest=math.inf), "cifar": cifar}
    if config.num_classes in TRANSFERRED_CLASSES and config.image_size == TRANSFERRED_SIZE:
        recipes["imagenet"] = as_it_is if config.num_classes == GESTURES else cifar
    return for_colours(config, recipes)


def _default_size(variant: str, shapes: Shapes) -> int:
    classes = shapes["classifier.weight"].shape[0]
    is_transferred = variant == "imagenet" and classes in TRANSFERRED_CLASSES
    return TRANSFERRED_SIZE if is_transferred else IMAGE_SIZE[variant]


FAMILY = Family(
    title="SpikingResformer",
    paper="arXiv 2403.14302",
    source="github.com/xyshi2000/SpikingResformer @ 3f751275",
    config_type=Config,
    signature_keys=("layers.0.0.firing_rate_x", "prologue.0.weight"),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: 16 if variant == "gesture" else 4),
        "image_size": Hyperparameter(_default_size),
    },
    infer=infer,
    build=SpikingResformer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
    unsupported_reason=lambda shapes: other_network(shapes, "SpikingResformer"),
)
