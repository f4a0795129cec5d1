"""A network of one group, whose channels some layers read, each another way; what those are given, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import unfold

from primesvt_core import calibration
from primesvt_core.calibration import Calibration
from primesvt_core.criteria import Scoring
from primesvt_core.layers.graph import Flow, Signal
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import lif
from primesvt_core.layers.pointwise import PointwiseLinear
from primesvt_core.testing.criteria import Labelled
from primesvt_core.types import ChannelGroup, TensorSlice

SIZE, SIDE, STEPS = 6, 4, 2


def layer_of(kind: str) -> nn.Module:
    """A layer that reads all channels; of ``linear`` there are more rows than columns."""
    made: dict[str, nn.Module] = {
        "linear": PointwiseLinear(SIZE, 9),
        "3x3": nn.Conv2d(SIZE, 5, 3, padding=1, bias=False),
        "grouped": nn.Conv2d(SIZE, 4, 3, padding=1, groups=2),
    }
    return made[kind]


class Fork(SpikingModel):
    """``first``, a BatchNorm and a neuron; then a layer of every kind with its BatchNorm, side by side."""

    def __init__(self, kinds: Sequence[str]) -> None:
        super().__init__(STEPS)
        self.first, self.norm, self.neuron = nn.Conv2d(2, SIZE, 3, padding=1), nn.BatchNorm2d(SIZE), lif()
        self.readers = nn.ModuleDict({kind: layer_of(kind) for kind in kinds})
        widths = {kind: len(layer.get_parameter("weight")) for kind, layer in self.readers.items()}
        self.norms = nn.ModuleDict(
            {
                kind: nn.BatchNorm1d(width) if kind == "linear" else nn.BatchNorm2d(width)
                for kind, width in widths.items()
            }
        )
        for norm in (self.norm, *self.norms.values()):
            assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
            assert norm.running_var is not None
            nn.init.uniform_(norm.running_var, 0.2, 3.0)
            nn.init.uniform_(norm.weight, 0.5, 2.0)
        nn.init.uniform_(self.norm.bias, 0.2, 1.5)

    def define(self, flow: Flow, x: Signal) -> Signal:
        """``(T, B, 2, H, W) -> (B, kinds)``: the mean of what each layer gives."""
        spikes = flow.fire(flow.run(x, self.first, self.norm), self.neuron)
        tokens = flow.tokens(spikes)
        given = []
        for (kind, layer), norm in zip(self.readers.items(), self.norms.values(), strict=True):
            currents = flow.run(tokens if kind == "linear" else spikes, layer, norm)
            given.append(flow.apply("flat", lambda y: y.flatten(2), currents))
        return flow.apply("logits", lambda *each: torch.stack([y.mean((0, 2)) for y in each], 1), *given)

    def group(self, parts: int) -> ChannelGroup:
        """Its channels."""
        columns = [
            TensorSlice(tensor=f"readers.{kind}.weight", dim=1, shared=kind == "grouped") for kind in self.readers
        ]
        rows = [TensorSlice(tensor=name, dim=0) for name in ("first.weight", "norm.weight", "norm.bias")]
        return ChannelGroup(
            name="channels", size=SIZE, width="w", slices=(*rows, *columns), producers=("first.weight",),
            silencers=("norm",), consumers=tuple(f"readers.{kind}.weight" for kind in self.readers), parts=parts,
        )  # fmt: skip

    def factor(self, kind: str) -> Tensor:
        """What the BatchNorm behind a layer multiplies by."""
        norm = self.norms[kind]
        assert isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d)
        assert norm.running_var is not None
        return norm.weight.detach() / torch.sqrt(norm.running_var + norm.eps)


def forked(kinds: Sequence[str], parts: int = 1, seed: int = 0, images: int = 6) -> tuple[Fork, Scoring]:
    """A network in double precision, and what is at hand to score its group: all rows of some images, in blocks."""
    assert calibration.ROWS_A_COLUMN > 10**6, "let the test take all rows"
    torch.manual_seed(seed)
    model = Fork(kinds).double().eval()
    x = torch.randn(images, 2, SIDE, SIDE, dtype=torch.float64)
    seen = Calibration(model, Labelled(x, torch.zeros(images, dtype=torch.int64), 4))
    return model, Scoring(state=model.state_dict(), model=model, groups=(model.group(parts),), calibration=seen)


def rows_of(model: Fork, scoring: Scoring) -> Mapping[str, list[tuple[Tensor, Tensor, list[int]]]]:
    """By kind of layer, for each of its convolution groups: what it is given, ``(rows, columns)``; its weight,
    ``(outputs, columns)``, in units of the current; and the channel of every column."""
    inputs: dict[str, list[Tensor]] = {kind: [] for kind in model.readers}
    handles = [
        layer.register_forward_pre_hook(lambda _module, x, kind=kind: inputs[kind].append(x[0]))
        for kind, layer in model.readers.items()
    ]
    for block in range(len(scoring.activations.images)):
        with torch.no_grad():
            model(scoring.activations.images.block(block)[0])
    for handle in handles:
        handle.remove()
    found = {}
    for kind, seen in inputs.items():
        x, weight = torch.cat(seen), model.readers[kind].get_parameter("weight").detach()
        patches = x.transpose(1, 2) if kind == "linear" else unfold(x, 3, padding=1).transpose(1, 2)
        kernel, groups = weight[0, 0].numel(), 2 if kind == "grouped" else 1
        rows = patches.flatten(0, 1).chunk(groups, 1)
        weights = (weight.flatten(1) * model.factor(kind)[:, None]).chunk(groups)
        channels = [[c for c in part for _ in range(kernel)] for part in torch.arange(SIZE).view(groups, -1).tolist()]
        found[kind] = [*zip(rows, weights, channels, strict=True)]
    return found
