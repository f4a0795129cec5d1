"""What layers of the original see: their inputs on any images, block by block, and sums over them for all that ask.

Criteria and repairs need second moments of a layer's input (its Gram matrix), means and firing rates. They are gathered
in one pass over the calibration images, whoever asks, at seeded positions; products are taken in the model's precision,
which is exact for spikes and small integers, and summed in double precision.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from primesvt_core.engines import Images
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.layers.graph import Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import reset
from primesvt_core.layers.pointwise import PointwiseConv1d, PointwiseLinear

ROWS_A_COLUMN = 20
"""At least so many rows for every column of a Gram matrix, where the images have as many."""

KEPT_BYTES = 3 << 28
"""Memory for what an engine begins with, a third of it for the original's values."""

MOMENT_IMAGES = 512
"""Images whose sums are taken. Of 256, 512 and 768 one CIFAR-10 plan was left at 0.0267, 0.0243 and 0.0226 nats, for
10, 20 and 29 seconds of a core."""

Layer = PointwiseLinear | PointwiseConv1d | nn.Conv2d | nn.Linear


@dataclass(frozen=True, kw_only=True)
class Moments:
    """Sums over rows of a layer's input.

    A row is what one filter sees at one position: the channels of a token, or of a patch ``(C, kh, kw)`` flattened. A
    layer of several groups has rows of its own for each.

    Attributes:
        count: rows of a group.
        total: ``(groups, fan_in)`` float64.
        gram: ``(groups, fan_in, fan_in)`` float64: the sum of every row times itself.
    """

    count: int
    total: Tensor
    gram: Tensor

    @property
    def mean(self) -> Tensor:
        """``(groups, fan_in)``: of spikes the firing rate, for every column."""
        return self.total / self.count

    @property
    def covariance(self) -> Tensor:
        """``(groups, fan_in, fan_in)``, of the rows as a whole population."""
        mean = self.mean
        return self.gram / self.count - mean.unsqueeze(2) * mean.unsqueeze(1)

    def __add__(self, other: Moments) -> Moments:
        return Moments(count=self.count + other.count, total=self.total + other.total, gram=self.gram + other.gram)


class Calibration:
    """Inputs of the layers of one model on some images.

    Args:
        model: in eval mode, on its device.
        images: any split's, in blocks.
        seed: of the positions that are taken.
    """

    def __init__(self, model: SpikingModel, images: Images, seed: int = 0) -> None:
        self.model, self.images, self.seed = model, images, seed
        self._moments: dict[str, Moments] = {}

    @cached_property
    def engine(self) -> BlockEngine:
        """Computes pruned models on these images; what it keeps of the original serves all of them."""
        return BlockEngine(self.model, self.images, kept_bytes=KEPT_BYTES)

    @cached_property
    def moment_blocks(self) -> int:
        """Blocks that moments are taken of: the first ones, with `MOMENT_IMAGES` in them."""
        size = len(self.images.block(0)[1])
        return min(len(self.images), math.ceil(MOMENT_IMAGES / size))

    def inputs(self, names: Sequence[str], block: int) -> dict[str, Tensor]:
        """What the modules of these names are given on one block: ``(T * B, C, ...)`` each; of a head ``(B, D)`` or as
        its family has it.

        Raises:
            KeyError: if a module of that name is not called.
        """
        seen: dict[str, Tensor] = {}
        self._run(block, {name: self._keeping(seen, name) for name in names})
        return {name: seen[name] for name in names}

    def values(self, names: Collection[Signal], block: int) -> dict[Signal, Tensor]:
        """Values of the model's graph on one block: ``(T, B, C, ...)`` each.

        Raises:
            KeyError: if no node of the graph gives a value of that name.
        """
        x, _ = self.images.block(block)
        with torch.inference_mode():
            reset(self.model)
            found = self.model.graph.values(self.model.encode(x.to(next(self.model.parameters()))), names)
            reset(self.model)
        return found

    def moments(self, names: Sequence[str], tick: Callable[[int], None] = lambda _: None) -> Mapping[str, Moments]:
        """Sums over the inputs of the layers of these names; what is known is not gathered again.

        Of the images the first `MOMENT_IMAGES` are looked at, in whole blocks.

        Args:
            names: modules with a weight: convolutions and linear layers.
            tick: receives how many blocks are done.
        """
        missing = [name for name in names if name not in self._moments]
        sums: dict[str, Moments] = {}
        blocks = self.moment_blocks if missing else 0
        for block in range(blocks):
            self._run(block, {name: self._adding(sums, self.sampling(name, block, blocks), name) for name in missing})
            tick(block + 1)
        self._moments |= sums
        return {name: self._moments[name] for name in names}

    def _run(self, block: int, hooks: Mapping[str, Callable[[Tensor], None]]) -> None:
        x, _ = self.images.block(block)
        with torch.inference_mode(), _watching(self.model, hooks):
            self.model(x.to(next(self.model.parameters())))

    @staticmethod
    def _keeping(seen: dict[str, Tensor], name: str) -> Callable[[Tensor], None]:
        def keep(x: Tensor) -> None:
            seen[name] = x if name not in seen else torch.cat([seen[name], x])

        return keep

    def sampling(
        self, name: str, block: int, blocks: int | None = None, *, least: int = 0
    ) -> Callable[[Tensor], Tensor]:
        """What takes, of the input of the layer of that name on one block, rows ``(groups, rows, fan_in)``.

        The positions are the same ones for the original and for a pruned model.

        Args:
            name: of the layer.
            block: of the images.
            blocks: among which the wanted rows are shared out; all of them if not given.
            least: rows that are wanted of all blocks together, where `ROWS_A_COLUMN` wants fewer.
        """
        layer = _layer(self.model, name)
        chance = torch.Generator().manual_seed(zlib.crc32(f"{self.seed}/{name}/{block}".encode()))
        wanted = max(ROWS_A_COLUMN * math.prod(layer.weight.shape[1:]), least)
        return lambda x: rows(layer, x, math.ceil(wanted / (blocks or len(self.images))), chance)

    @staticmethod
    def _adding(sums: dict[str, Moments], sample: Callable[[Tensor], Tensor], name: str) -> Callable[[Tensor], None]:
        def add(x: Tensor) -> None:
            found = _moments(sample(x))
            sums[name] = sums[name] + found if name in sums else found

        return add


