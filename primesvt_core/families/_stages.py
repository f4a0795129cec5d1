"""Networks of stages (QKFormer, Max-Former): a patch embedding and blocks by turns, a residual stream in every stage.

What a block is differs from family to family; how patch embeddings are named and coupled, and where streams are written
and read, does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import nn

from primesvt_core.families._base import Producer, group, layer
from primesvt_core.families._blocks import count
from primesvt_core.layers.graph import Flow, Part, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif
from primesvt_core.types import ChannelGroup, Layer, Shapes, TensorSlice


@dataclass(frozen=True)
class Unit:
    """A convolution of a patch embedding with its BatchNorm and neuron.

    Attributes:
        name: for people, beside the patch embedding's.
        conv: its module in the patch embedding.
        norm: its BatchNorm's.
        neuron: its neuron's; of an embedding that is built by `PatchEmbedding`.
        pooled: whether maxima are taken behind the BatchNorm.
        kernel: side of the convolution; ``stride`` its stride: of an embedding that is built by `CurrentEmbedding`.
    """

    name: str
    conv: str
    norm: str
    neuron: str = ""
    pooled: bool = False
    kernel: int = 3
    stride: int = 1


@dataclass(frozen=True, kw_only=True)
class Embedding:
    """One patch embedding: units one after another, and a shortcut that is added to what the last one gives.

    Attributes:
        units: in forward order; the last one writes to the stream.
        shortcut: writes to the stream, too.
        shortcut_from: the unit whose input the shortcut reads.
        stride: of the shortcut; of an embedding that is built by `PatchEmbedding`.
        bias: whether the convolutions have one.
    """

    units: tuple[Unit, ...]
    shortcut: Unit
    shortcut_from: int
    stride: int = 1
    bias: bool = False

    def producer(self, base: str, unit: Unit) -> Producer:
        """A unit as a producer of channels."""
        return Producer(f"{base}.{unit.conv}", f"{base}.{unit.norm}", self.bias)

    def producers(self, base: str) -> list[Producer]:
        """What begins the stream."""
        return [self.producer(base, unit) for unit in (self.units[-1], self.shortcut)]

    def consumers(self, base: str, index: int = 0) -> list[str]:
        """Modules that read the input of the unit at ``index``."""
        found = [f"{base}.{self.units[index].conv}"]
        return [*found, f"{base}.{self.shortcut.conv}"] if self.shortcut_from == index else found

    def layers(self, base: str, stream: str) -> Iterator[Layer]:
        """Its convolutions; ``stream`` is the group of the stage's stream."""
        owners = {unit: f"{base}.{unit.name}" for unit in self.units[:-1]}
        for unit in (*self.units, self.shortcut):
            producer = self.producer(base, unit)
            owner = owners.get(unit, stream)
            yield layer(f"{base}.{unit.name}", producer.module, producer.norm, bias=self.bias, group=owner)

    def groups(self, base: str, path: str, widths: Sequence[int]) -> Iterator[ChannelGroup]:
        """What lies between its convolutions; ``path`` is the config field of ``widths``."""
        for index, (unit, width) in enumerate(zip(self.units, widths, strict=False)):
            consumers = self.consumers(base, index + 1)
            yield group(f"{base}.{unit.name}", width, f"{path}.{index}", (self.producer(base, unit),), consumers)

    def widths(self, base: str, shapes: Shapes) -> tuple[int, ...]:
        """Channels that every unit gives."""
        return tuple(shapes[f"{base}.{unit.conv}.weight"].shape[0] for unit in self.units)


def place(parent: nn.Module, name: str, child: nn.Module) -> None:
    """Add ``child`` under a dotted name."""
    *path, leaf = name.split(".")
    for part in path:
        if part not in dict(parent.named_children()):
            parent.add_module(part, nn.Module())
        parent = parent.get_submodule(part)
    parent.add_module(leaf, child)


