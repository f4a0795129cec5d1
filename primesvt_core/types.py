"""The nouns of the method, as frozen values without torch.

Accuracies, drops, savings and rates are fractions in [0, 1]; sizes are bytes; times are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from primesvt_client.states import Step as Step
from primesvt_client.states import Verdict as Verdict

FLOAT_SLACK = 1e-12
"""Accuracies are ratios of counts: a drop of exactly the allowance may come out a little above it."""

Rates = Mapping[str, float]
"""Rate of every channel group that is to be pruned; a group that is absent keeps all its channels.

Without any it is the original as it is. A candidate whose groups all have the rate 0 loses no channel either, but is
what candidates are otherwise: of the precision and for the time steps that the spec asks for.
"""


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """Shape and element size of one tensor of a state dict."""

    shape: tuple[int, ...]
    dtype: str
    """torch's name without the prefix: ``float32``, ``int64`` ..."""
    itemsize: int

    @property
    def bytes(self) -> int:
        """Bytes of the dense tensor."""
        size = self.itemsize
        for extent in self.shape:
            size *= extent
        return size


Shapes = Mapping[str, TensorSpec]
"""A state dict without its values."""


@dataclass(frozen=True, kw_only=True)
class TensorSlice:
    """Where the channels of a group lie in one dimension of one tensor.

    The group's ``size`` channels form ``parts`` equal runs (heads, convolution groups) of ``size / parts`` channels.
    Channel ``c`` of run ``p`` lies at ``offset + p * stride + c``; ``stride`` is the length of a run unless given.
    With ``shared`` the dimension has one run only, and every part uses its own subset of it: the input channels of a
    grouped convolution, whose filters of part ``p`` (rows, sliced by the same group) read only that part.
    """

    tensor: str
    dim: int
    stride: int | None = None
    offset: int = 0
    shared: bool = False


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels that must be removed together, with every tensor slice that goes with them (design: pruning is slicing).

    Attributes:
        name: the layer that produces the channels (``block.0.mlp.fc1``, ``block.0.attn.qk``, ``embedding``).
        size: number of channels.
        width: path of the config field that holds ``size`` (``blocks.0.mlp_dim``).
        slices: every tensor dimension that shrinks.
        producers: weights whose filters (rows along dim 0) are scored.
        silencers: BatchNorms whose weight and bias, zeroed, silence the channels: the last ones before the neuron or
            the residual add.
        consumers: weights that read the channels.
        parts: number of equal parts (heads) the removal must be even over.
        min_size: smallest size, a multiple of ``parts``.
        scope: ``local`` to one block, or ``global`` (a residual stream).
        multiple: sizes that pruning may leave are multiples of it, for the hardware; the size itself need not be one.
    """

    name: str
    size: int
    width: str
    slices: tuple[TensorSlice, ...]
    producers: tuple[str, ...]
    silencers: tuple[str, ...]
    consumers: tuple[str, ...]
    parts: int = 1
    min_size: int = 1
    scope: Literal["local", "global"] = "local"
    multiple: int = 1


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A weight-carrying module with its BatchNorm: what the paper sorts."""

    name: str
    tensors: tuple[str, ...]
    """Names in the state dict, the weight first."""
    group: str | None
    """The channel group that produces this layer's output channels; None if they are never pruned."""
    rows: int | None = None
    """How many of the tensors' output channels are this layer's, where several layers are fused in one tensor."""


@dataclass(frozen=True, kw_only=True)
class LayerSize:
    """A layer, measured."""

    name: str
    group: str | None
    shape: tuple[int, ...]
    parameters: int
    parameter_bytes: int


@dataclass(frozen=True, kw_only=True)
class GroupSize:
    """A group, measured: what it would save at the most, by which the policy orders the groups."""

    name: str
    size: int
    min_size: int
    parts: int
    parameters: int
    """Parameters of all the layers that produce the group's channels."""
    parameter_bytes: int


@dataclass(frozen=True, kw_only=True)
class Product:
    """Multiply-accumulates whose operands are both values, as in attention: no weight's shape tells how many.

    Attributes:
        times: multiply-accumulates of one image over all time steps for every channel of ``groups``; of two groups, for
            every pair of their channels.
        groups: names of channel groups; none where the number never changes.
        heads: by which the channels of the first group are divided: a pair counts within a head alone.
    """

    times: int
    groups: tuple[str, ...]
    heads: int = 1


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """Where a model computes, whatever its widths.

    Attributes:
        positions: by the name of a layer's weight in the state dict, how often it is applied for one image: positions
            of its output over all time steps. Weights that are never multiplied so (of a BatchNorm) are absent.
        products: what is multiplied beside that.
    """

    positions: Mapping[str, int]
    products: tuple[Product, ...] = ()


@dataclass(frozen=True)
class Plan:
    """For every pruned group, the channels kept, ascending."""

    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one candidate is worth on the search split.

    Attributes:
        is_bound: whether the accuracy is the highest that is possible, not all images being counted.
    """

    accuracy: float
    parameter_bytes: int
    memory_saving: float
    spikes_per_image: float | None = None
    is_bound: bool = False


@dataclass(frozen=True, kw_only=True)
class ProfileCell:
    """One point of a robustness curve: ``group`` alone pruned at ``rate``.

    Attributes:
        kept: channels left.
        samples: images that were counted.
        is_bound: whether that was enough to decide, before all images were counted: then the accuracy is at most, and
            the drop at least, what stands here.
    """

    group: str
    rate: float
    kept: int
    accuracy: float
    accuracy_drop: float
    memory_saving: float
    samples: int
    is_bound: bool
    divergence: float | None = None
    """Mean KL of the original's predictions against the candidate's, in nats; None where it was not measured."""


@dataclass(frozen=True, kw_only=True)
class CurvePoint:
    """One accepted step of the search: a point of the accuracy-memory curve."""

    rates: Rates
    accuracy: float
    accuracy_drop: float
    parameter_bytes: int
    memory_saving: float
    group: str | None = None
    """The group whose rate this step changed; None for the unpruned model, and where several changed."""
    divergence: float | None = None
    """Of the original's predictions from the candidate's on the search split, mean KL in nats; None where not known."""

    @property
    def outcome(self) -> Outcome:
        """What it is worth on the search split."""
        return Outcome(
            accuracy=self.accuracy, parameter_bytes=self.parameter_bytes, memory_saving=self.memory_saving
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Assumption:
    """A config field that weights do not determine, with where its value came from."""

    field: str
    value: int | float | str | bool
    source: Literal["caller", "checkpoint", "tensors", "default"]