def rows(layer: Layer, x: Tensor, wanted: int, chance: torch.Generator) -> Tensor:
    """What the filters of a layer see at some positions.

    Args:
        layer: convolution or linear layer.
        x: its input: ``(M, C, H, W)``, tokens ``(M, C, N)``; of a plain linear layer ``(..., C)``.
        wanted: rows to take, or all where there are fewer.
        chance: chooses them.

    Returns:
        ``(groups, rows, fan_in)``.
    """
    if isinstance(layer, nn.Conv2d) and x.dim() == 4:
        return _patches(layer, x, wanted, chance)
    last = x if isinstance(layer, nn.Linear) and not isinstance(layer, PointwiseLinear) else x.movedim(1, -1)
    flat = last.reshape(-1, last.shape[-1])
    return flat[_some(len(flat), wanted, chance)].unsqueeze(0)


def _patches(layer: nn.Conv2d, x: Tensor, wanted: int, chance: torch.Generator) -> Tensor:
    """``(groups, rows, C / groups * kh * kw)``."""
    assert not isinstance(layer.padding, str)  # noqa: S101  # no family has one
    (kh, kw), (sh, sw), (ph, pw) = layer.kernel_size, layer.stride, layer.padding
    padded = pad(x, (pw, pw, ph, ph))
    height, width = (padded.shape[2] - kh) // sh + 1, (padded.shape[3] - kw) // sw + 1
    at = _some(len(x) * height * width, wanted, chance).to(x.device)
    image, top, left = at // (height * width), at // width % height * sh, at % width * sw
    across = (top[:, None, None] + torch.arange(kh, device=x.device)[:, None]).expand(-1, kh, kw)
    along = (left[:, None, None] + torch.arange(kw, device=x.device)[None, :]).expand(-1, kh, kw)
    found = padded[image[:, None, None], :, across, along]  # (rows, kh, kw, C)
    return found.permute(0, 3, 1, 2).reshape(len(at), layer.groups, -1).transpose(0, 1)


def _some(total: int, wanted: int, chance: torch.Generator) -> Tensor:
    """So many of ``total`` positions, ascending; all where there are no more."""
    if total <= wanted:
        return torch.arange(total)
    return torch.randperm(total, generator=chance)[:wanted].sort().values


def _moments(seen: Tensor) -> Moments:
    return Moments(
        count=seen.shape[1], total=seen.double().sum(1), gram=(seen.transpose(1, 2) @ seen).double()
    )  # fmt: skip


def _layer(model: nn.Module, name: str) -> Layer:
    found = model.get_submodule(name)
    if not isinstance(found, PointwiseLinear | PointwiseConv1d | nn.Conv2d | nn.Linear):
        raise TypeError(f"{name} is no convolution and no linear layer, but a {type(found).__name__}")
    return found


@contextmanager
def _watching(model: nn.Module, watchers: Mapping[str, Callable[[Tensor], None]]) -> Iterator[None]:
    def hook(watch: Callable[[Tensor], None]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
        return lambda _module, inputs: watch(inputs[0])

    handles = [model.get_submodule(name).register_forward_pre_hook(hook(watch)) for name, watch in watchers.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