class PatchEmbedding(Part):
    """Convolutions with BatchNorm, perhaps pooling, and neurons; a strided shortcut is added to the last spikes."""

    def __init__(
        self,
        source: int,
        inner: Sequence[int],
        target: int,
        embedding: Embedding,
        neuron: Callable[[], nn.Module] = lif,
    ) -> None:
        super().__init__()
        self.embedding, bias = embedding, embedding.bias
        widths = (source, *inner, target)
        for unit, (before, after) in zip(embedding.units, pairwise(widths), strict=True):
            self._add(unit, nn.Conv2d(before, after, 3, padding=1, bias=bias), after, neuron())
        start = widths[embedding.shortcut_from]
        shortcut = nn.Conv2d(start, target, 1, stride=embedding.stride, bias=bias)
        self._add(embedding.shortcut, shortcut, target, neuron())
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)

    def _add(self, unit: Unit, conv: nn.Module, width: int, neuron: nn.Module) -> None:
        place(self, unit.conv, conv)
        place(self, unit.norm, nn.BatchNorm2d(width))
        place(self, unit.neuron, neuron)

    def _fire(self, flow: Flow, unit: Unit, x: Signal) -> Signal:
        conv, bn, fire = (self.get_submodule(name) for name in (unit.conv, unit.norm, unit.neuron))
        currents = flow.run(x, conv, bn, self.pool) if unit.pooled else flow.run(x, conv, bn)
        return flow.fire(currents, fire)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (T, B, D, H', W')`` integers."""
        start = x
        for index, unit in enumerate(self.embedding.units):
            start = x if index == self.embedding.shortcut_from else start
            x = self._fire(flow, unit, x)
        return flow.add(x, self._fire(flow, self.embedding.shortcut, start))


def patch_embeddings(
    in_channels: int,
    streams: Sequence[int],
    inner: Sequence[Sequence[int]],
    embeddings: Sequence[Embedding],
    neuron: Callable[[], nn.Module] = lif,
) -> list[nn.Module]:
    """One for every stage, from the image and from stream to stream."""
    places = zip(pairwise((in_channels, *streams)), inner, embeddings, strict=True)
    return [PatchEmbedding(source, widths, target, e, neuron) for (source, target), widths, e in places]


class Block(Part):
    """Attention and MLP, their spikes added to the stream of integers."""

    def __init__(self, name: str, attention: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attention = name
        self.add_module(name, attention)
        self.mlp = mlp

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W)``."""
        tokens = flow.tokens(x)
        tokens = flow.add(tokens, flow.through(tokens, self.get_submodule(self.attention)))
        return flow.planes(flow.add(tokens, flow.through(tokens, self.mlp)), x)


class Staged(SpikingModel):
    """The network: patch embeddings and stages by turns, mean over tokens and time, linear head."""

    def __init__(
        self,
        time_steps: int,
        embeddings: Sequence[nn.Module],
        stages: Sequence[Sequence[nn.Module]],
        head: nn.Linear,
    ) -> None:
        super().__init__(time_steps)
        for n, (embedding, blocks) in enumerate(zip(embeddings, stages, strict=True), start=1):
            self.add_module(f"patch_embed{n}", embedding)
            self.add_module(f"stage{n}", nn.ModuleList(blocks))
        self.head = head
        self.counts = [len(blocks) for blocks in stages]

    def logits(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, D, H, W) -> (B, num_classes)``."""
        return flow.apply("logits", lambda y: self.head(y.flatten(3).mean(3).mean(0)), x, modules=(self.head,))

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, C, H, W) -> (B, num_classes)``."""
        for n in range(1, len(self.counts) + 1):
            x = flow.through(x, self.get_submodule(f"patch_embed{n}"), *self.get_submodule(f"stage{n}").children())
        return self.logits(flow, x)


@dataclass(frozen=True)
class Ends:
    """Where a block meets its stage's stream."""

    producers: tuple[Producer, ...]
    consumers: tuple[str, ...]
    extra: tuple[TensorSlice, ...] = ()


def stream_groups(
    widths: Sequence[int], embeddings: Sequence[Embedding], stages: Sequence[Sequence[Ends]]
) -> Iterator[ChannelGroup]:
    """The residual stream of every stage, from its patch embedding to the next one's, or the head."""
    for n, (width, embedding, blocks) in enumerate(zip(widths, embeddings, stages, strict=True)):
        is_last = n + 1 == len(widths)
        following = ["head"] if is_last else embeddings[n + 1].consumers(f"patch_embed{n + 2}")
        yield group(
            f"stream.{n + 1}",
            width,
            f"streams.{n}",
            [
                *embedding.producers(f"patch_embed{n + 1}"),
                *(producer for block in blocks for producer in block.producers),
            ],
            [*(consumer for block in blocks for consumer in block.consumers), *following],
            extra=[piece for block in blocks for piece in block.extra],
            scope="global",
        )


def block_names(shapes: Shapes, stages: int) -> list[list[str]]:
    """Modules of the blocks of every stage; a stage may have none."""
    names = (f"stage{n}" for n in range(1, stages + 1))
    return [
        [f"{name}.{i}" for i in range(count(shapes, name) if any(key.startswith(f"{name}.") for key in shapes) else 0)]
        for name in names
    ]


def infer_embeddings(embeddings: Sequence[Embedding], shapes: Shapes) -> dict[str, object]:
    """The image's channels and classes; the widths inside every patch embedding and of the streams."""
    first, *_ = embeddings
    widths = [embedding.widths(f"patch_embed{n}", shapes) for n, embedding in enumerate(embeddings, start=1)]
    return {
        "in_channels": shapes[f"patch_embed1.{first.units[0].conv}.weight"].shape[1],
        "num_classes": shapes["head.weight"].shape[0],
        "patch_embeds": tuple(inner[:-1] for inner in widths),
        "streams": tuple(inner[-1] for inner in widths),
    }
