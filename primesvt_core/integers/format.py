"""The index of an integer network: what is computed from what, and which tensors of the file beside it are used.

Values are integers throughout. A layer's channel ``c`` counts in units of ``scale[c]``: its accumulator is the sum of
``weight * input``, its current ``I = (accumulator << fraction_bits) + bias``, and a neuron does, from ``V = 0``, at
every time step::

    H = V + ((I - V) >> leak_shift)     where the input decays; V - (V >> leak_shift) + I otherwise; V + I without leak
    S = H >= threshold
    V = 0 where S, else H

``fraction_bits`` are so many that no shift loses a bit.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT: Literal["primesvt-integer"] = "primesvt-integer"
VERSION: Literal[1] = 1

Value = Annotated[str, Field(description="Name of a value, which one operation gives and later ones take.")]
Tensor = Annotated[str, Field(description="Name of a tensor in the safetensors file.")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pool(_Frozen):
    """Maxima over squares of positions; what lies outside never counts."""

    kernel: int
    stride: int
    padding: int


class Neuron(_Frozen):
    """What makes spikes of currents."""

    threshold: Tensor
    fraction_bits: Annotated[int, Field(description="Bits of I, V, H and threshold behind a unit.")]
    leak_shift: Annotated[int | None, Field(description="tau = 2 ** leak_shift; null for a neuron without leak.")]
    decay_input: bool
    membrane_bits: Annotated[int, Field(description="Bits, with sign, that hold every I, V and H.")]


class Layer(_Frozen):
    """Synapses, with BatchNorm folded in, maybe a pooling of currents, and neurons."""

    op: Literal["layer"] = "layer"
    name: Annotated[str, Field(description="Of the layer in the model: block.0.attn.q_conv.")]
    input: Value
    input_kind: Literal["image", "spikes", "integers"]
    input_range: Annotated[tuple[int, int], Field(description="Smallest and largest input.")]
    kind: Literal["convolution", "pointwise"]
    weight: Annotated[Tensor, Field(description="int8, (C_out, C_in / groups, k, k), or (C_out, C_in) if pointwise.")]
    bias: Annotated[Tensor, Field(description="int64, (C_out,), in units of 2 ** -fraction_bits.")]
    scale: Annotated[Tensor, Field(description="float32, (C_out,): what a unit is in the float model; for people.")]
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    accumulator_bits: Annotated[int, Field(description="Bits, with sign, that hold every accumulator.")]
    pool: Pool | None = None
    neuron: Neuron
    output: Value


class Attention(_Frozen):
    """``q (k^T v)`` for every head, heads being equal runs of channels; then neurons, all of one threshold."""

    op: Literal["attention"] = "attention"
    q: Value
    k: Value
    v: Value
    heads: int
    scale: Annotated[float, Field(description="What a unit is in the float model; for people.")]
    neuron: Neuron
    output: Value


class Totals(_Frozen):
    """Spikes summed over the channels of each head, or, without heads, over positions; then neurons."""

    op: Literal["totals"] = "totals"
    input: Value
    heads: int | None
    neuron: Neuron
    output: Value


class Mask(_Frozen):
    """Channels, by head, where the mask of `Totals` spikes; without heads the channels that it lets pass."""

    op: Literal["mask"] = "mask"
    mask: Value
    input: Value
    heads: int | None
    output: Value


class Add(_Frozen):
    """The sum of spikes and integers."""

    op: Literal["add"] = "add"
    inputs: tuple[Value, ...]
    output: Value


class Pooled(_Frozen):
    """Maxima of spikes or integers."""

    op: Literal["pool"] = "pool"
    input: Value
    pool: Pool
    output: Value


class Split(_Frozen):
    """A run of channels."""

    op: Literal["split"] = "split"
    input: Value
    start: int
    width: int
    output: Value


class Reshaped(_Frozen):
    """Positions in one dimension, or, with ``like``, in the height and width of that value."""

    op: Literal["reshape"] = "reshape"
    input: Value
    like: Value | None
    output: Value


class Classifier(_Frozen):
    """``multiplier * (weight @ sum of the input over positions and time steps) + bias``: the largest is the class."""

    op: Literal["classifier"] = "classifier"
    name: str
    input: Value
    weight: Annotated[Tensor, Field(description="int8, (classes, C).")]
    multiplier: Annotated[Tensor, Field(description="int64, (classes,), which brings classes to one scale.")]
    bias: Annotated[Tensor, Field(description="int64, (classes,).")]
    scale: Annotated[float, Field(description="What a unit of the logits is in the float model; for people.")]
    output: Value


Operation = Annotated[
    Layer | Attention | Totals | Mask | Add | Pooled | Split | Reshaped | Classifier, Field(discriminator="op")
]


class Image(_Frozen):
    """What the network takes: preprocessed images as fixed-point numbers ``round(x * 2 ** fraction_bits)``."""

    shape: Annotated[tuple[int, int, int], Field(description="Channels, height, width.")]
    fraction_bits: int
    range: Annotated[tuple[int, int], Field(description="Smallest and largest number for which the widths hold.")]
    preprocessing: Annotated[dict[str, Any], Field(description="From pixels to x.")]


class Index(_Frozen):
    """An integer network."""

    format: Literal["primesvt-integer"] = FORMAT
    version: Literal[1] = VERSION
    family: str
    variant: str
    time_steps: Annotated[int, Field(description="An image is shown so often; frames are so many.")]
    classes: int
    image: Image
    operations: Annotated[tuple[Operation, ...], Field(description="In the order in which they are computed.")]


def json_schema() -> str:
    """The published JSON Schema of an index."""
    return json.dumps(Index.model_json_schema(mode="serialization"), indent=2, sort_keys=True) + "\n"
