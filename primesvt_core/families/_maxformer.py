"""The network of Max-Former (arXiv 2505.18608) as spikingjelly's model zoo has it: its config, its layout, its modules.

Maxima in the patch embeddings, and depthwise convolutions instead of attention in the first stages, keep high
frequencies; the residual streams hold currents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator
from torch import nn

from primesvt_core.families._base import Count
from primesvt_core.families._fused import USUAL, FusedNames
from primesvt_core.families._stages import Embedding, Staged, Unit
from primesvt_core.families._zoo import ZooConfig
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.mlp import CurrentMlp
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.layers.self_attention import USUAL_SCALE, FusedSelfAttention

STAGES = 3


class BlockConfig(BaseModel):
    """Widths of one block; of one without attention ``qk_dim`` and ``v_dim`` are None.

    ``mlp_dim`` is None where the MLP was built as wide as the stream: its hidden channels are the stream's then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mlp_dim: Count | None
    qk_dim: Count | None = None
    v_dim: Count | None = None


class Config(ZooConfig):
    """One Max-Former of the zoo.

    Attributes:
        variant: ``cifar`` begins without halving the image, has no depthwise convolution in the first stage, and a
            neuron before the attention instead of behind.
        patch_embeds: of every patch embedding, the widths of all its convolutions but the last one.
        streams: widths of the residual streams, one a stage.
        blocks: of every stage; those of the last one have attention.
        num_heads: of the attention, which the zoo derives from the width.
    """

    variant: Literal["imagenet", "cifar"]
    patch_embeds: tuple[tuple[Count, ...], ...]
    streams: tuple[Count, ...]
    blocks: tuple[tuple[BlockConfig, ...], ...]
    num_heads: Count

    @model_validator(mode="after")
    def _heads_divide_widths(self) -> Config:
        for block in self.blocks[-1]:
            if not block.qk_dim or not block.v_dim:
                raise ValueError("a block of the last stage has no width of its queries or values")
            if self.num_heads < 1 or block.qk_dim % self.num_heads or block.v_dim % self.num_heads:
                raise ValueError(f"num_heads {self.num_heads} does not divide {block.qk_dim} and {block.v_dim}")
        return self


