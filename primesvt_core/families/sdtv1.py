"""Spike-driven Transformer (Yao et al., arXiv 2307.01694): attention by masks, a stream of membrane currents.

Reproduces the models of github.com/BICLab/Spike-Driven-Transformer at commit 3faa8227, written from their description:
names and shapes of the state dict, numerics, and the order of operations. ``step_imagenet`` and ``step_cifar`` are
those of the benchmark STEP (github.com/Fancyssc/STEP at commit c0b31937) with leaky neurons: another threshold, which
is in the state dict as all are, and for ImageNet another stem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from primesvt_core.families._base import Count, Family, Hyperparameter, Producer, Value
from primesvt_core.families._forks import TAU, leaky_args, statten_args
from primesvt_core.families._masked import (
    Block,
    BlockConfig,
    MaskedConfig,
    MaskedTransformer,
    Names,
    Stem,
    infer_widths,
    masked_groups,
    masked_layers,
    preprocessing,
)
from primesvt_core.families._step import NODE, STEP_ARGS, STEP_NEURON, is_step, other_neurons
from primesvt_core.layers.graph import Flow, Multiplies, Signal
from primesvt_core.layers.masked_attention import MaskedAttention
from primesvt_core.layers.mlp import CurrentMlp
from primesvt_core.layers.neurons import UnusedParameter, UnusedThreshold, lif, plif, stored_lif
from primesvt_core.types import ChannelGroup, Layer, Shapes

__all__ = ["FAMILY", "BlockConfig", "Config"]

MASK_THRESHOLD = 0.5
STEM = ("", "1", "2", "3")
STEP_POOLING = "0011"
POOLING = {
    "imagenet": "1111", "cifar": "0011", "gesture": "0111", "cifar10dvs": "0011", "step_imagenet": STEP_POOLING,
    "step_cifar": STEP_POOLING,
}  # fmt: skip
TIME_STEPS = {"gesture": 16, "cifar10dvs": 10}
IMAGE_SIZE = {
    "imagenet": 224, "cifar": 32, "gesture": 128, "cifar10dvs": 64, "step_imagenet": 224, "step_cifar": 32
}  # fmt: skip
NAMES = Names(
    stem=tuple(Producer(f"patch_embed.proj_conv{suffix}", f"patch_embed.proj_bn{suffix}") for suffix in STEM),
    blocks="block",
    mlp=("fc{}_conv", "fc{}_bn"),
)
STEP_NAMES = replace(NAMES, mlp=("fc_conv{}", "fc_bn{}"))
NEURONS: Mapping[str, Callable[..., nn.Module]] = {"lif": lif, "plif": plif}


class Config(MaskedConfig):
    """One Spike-driven Transformer.

    Attributes:
        pooling_stat: for each of the stem's four stages ``1`` if it pools.
        dvs_mode: whether the attention dilates its spikes over positions and over the channels of a head.
    """

    variant: Literal["imagenet", "cifar", "gesture", "cifar10dvs", "step_imagenet", "step_cifar"]
    num_heads: Count
    neuron: Literal["lif", "plif"]
    pooling_stat: str = Field(pattern=r"^[01]{4}$")
    dvs_mode: bool

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for block in self.blocks if self.dvs_mode else ():
            if block.attention_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.attention_dim}")
        return self


def _names(config: Config) -> Names:
    return STEP_NAMES if is_step(config.variant) else NAMES


def _neuron(config: Config) -> Callable[..., nn.Module]:
    return stored_lif if is_step(config.variant) else NEURONS[config.neuron]


def _unused_neuron(config: Config) -> nn.Module | None:
    """What the state dict has of a neuron that the public class makes and never runs."""
    if is_step(config.variant):
        return UnusedThreshold()
    return UnusedParameter() if config.neuron == "plif" else None


class ConvStem(Stem):
    """Four conv-BN stages, spikes between them, and a convolution that is added to the currents."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        neuron = _neuron(config)
        widths = (config.in_channels, *config.stem, config.embed_dim)
        for suffix, (source, target) in zip(STEM, pairwise(widths), strict=True):
            self.add_module(f"proj_conv{suffix}", nn.Conv2d(source, target, 3, padding=1, bias=False))
            self.add_module(f"proj_bn{suffix}", nn.BatchNorm2d(target))
            self.add_module(f"proj_lif{suffix}", neuron())
        self.rpe_conv = nn.Conv2d(config.embed_dim, config.embed_dim, 3, padding=1, bias=False)
        self.rpe_bn = nn.BatchNorm2d(config.embed_dim)
        if (unused := _unused_neuron(config)) is not None:
            self.rpe_lif = unused
        self.pooled = [pools == "1" for pools in config.pooling_stat]
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def stage(self, flow: Flow, index: int, x: Signal) -> Signal:
        x = flow.fire(self._current(flow, index, x), self.get_submodule(f"proj_lif{STEM[index]}"))
        return flow.run(x, self.pool) if self.pooled[index] else x

    def stream(self, flow: Flow, x: Signal) -> Signal:
        x = self._current(flow, 3, x)
        x = flow.run(x, self.pool) if self.pooled[3] else x
        return flow.add(x, flow.run(flow.fire(x, self.get_submodule("proj_lif3")), self.rpe_conv, self.rpe_bn))

    def _current(self, flow: Flow, index: int, x: Signal) -> Signal:
        return flow.run(x, *(self.get_submodule(f"proj_{part}{STEM[index]}") for part in ("conv", "bn")))


