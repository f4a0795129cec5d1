"""Spike-driven Transformer V2, or Meta-SpikeFormer (Yao et al., arXiv 2404.03663).

Reproduces ``classification/models.py`` of github.com/BICLab/Spike-Driven-Transformer-V2 at commit 35f245f4, written
from its description: names and shapes of the state dict, numerics, and the order of operations.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from primesvt_core.data import Preprocessing
from primesvt_core.families._base import Family, Hyperparameter, Producer, Value, group, layer, norm
from primesvt_core.families._pyramid import (
    CONV_BLOCKS,
    ConvBlockConfig,
    Places,
    Pyramid,
    PyramidConfig,
    RepBlockConfig,
    block_names,
    default_heads,
    downsampling_layers,
    head_layers,
    infer_pyramid,
    module_names,
    stream_groups,
)
from primesvt_core.families._recipes import for_colours, imagenet_cropped
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import Mlp
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice

__all__ = ["FAMILY", "Config", "ConvBlockConfig", "MetaSpikeFormer", "RepBlockConfig"]

ATTENTION_THRESHOLD = 0.5
ATTENTION_SCALE = 0.125
CROP_SHARE = 224 / 256


class Config(PyramidConfig):
    """One Meta-SpikeFormer."""

    variant: Literal["imagenet"]
    conv_blocks: tuple[ConvBlockConfig, ConvBlockConfig, ConvBlockConfig, ConvBlockConfig]
    block3: tuple[RepBlockConfig, ...]
    block4: tuple[RepBlockConfig, ...]

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for block in (*self.block3, *self.block4):
            if block.qk_dim % self.num_heads or block.v_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.qk_dim} and {block.v_dim}")
        return self

    @property
    def counts(self) -> dict[str, int]:
        """Blocks of each kind."""
        return {"block3": len(self.block3), "block4": len(self.block4)}


class Separable(Part):
    """Pointwise, depthwise 7 x 7, pointwise."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.lif1 = lif()
        self.pwconv1 = nn.Conv2d(width, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.lif2 = lif()
        self.dwconv = nn.Conv2d(inner, inner, 7, padding=3, groups=inner, bias=False)
        self.pwconv2 = nn.Conv2d(inner, width, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.fire(flow.run(flow.fire(x, self.lif1), self.pwconv1, self.bn1), self.lif2)
        return flow.run(x, self.dwconv, self.pwconv2, self.bn2)


class ConvBlock(Part):
    """Separable convolution, then two 3 x 3 convolutions, each added to the stream."""

    def __init__(self, width: int, config: ConvBlockConfig) -> None:
        super().__init__()
        self.Conv = Separable(width, config.separable_dim)
        self.lif1 = lif()
        self.conv1 = nn.Conv2d(width, config.hidden_dim, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.hidden_dim)
        self.lif2 = lif()
        self.conv2 = nn.Conv2d(config.hidden_dim, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.add(x, self.Conv.define(flow, x))
        hidden = flow.fire(flow.run(flow.fire(x, self.lif1), self.conv1, self.bn1), self.lif2)
        return flow.add(x, flow.run(hidden, self.conv2, self.bn2))


class NormAndPad(nn.Module):
    """BatchNorm, then a border of what it makes of zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(x)
        bn = self.bn
        assert bn.running_mean is not None  # noqa: S101  # it tracks
        assert bn.running_var is not None  # noqa: S101
        border = bn.bias - bn.running_mean * bn.weight / torch.sqrt(bn.running_var + bn.eps)
        B, C, H, W = x.shape
        padded = border.view(1, C, 1, 1).expand(B, C, H + 2, W + 2).clone()
        padded[:, :, 1:-1, 1:-1] = x
        return padded


class RepConv(nn.Sequential):
    """A 3 x 3 convolution as it is trained: pointwise, depthwise, pointwise."""

    def __init__(self, source: int, inner: int, target: int) -> None:
        last = nn.Sequential(
            nn.Conv2d(inner, inner, 3, groups=inner, bias=False),
            nn.Conv2d(inner, target, 1, bias=False),
            nn.BatchNorm2d(target),
        )
        body = nn.Sequential(nn.Conv2d(source, inner, 1, bias=False), NormAndPad(inner), last)
        super().__init__(OrderedDict(body=body))


class Attention(Part):
    """Spiking self-attention with re-parameterised convolutions."""

    def __init__(self, width: int, block: RepBlockConfig, num_heads: int) -> None:
        super().__init__()
        self.head_lif = lif()
        for name, inner, target in (
            ("q", block.q_inner, block.qk_dim), ("k", block.k_inner, block.qk_dim), ("v", block.v_inner, block.v_dim),
        ):  # fmt: skip
            self.add_module(f"{name}_conv", nn.Sequential(RepConv(width, inner, target), nn.BatchNorm2d(target)))
            self.add_module(f"{name}_lif", lif())
        self.attn_lif = lif(threshold=ATTENTION_THRESHOLD)
        self.proj_conv = nn.Sequential(RepConv(block.v_dim, block.proj_inner, width), nn.BatchNorm2d(width))
        self.num_heads = num_heads

    def define(self, flow: Flow, x: Signal) -> Signal:
        spikes = flow.fire(x, self.head_lif)
        q, k, v = (
            flow.tokens(
                flow.fire(flow.run(spikes, self.get_submodule(f"{name}_conv")), self.get_submodule(f"{name}_lif"))
            )
            for name in "qkv"
        )
        attended = flow.attend(q, k, v, num_heads=self.num_heads, scale=ATTENTION_SCALE)
        return flow.run(flow.planes(flow.fire(attended, self.attn_lif), x), self.proj_conv)


class Block(Part):
    """Attention and MLP, their currents added to the stream."""

    def __init__(self, width: int, block: RepBlockConfig, num_heads: int) -> None:
        super().__init__()
        self.attn = Attention(width, block, num_heads)
        self.mlp = Mlp(width, block.mlp_dim, pointwise=PointwiseConv1d, neuron_first=True)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.add(x, self.attn.define(flow, x))
        return flow.add(x, flow.planes(self.mlp.define(flow, flow.tokens(x)), x))


class MetaSpikeFormer(Pyramid):
    """The network."""

    def __init__(self, config: Config) -> None:
        convs = [
            ConvBlock(config.streams[level], block)
            for level, block in zip(CONV_BLOCKS.values(), config.conv_blocks, strict=True)
        ]
        blocks = {
            name: [Block(config.streams[level], block, config.num_heads) for block in found]
            for name, level, found in (("block3", 3, config.block3), ("block4", 4, config.block4))
        }
        super().__init__(config, convs, blocks, lif, "encode_lif")
        self.lif = lif()

    def logits(self, flow: Flow, x: Signal) -> Signal:
        spikes = flow.fire(flow.apply("mean", lambda y: y.flatten(3).mean(3), x), self.lif)
        heads = [head for head in (self.head, self.head_kd) if head is not None]
        return flow.apply(
            "logits", lambda y: (sum(head(y) for head in heads) / len(heads)).mean(0), spikes, modules=heads
        )


def identify(shapes: Shapes) -> str | None:
    """By its re-parameterised convolutions."""
    return "imagenet" if "block3.0.attn.q_conv.0.body.0.weight" in shapes else None


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes."""

    def width(module: str) -> int:
        return shapes[f"{module}.weight"].shape[0]

    def block(base: str) -> RepBlockConfig:
        inner = {f"{name}_inner": width(f"{base}.attn.{name}_conv.0.body.0") for name in ("q", "k", "v", "proj")}
        return RepBlockConfig(
            **inner,
            qk_dim=width(f"{base}.attn.q_conv.1"),
            v_dim=width(f"{base}.attn.v_conv.1"),
            mlp_dim=width(f"{base}.mlp.fc1_conv"),
        )

    return Config.model_validate(
        {
            "variant": variant,
            **infer_pyramid(shapes, 5),
            "conv_blocks": tuple(
                {"separable_dim": width(f"{base}.Conv.pwconv1"), "hidden_dim": width(f"{base}.conv1")}
                for base in CONV_BLOCKS
            ),
            **{name: tuple(map(block, bases)) for name, bases in block_names(shapes).items()},
            **values,
        }
    )


def _rep(base: str, name: str) -> str:
    return f"{base}.attn.{name}_conv"


def _conv_producers(base: str) -> tuple[Producer, ...]:
    return (Producer(f"{base}.Conv.pwconv2", f"{base}.Conv.bn2"), Producer(f"{base}.conv2", f"{base}.bn2"))


def _block_producers(base: str) -> tuple[Producer, ...]:
    proj = _rep(base, "proj")
    return (
        Producer(f"{proj}.0.body.2.1", f"{proj}.1"),
        Producer(f"{base}.mlp.fc2_conv", f"{base}.mlp.fc2_bn", bias=True),
    )


PLACES = Places(
    conv_producers=_conv_producers,
    conv_consumers=lambda base: (f"{base}.Conv.pwconv1", f"{base}.conv1"),
    block_producers=_block_producers,
    block_consumers=lambda base: (*(f"{_rep(base, name)}.0.body.0" for name in "qkv"), f"{base}.mlp.fc1_conv"),
    block_extra=lambda base: norm(f"{_rep(base, 'proj')}.0.body.2.2"),
)


def layers(config: Config) -> tuple[Layer, ...]:
    """Downsamplings, the layers of every block, the heads, in forward order."""
    encoders = downsampling_layers(config)
    found: list[Layer] = []
    for name in module_names(config.counts):
        if name in encoders:
            found.append(encoders[name])
        else:
            found += _conv_layers(name) if name in CONV_BLOCKS else _block_layers(name)
    return (*found, *head_layers(config))


def _conv_layers(base: str) -> Iterator[Layer]:
    separable, hidden, stream = f"{base}.separable", f"{base}.hidden", f"stream.{CONV_BLOCKS[base]}"
    yield layer(f"{base}.pw1", f"{base}.Conv.pwconv1", f"{base}.Conv.bn1", bias=False, group=separable)
    yield layer(f"{base}.dw", f"{base}.Conv.dwconv", bias=False, group=separable)
    yield layer(f"{base}.pw2", f"{base}.Conv.pwconv2", f"{base}.Conv.bn2", bias=False, group=stream)
    yield layer(f"{base}.conv1", f"{base}.conv1", f"{base}.bn1", bias=False, group=hidden)
    yield layer(f"{base}.conv2", f"{base}.conv2", f"{base}.bn2", bias=False, group=stream)


def _block_layers(base: str) -> Iterator[Layer]:
    stream = "stream.3" if base.startswith("block3") else "stream.4"
    owners = {"q": f"{base}.attn.qk", "k": f"{base}.attn.qk", "v": f"{base}.attn.v", "proj": stream}
    for name, owner in owners.items():
        rep, inner = _rep(base, name), f"{base}.attn.{name}.inner"
        yield layer(f"{base}.attn.{name}.in", f"{rep}.0.body.0", f"{rep}.0.body.1.bn", bias=False, group=inner)
        yield layer(f"{base}.attn.{name}.dw", f"{rep}.0.body.2.0", bias=False, group=inner)
        norms = (f"{rep}.0.body.2.2", f"{rep}.1")
        yield layer(f"{base}.attn.{name}.out", f"{rep}.0.body.2.1", *norms, bias=False, group=owner)
    for name, owner in (("fc1", f"{base}.mlp.fc1"), ("fc2", stream)):
        module = f"{base}.mlp.{name}"
        yield layer(module, f"{module}_conv", f"{module}_bn", bias=True, group=owner)


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Inside the blocks, then the five residual streams."""
    convs = (found for index, base in enumerate(CONV_BLOCKS) for found in _conv_groups(config, index, base))
    blocks = (
        found
        for name, widths in (("block3", config.block3), ("block4", config.block4))
        for i, block in enumerate(widths)
        for found in _block_groups(f"{name}.{i}", block, config.num_heads)
    )
    return (*convs, *blocks, *stream_groups(config, config.counts, PLACES))


def _conv_groups(config: Config, index: int, base: str) -> Iterator[ChannelGroup]:
    block, path = config.conv_blocks[index], f"conv_blocks.{index}"
    yield group(
        f"{base}.separable", block.separable_dim, f"{path}.separable_dim",
        (Producer(f"{base}.Conv.pwconv1", f"{base}.Conv.bn1"),), (f"{base}.Conv.pwconv2",),
        extra=(TensorSlice(tensor=f"{base}.Conv.dwconv.weight", dim=0),),
    )  # fmt: skip
    producers = (Producer(f"{base}.conv1", f"{base}.bn1"),)
    yield group(f"{base}.hidden", block.hidden_dim, f"{path}.hidden_dim", producers, (f"{base}.conv2",))


def _block_groups(base: str, block: RepBlockConfig, heads: int) -> Iterator[ChannelGroup]:
    for name in ("q", "k", "v", "proj"):
        rep = _rep(base, name)
        yield group(
            f"{base}.attn.{name}.inner", getattr(block, f"{name}_inner"), f"{base}.{name}_inner",
            (Producer(f"{rep}.0.body.0", f"{rep}.0.body.1.bn"),), (f"{rep}.0.body.2.1",),
            extra=(TensorSlice(tensor=f"{rep}.0.body.2.0.weight", dim=0),),
        )  # fmt: skip
    out = {name: Producer(f"{_rep(base, name)}.0.body.2.1", f"{_rep(base, name)}.1") for name in "qkv"}
    first = {name: norm(f"{_rep(base, name)}.0.body.2.2") for name in "qkv"}
    yield group(
        f"{base}.attn.qk", block.qk_dim, f"{base}.qk_dim", (out["q"], out["k"]), extra=(*first["q"], *first["k"]),
        parts=heads,
    )  # fmt: skip
    consumers = (f"{_rep(base, 'proj')}.0.body.0",)
    yield group(f"{base}.attn.v", block.v_dim, f"{base}.v_dim", (out["v"],), consumers, extra=first["v"], parts=heads)
    hidden = (Producer(f"{base}.mlp.fc1_conv", f"{base}.mlp.fc1_bn", bias=True),)
    yield group(f"{base}.mlp.fc1", block.mlp_dim, f"{base}.mlp_dim", hidden, (f"{base}.mlp.fc2_conv",))


def preprocessing(config: Config) -> Preprocessing:
    """Of the public evaluation script; grey images are taken as they are."""
    return for_colours(config, {config.variant: imagenet_cropped(CROP_SHARE)})


FAMILY = Family(
    title="Spike-driven Transformer V2 (Meta-SpikeFormer)",
    paper="arXiv 2404.03663",
    source="github.com/BICLab/Spike-Driven-Transformer-V2 @ 35f245f4",
    config_type=Config,
    signature_keys=("block3.0.attn.q_conv.0.body.0.weight",),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda _variant, _shapes: 1),
        "num_heads": Hyperparameter(default_heads),
        "image_size": Hyperparameter(lambda _variant, _shapes: 224),
    },
    infer=infer,
    build=MetaSpikeFormer,
    layers=layers,
    groups=groups,
    preprocessing=preprocessing,
    class_rule=lambda _: "plain",
)
