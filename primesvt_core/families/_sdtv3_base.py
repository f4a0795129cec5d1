"""The base models of Spike-driven Transformer V3: ``SDT_V3/Classification/Model_Base/models.py``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from torch import nn

from primesvt_core.families._base import Count, Producer, group, layer
from primesvt_core.families._pyramid import (
    CONV_BLOCKS,
    ConvBlockConfig,
    Frozen,
    LevelsConfig,
    Neuron,
    Places,
    Pyramid,
)
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.neurons import MultiLevelNeuron
from primesvt_core.layers.pointwise import PointwiseConv1d
from primesvt_core.types import ChannelGroup, Layer, Shapes


class BaseBlock(Frozen):
    """Widths of a transformer block. ``head_dim`` is the original width of a head, which scales the attention."""

    separable_dim: Count
    qk_dim: Count
    v_dim: Count
    mlp_dim: Count
    head_dim: Count


def _conv_bn(source: int, target: int, kernel: int, *, depthwise: bool = False) -> nn.Sequential:
    groups = target if depthwise else 1
    conv = nn.Conv2d(source, target, kernel, padding=kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(target))


class Separable(Part):
    """Pointwise, depthwise, pointwise, each behind a neuron."""

    def __init__(self, width: int, inner: int, kernel: int, neuron: Neuron) -> None:
        super().__init__()
        self.spike1, self.spike2, self.spike3 = neuron(), neuron(), neuron()
        self.pwconv1 = _conv_bn(width, inner, 1)
        self.dwconv = _conv_bn(inner, inner, kernel, depthwise=True)
        self.pwconv2 = _conv_bn(inner, width, 1)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.run(flow.fire(x, self.spike1), self.pwconv1)
        x = flow.run(flow.fire(x, self.spike2), self.dwconv)
        return flow.run(flow.fire(x, self.spike3), self.pwconv2)


class ConvBlock(Part):
    """Separable convolution, then two 3 x 3 convolutions, each added to the stream."""

    def __init__(self, width: int, config: ConvBlockConfig, neuron: Neuron) -> None:
        super().__init__()
        self.Conv = Separable(width, config.separable_dim, 7, neuron)
        self.spike1, self.spike2 = neuron(), neuron()
        self.conv1 = nn.Conv2d(width, config.hidden_dim, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(config.hidden_dim)
        self.conv2 = nn.Conv2d(config.hidden_dim, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def define(self, flow: Flow, x: Signal) -> Signal:
        x = flow.add(x, self.Conv.define(flow, x))
        hidden = flow.run(flow.fire(x, self.spike1), self.conv1, self.bn1)
        return flow.add(x, flow.run(flow.fire(hidden, self.spike2), self.conv2, self.bn2))


class Attention(Part):
    """Spiking self-attention with values four times as wide as the stream."""

    def __init__(self, width: int, block: BaseBlock, num_heads: int, neuron: Neuron) -> None:
        super().__init__()
        self.head_spike, self.attn_spike = neuron(), neuron()
        for name, target in (("q", block.qk_dim), ("k", block.qk_dim), ("v", block.v_dim)):
            self.add_module(f"{name}_conv", _conv_bn(width, target, 1))
            self.add_module(f"{name}_spike", neuron())
        self.proj_conv = _conv_bn(block.v_dim, width, 1)
        self.num_heads, self.scale = num_heads, 2 * block.head_dim**-0.5

    def define(self, flow: Flow, x: Signal) -> Signal:
        spikes = flow.fire(x, self.head_spike)
        q, k, v = (
            flow.tokens(
                flow.fire(flow.run(spikes, self.get_submodule(f"{name}_conv")), self.get_submodule(f"{name}_spike"))
            )
            for name in "qkv"
        )
        attended = flow.attend(q, k, v, num_heads=self.num_heads, scale=self.scale)
        return flow.run(flow.planes(flow.fire(attended, self.attn_spike), x), self.proj_conv)


class Mlp(Part):
    """Two pointwise layers, a neuron before each."""

    def __init__(self, width: int, hidden: int, neuron: Neuron) -> None:
        super().__init__()
        self.fc1_conv, self.fc1_bn = PointwiseConv1d(width, hidden), nn.BatchNorm1d(hidden)
        self.fc2_conv, self.fc2_bn = PointwiseConv1d(hidden, width), nn.BatchNorm1d(width)
        self.fc1_spike, self.fc2_spike = neuron(), neuron()

    def define(self, flow: Flow, x: Signal) -> Signal:
        hidden = flow.run(flow.fire(flow.tokens(x), self.fc1_spike), self.fc1_conv, self.fc1_bn)
        return flow.planes(flow.run(flow.fire(hidden, self.fc2_spike), self.fc2_conv, self.fc2_bn), x)


class Block(Part):
    """Separable convolution, attention and MLP, each added to the stream."""

    def __init__(self, width: int, block: BaseBlock, num_heads: int, neuron: Neuron) -> None:
        super().__init__()
        self.conv = Separable(width, block.separable_dim, 3, neuron)
        self.attn = Attention(width, block, num_heads, neuron)
        self.mlp = Mlp(width, block.mlp_dim, neuron)

    def define(self, flow: Flow, x: Signal) -> Signal:
        for part in (self.conv, self.attn, self.mlp):
            x = flow.add(x, flow.through(x, part))
        return x


class Transformer(Pyramid):
    """The network. It knows no time: a level stands for spikes of several steps."""

    def __init__(
        self, config: LevelsConfig, convs: tuple[ConvBlockConfig, ...], blocks: dict[str, tuple[BaseBlock, ...]]
    ) -> None:
        streams, levels = config.streams, config.levels
        neuron = partial(MultiLevelNeuron, levels, levels)
        built = {
            name: [Block(streams[level], block, config.num_heads, neuron) for block in blocks[name]]
            for name, level in (("block3", 3), ("block4", 4))
        }
        places = zip(CONV_BLOCKS.values(), convs, strict=True)
        found = [ConvBlock(streams[level], block, neuron) for level, block in places]
        super().__init__(config, found, built, neuron, "encode_spike")
        self.spike = MultiLevelNeuron(levels, 1)

    def logits(self, flow: Flow, x: Signal) -> Signal:
        spikes = flow.fire(flow.apply("mean", lambda y: y.flatten(3).mean(3), x), self.spike)
        return flow.apply("logits", lambda y: self.head(y).mean(0), spikes, modules=(self.head,))


def infer_conv(shapes: Shapes, base: str) -> ConvBlockConfig:
    """Widths of a convolution block."""
    separable, hidden = shapes[f"{base}.Conv.pwconv1.0.weight"], shapes[f"{base}.conv1.weight"]
    return ConvBlockConfig(separable_dim=separable.shape[0], hidden_dim=hidden.shape[0])


def infer_block(shapes: Shapes, base: str, num_heads: int) -> BaseBlock:
    """Widths of a transformer block."""

    def width(module: str) -> int:
        return shapes[f"{base}.{module}.weight"].shape[0]

    qk = width("attn.q_conv.0")
    return BaseBlock(
        separable_dim=width("conv.pwconv1.0"),
        qk_dim=qk,
        v_dim=width("attn.v_conv.0"),
        mlp_dim=width("mlp.fc1_conv"),
        head_dim=qk // num_heads,
    )


def _producer(module: str) -> Producer:
    return Producer(f"{module}.0", f"{module}.1")


def unused(_base: str, _block: BaseBlock) -> frozenset[str]:
    """Tensors of a block that nothing reads."""
    return frozenset()


def places(_blocks: Sequence[BaseBlock]) -> Places:
    """Where the blocks meet the streams."""
    return Places(
        conv_producers=lambda base: (_producer(f"{base}.Conv.pwconv2"), Producer(f"{base}.conv2", f"{base}.bn2")),
        conv_consumers=lambda base: (f"{base}.Conv.pwconv1.0", f"{base}.conv1"),
        block_producers=lambda base: (
            _producer(f"{base}.conv.pwconv2"),
            _producer(f"{base}.attn.proj_conv"),
            Producer(f"{base}.mlp.fc2_conv", f"{base}.mlp.fc2_bn", bias=True),
        ),
        block_consumers=lambda base: (
            f"{base}.conv.pwconv1.0",
            *(f"{base}.attn.{name}_conv.0" for name in "qkv"),
            f"{base}.mlp.fc1_conv",
        ),
    )


def _separable_layers(name: str, module: str, stream: str) -> Iterator[Layer]:
    for part, owner in (("pwconv1", name), ("dwconv", name), ("pwconv2", stream)):
        yield layer(f"{name}.{part}", f"{module}.{part}.0", f"{module}.{part}.1", bias=False, group=owner)


def _separable_group(name: str, module: str, size: int, path: str) -> ChannelGroup:
    # The depthwise convolution has a BatchNorm and a neuron of its own: its channels are produced twice, and silenced
    # where they are produced last.
    producers = (_producer(f"{module}.pwconv1"), _producer(f"{module}.dwconv"))
    return group(name, size, path, producers, (f"{module}.pwconv2.0",))


def conv_layers(base: str) -> Iterator[Layer]:
    """Layers of a convolution block."""
    stream = f"stream.{CONV_BLOCKS[base]}"
    yield from _separable_layers(f"{base}.separable", f"{base}.Conv", stream)
    yield layer(f"{base}.conv1", f"{base}.conv1", f"{base}.bn1", bias=False, group=f"{base}.hidden")
    yield layer(f"{base}.conv2", f"{base}.conv2", f"{base}.bn2", bias=False, group=stream)


def block_layers(base: str, _block: BaseBlock) -> Iterator[Layer]:
    """Layers of a transformer block."""
    stream = "stream.3" if base.startswith("block3") else "stream.4"
    yield from _separable_layers(f"{base}.separable", f"{base}.conv", stream)
    attention = f"{base}.attn"
    owners = {"q": f"{attention}.qk", "k": f"{attention}.qk", "v": f"{attention}.v", "proj": stream}
    for name, owner in owners.items():
        module = f"{attention}.{name}_conv"
        yield layer(f"{attention}.{name}", f"{module}.0", f"{module}.1", bias=False, group=owner)
    for name, owner in (("fc1", f"{base}.mlp.fc1"), ("fc2", stream)):
        module = f"{base}.mlp.{name}"
        yield layer(module, f"{module}_conv", f"{module}_bn", bias=True, group=owner)


def conv_groups(base: str, path: str, block: ConvBlockConfig) -> Iterator[ChannelGroup]:
    """Groups inside a convolution block."""
    yield _separable_group(f"{base}.separable", f"{base}.Conv", block.separable_dim, f"{path}.separable_dim")
    producers = (Producer(f"{base}.conv1", f"{base}.bn1"),)
    yield group(f"{base}.hidden", block.hidden_dim, f"{path}.hidden_dim", producers, (f"{base}.conv2",))


def block_groups(base: str, block: BaseBlock, heads: int) -> Iterator[ChannelGroup]:
    """Groups inside a transformer block."""
    yield _separable_group(f"{base}.separable", f"{base}.conv", block.separable_dim, f"{base}.separable_dim")
    q, k, v = (_producer(f"{base}.attn.{name}_conv") for name in "qkv")
    yield group(f"{base}.attn.qk", block.qk_dim, f"{base}.qk_dim", (q, k), parts=heads)
    consumers = (f"{base}.attn.proj_conv.0",)
    yield group(f"{base}.attn.v", block.v_dim, f"{base}.v_dim", (v,), consumers, parts=heads)
    hidden = (Producer(f"{base}.mlp.fc1_conv", f"{base}.mlp.fc1_bn", bias=True),)
    yield group(f"{base}.mlp.fc1", block.mlp_dim, f"{base}.mlp_dim", hidden, (f"{base}.mlp.fc2_conv",))