class Attention(MaskedAttention):
    """With a convolution over heads that is never used, and dilation in ``dvs_mode``."""

    def __init__(self, config: Config, block: BlockConfig) -> None:
        neuron = _neuron(config)
        super().__init__(
            config.embed_dim, block.attention_dim, mask="talking_heads_lif", neuron=neuron,
            mask_neuron=partial(neuron, threshold=MASK_THRESHOLD),
        )  # fmt: skip
        self.talking_heads = nn.Conv1d(config.num_heads, config.num_heads, 1, bias=False)
        if (unused := _unused_neuron(config)) is not None:
            self.attn_lif = unused
        self.num_heads, self.dvs_mode = config.num_heads, config.dvs_mode

    def attend(self, flow: Flow, q: Signal, k: Signal, v: Signal, stream: Signal) -> Signal:
        if not self.dvs_mode:
            return super().attend(flow, q, k, v, stream)
        k, v = (flow.tokens(flow.apply("dilated", _dilated, flow.planes(y, stream))) for y in (k, v))
        mask = self.mask(
            flow, flow.apply("product", lambda x, y: self._over_heads(x * y), k, v, multiplies=Multiplies())
        )
        return flow.apply("masked", lambda x, y: self._over_heads(x * y), q, mask, multiplies=Multiplies())

    def _over_heads(self, x: Tensor) -> Tensor:
        """Dilate over tokens and the channels of a head: ``(T, B, C, N)``."""
        T, B, C, N = x.shape
        planes = x.view(T, B, self.num_heads, C // self.num_heads, N)
        return _dilated(planes).view(T, B, C, N)


def _dilated(x: Tensor) -> Tensor:
    """3 x 3 maximum over the last two of five dimensions."""
    return max_pool2d(x.flatten(0, 1), 3, stride=1, padding=1).view(x.shape)


def build(config: Config) -> MaskedTransformer:
    """The network of a config."""
    neuron, number_last = _neuron(config), is_step(config.variant)

    def block(widths: BlockConfig) -> Block:
        hidden = None if config.mlp_residual else widths.mlp_dim
        mlp = CurrentMlp(config.embed_dim, hidden, neuron=neuron, number_last=number_last)
        return Block(Attention(config, widths), mlp)

    return MaskedTransformer(config, _names(config), ConvStem(config), map(block, config.blocks), neuron())


def identify(shapes: Shapes) -> str | None:
    """By the unused ``talking_heads``; the variant by the image's channels and the number of classes."""
    if "block.0.attn.talking_heads.weight" not in shapes or "patch_embed.rpe_conv.weight" not in shapes:
        return None
    first, classes = shapes["patch_embed.proj_conv.weight"].shape[1], shapes["head.weight"].shape[0]
    if STEP_MARK in shapes:
        return "step_imagenet" if classes == 1000 else "step_cifar"
    if first == 2:
        return "gesture" if classes == 11 else "cifar10dvs"
    return "imagenet" if classes == 1000 else "cifar"


STEP_MARK = "block.0.mlp.fc_conv1.weight"


def unsupported_reason(shapes: Shapes) -> str | None:
    """STEP's with other neurons than leaky ones."""
    is_of_step = STEP_MARK in shapes and "block.0.attn.talking_heads.weight" in shapes
    return other_neurons(shapes) if is_of_step else None


def infer(variant: str, shapes: Shapes, values: Mapping[str, Value]) -> Config:
    """Read every width off the shapes; the heads off the unused ``talking_heads``."""
    widths = infer_widths(shapes, STEP_NAMES if is_step(variant) else NAMES)
    if is_step(variant):
        widths["mlp_residual"] = False  # its MLP adds nothing, however wide it is
    heads = shapes["block.0.attn.talking_heads.weight"].shape[0]
    return Config.model_validate({**widths, "variant": variant, "num_heads": heads, **values})


def layers(config: Config) -> tuple[Layer, ...]:
    """Of stem, blocks and head; with ``dvs_mode`` dilation couples the neighbouring channels of a head."""
    return tuple(masked_layers(config, _names(config), coupled=config.dvs_mode))


def groups(config: Config) -> tuple[ChannelGroup, ...]:
    """Of stem, blocks and residual stream."""
    return masked_groups(config, _names(config), coupled=config.dvs_mode)


def unused(config: Config) -> frozenset[str]:
    """``talking_heads``, and the time constants of neurons that the forward pass does not have."""
    names = [f"block.{i}.attn.talking_heads.weight" for i in range(len(config.blocks))]
    neurons = ["patch_embed.rpe_lif", *(f"block.{i}.attn.attn_lif" for i in range(len(config.blocks)))]
    kept = ("threshold", "act_fun.alpha") if is_step(config.variant) else ("w",) if config.neuron == "plif" else ()
    return frozenset((*names, *(f"{neuron}.{entry}" for neuron in neurons for entry in kept)))


def _shown_neuron(_variant: str, shapes: Shapes) -> str:
    """By trained time constants."""
    return "plif" if "patch_embed.proj_lif.w" in shapes else "lif"


def _told_neuron(variant: str, shapes: Shapes) -> str | None:
    """STEP's neurons may be others that store the same."""
    return None if is_step(variant) else _shown_neuron(variant, shapes)


FAMILY = Family(
    title="Spike-driven Transformer",
    paper="arXiv 2307.01694",
    source="github.com/BICLab/Spike-Driven-Transformer @ 3faa8227",
    config_type=Config,
    signature_keys=("block.0.attn.talking_heads.weight",),
    identify=identify,
    hyperparameters={
        "time_steps": Hyperparameter(lambda variant, _: TIME_STEPS.get(variant, 4)),
        "image_size": Hyperparameter(lambda variant, _: IMAGE_SIZE[variant]),
        "pooling_stat": Hyperparameter(
            lambda variant, _: POOLING[variant], tell=lambda variant, _: STEP_POOLING if is_step(variant) else None
        ),
        "dvs_mode": Hyperparameter(
            lambda variant, _: variant == "cifar10dvs", tell=lambda variant, _: False if is_step(variant) else None
        ),
        "neuron": replace(STEP_NEURON, default=_shown_neuron, tell=_told_neuron),
    },
    infer=infer,
    build=build,
    layers=layers,
    groups=groups,
    unused=unused,
    preprocessing=preprocessing,
    class_rule=lambda _: "natural",
    unsupported_reason=unsupported_reason,
    implied_args={
        **STEP_ARGS,
        **leaky_args(lambda config: TAU if config.neuron == "lif" else None),
        **statten_args(lambda config: config.dvs_mode),
        "spike_mode": lambda config: None if is_step(config.variant) else config.neuron,
        "node_type": lambda config: NODE if is_step(config.variant) else None,
    },
)