@dataclass(frozen=True, kw_only=True)
class VariantSpec:
    """How a variant names and lays out its layers.

    Attributes:
        embeddings: the patch embeddings.
        kernels: sides of the depthwise convolutions of the stages before the last; None where there are none.
        attention: what its projections are called.
        head_width: of the attention, as the zoo derives its heads from the width; None where there are always eight.
    """

    embeddings: tuple[Embedding, ...]
    kernels: tuple[int | None, int | None]
    attention: FusedNames
    head_width: int | None

    def heads(self, width: int) -> int:
        """Heads of an original whose last stream is that wide."""
        return 8 if self.head_width is None else max(1, width // self.head_width)


def _numbered(number: int) -> Unit:
    return Unit(f"conv{number}", f"conv{number}", f"bn{number}")


def _later(*, bias: bool) -> Embedding:
    shortcut = Unit("shortcut", "shortcut.0", "shortcut.1")
    return Embedding(units=(_numbered(1), _numbered(2)), shortcut=shortcut, shortcut_from=0, stride=1, bias=bias)


VARIANTS = {
    "imagenet": VariantSpec(
        embeddings=(
            Embedding(
                units=(_numbered(1), _numbered(2), _numbered(3)),
                shortcut=Unit("shortcut", "shortcut.0", "shortcut.1"), shortcut_from=1, stride=2, bias=True,
            ),
            _later(bias=True), _later(bias=True),
        ),
        kernels=(7, 5), attention=USUAL, head_width=64,
    ),
    "cifar": VariantSpec(
        embeddings=(
            Embedding(
                units=(Unit("conv", "conv", "bn"), Unit("branch", "branch.1", "branch.2")),
                shortcut=Unit("shortcut", "shortcut.1", "shortcut.2"), shortcut_from=1, stride=1,
            ),
            _later(bias=False), _later(bias=False),
        ),
        kernels=(None, 3), attention=FusedNames("qkv", "proj", bias=True), head_width=None,
    ),
}  # fmt: skip


def _conv(source: int, target: int, kernel: int, *, stride: int = 1, bias: bool, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(source, target, kernel, stride=stride, padding=kernel // 2, groups=groups, bias=bias)


class Numbered(Part):
    """A patch embedding's convolutions ``conv1``, ``conv2`` ... with their ``bn1`` ... and ``lif1`` ..."""

    def add(self, number: int, conv: nn.Conv2d, neuron: nn.Module | None) -> None:
        """A convolution, its BatchNorm, and the neuron of that number."""
        self.add_module(f"conv{number}", conv)
        self.add_module(f"bn{number}", nn.BatchNorm2d(conv.out_channels))
        if neuron is not None:
            self.add_module(f"lif{number}", neuron)

    def current(self, flow: Flow, number: int, x: Signal) -> Signal:
        """Convolved and normalised."""
        return flow.run(x, self.get_submodule(f"conv{number}"), self.get_submodule(f"bn{number}"))

    def fire(self, flow: Flow, number: int, x: Signal) -> Signal:
        """The neuron alone."""
        return flow.fire(x, self.get_submodule(f"lif{number}"))


class FirstEmbedding(Numbered):
    """Two strided convolutions and a third; the shortcut is added to its currents."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        (hidden, middle), target, neuron = config.patch_embeds[0], config.streams[0], config.make_neuron
        self.add(1, _conv(config.in_channels, hidden, 3, stride=2, bias=True), neuron())
        self.add(2, _conv(hidden, middle, 3, stride=2, bias=True), neuron())
        self.add(3, _conv(middle, target, 3, bias=True), None)
        self.shortcut = nn.Sequential(_conv(hidden, target, 1, stride=2, bias=True), nn.BatchNorm2d(target))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, D, H / 4, W / 4)`` currents."""
        start = self.fire(flow, 1, self.current(flow, 1, x))
        y = self.fire(flow, 2, self.current(flow, 2, start))
        return flow.add(self.current(flow, 3, y), flow.run(start, self.shortcut))


class CifarEmbedding(Part):
    """A convolution, whose currents fire into two more side by side."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        (hidden,), target, neuron = config.patch_embeds[0], config.streams[0], config.make_neuron
        self.conv, self.bn = _conv(config.in_channels, hidden, 3, bias=False), nn.BatchNorm2d(hidden)
        self.branch = nn.Sequential(neuron(), _conv(hidden, target, 3, bias=False), nn.BatchNorm2d(target))
        self.shortcut = nn.Sequential(neuron(), _conv(hidden, target, 1, bias=False), nn.BatchNorm2d(target))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, D, H, W)`` currents."""
        x = flow.run(x, self.conv, self.bn)
        branches = ((neuron, layers) for neuron, *layers in (self.branch, self.shortcut))
        return flow.add(*(flow.run(flow.fire(x, neuron), *layers) for neuron, layers in branches))


class LaterEmbedding(Numbered):
    """Spikes of the stream before, through two convolutions and maxima, and through a shortcut with maxima."""

    def __init__(self, config: Config, stage: int, *, bias: bool) -> None:
        super().__init__()
        (hidden,), source, target = config.patch_embeds[stage], config.streams[stage - 1], config.streams[stage]
        self.add(1, _conv(source, hidden, 3, bias=bias), config.make_neuron())
        self.add(2, _conv(hidden, target, 3, bias=bias), config.make_neuron())
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.shortcut = nn.Sequential(
            _conv(source, target, 1, bias=bias), nn.BatchNorm2d(target), nn.MaxPool2d(3, stride=2, padding=1)
        )

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, D, H / 2, W / 2)`` currents."""
        start = self.fire(flow, 1, x)
        y = self.fire(flow, 2, flow.run(self.current(flow, 1, start), self.pool))
        return flow.add(self.current(flow, 2, y), flow.run(start, self.shortcut))


class CifarAttention(Part):
    """Spiking self-attention behind a neuron of its own, its projection added to the stream as currents."""

    def __init__(self, config: Config, width: int, qk_dim: int, v_dim: int) -> None:
        super().__init__()
        rows = 2 * qk_dim + v_dim
        self.input_lif = config.make_inner_neuron()
        self.qkv = nn.Sequential(PointwiseConv1d(width, rows, bias=False), nn.BatchNorm1d(rows))
        self.qkv_lif = config.make_inner_neuron()
        self.attn_lif = config.make_attention_neuron()
        self.proj = nn.Sequential(PointwiseConv1d(v_dim, width), nn.BatchNorm1d(width))
        self.num_heads, self.rows = config.num_heads, (qk_dim, qk_dim, v_dim)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, N)`` to currents of the same shape."""
        fused = flow.fire(flow.run(flow.fire(x, self.input_lif), self.qkv), self.qkv_lif)
        attended = flow.attend(*flow.split(fused, self.rows), num_heads=self.num_heads, scale=USUAL_SCALE)
        return flow.run(flow.fire(attended, self.attn_lif), self.proj)


class MlpBlock(CurrentMlp):
    """An MLP alone."""

    def __init__(self, config: Config, stage: int, block: BlockConfig) -> None:
        super().__init__(config.streams[stage], block.mlp_dim, suffix=None, neuron=config.make_neuron)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to the next stream."""
        return flow.planes(super().define(flow, flow.tokens(x)), x)


class DepthwiseBlock(Part):
    """A depthwise convolution of spikes and an MLP, their currents added to the stream."""

    def __init__(self, config: Config, stage: int, block: BlockConfig, kernel: int) -> None:
        super().__init__()
        width = config.streams[stage]
        self.lif = config.make_neuron()
        self.dwconv = _conv(width, width, kernel, bias=True, groups=width)
        self.bn = nn.BatchNorm2d(width)
        self.mlp = MlpBlock(config, stage, block)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to the next stream."""
        x = flow.add(x, flow.run(flow.fire(x, self.lif), self.dwconv, self.bn))
        return flow.through(x, self.mlp)


class AttentionBlock(Part):
    """Attention and MLP."""

    def __init__(self, config: Config, stage: int, block: BlockConfig) -> None:
        super().__init__()
        width, qk_dim, v_dim = config.streams[stage], block.qk_dim or 0, block.v_dim or 0
        self.attn = (
            CifarAttention(config, width, qk_dim, v_dim)
            if config.variant == "cifar"
            else FusedSelfAttention(
                width, qk_dim, v_dim, num_heads=config.num_heads, neuron=config.make_inner_neuron,
                attention_neuron=config.make_attention_neuron,
            )
        )  # fmt: skip
        self.mlp = MlpBlock(config, stage, block)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)`` stream to the next stream."""
        tokens = flow.tokens(x)
        return flow.through(flow.planes(flow.add(tokens, flow.through(tokens, self.attn)), x), self.mlp)


class MaxFormer(Staged):
    """The network: patch embeddings and stages by turns, mean over tokens, a neuron, mean over time, linear head."""

    def __init__(self, config: Config) -> None:
        later = VARIANTS[config.variant].embeddings[1:]
        super().__init__(
            config.time_steps,
            [
                (CifarEmbedding if config.variant == "cifar" else FirstEmbedding)(config),
                *(LaterEmbedding(config, n, bias=embedding.bias) for n, embedding in enumerate(later, start=1)),
            ],
            [[_block(config, n, block) for block in blocks] for n, blocks in enumerate(config.blocks)],
            nn.Linear(config.streams[-1], config.num_classes),
        )
        self.head_lif = config.make_neuron()

    def logits(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W) -> (B, num_classes)``."""
        spikes = flow.fire(flow.apply("mean", lambda y: y.flatten(3).mean(3), x), self.head_lif)
        return flow.apply("logits", lambda y: self.head(y.mean(0)), spikes, modules=(self.head,))


def _block(config: Config, stage: int, block: BlockConfig) -> nn.Module:
    if stage + 1 == STAGES:
        return AttentionBlock(config, stage, block)
    kernel = VARIANTS[config.variant].kernels[stage]
    return MlpBlock(config, stage, block) if kernel is None else DepthwiseBlock(config, stage, block, kernel)
