"""int8 weights and integer thresholds for FPGA flows: a safetensors file, and an index of what is computed, as JSON."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path

import numpy as np
from pydantic import Field, ValidationError
from safetensors.numpy import load_file

from primesvt_core.checkpoints import write_safetensors
from primesvt_core.errors import ExportError
from primesvt_core.exporters._base import Check, Export, Exporter, ExportOptions
from primesvt_core.integers.agreement import Agreement, compare
from primesvt_core.integers.format import Index
from primesvt_core.integers.networks import network, quantised
from primesvt_core.workspace.atomic import write_atomically

INDEX = ".json"

MOST_PIXELS = 1 << 14
"""Of all images on which it is checked: integers are multiplied slowly here."""

MOST_DIFFERENT = 1e-3
"""Share of a layer's spikes that may differ where it is given what the float model gives it: currents that are as large
as the threshold, but for rounding."""


class Options(ExportOptions):
    """What can be chosen."""

    bias_bits: int = Field(
        default=8, ge=0, le=16,
        description="Bits of biases and thresholds behind a unit of the accumulator, beside those that the leak needs.",
    )  # fmt: skip


class IntegerCheck(Check):
    """An integer network beside the float model with the same weights, int8, and the same images in fixed point.

    Attributes:
        images: how many were compared.
        source: ``data`` or ``drawn``.
        data: what they are called.
        spikes: neurons times time steps times images.
        different_alone: share of these that differ where every layer is given what the float model gives it.
        different_together: share that differs where every layer is given what the integer network computed.
        worst_layer: that differs most of those that are given the same.
        worst_share: of its spikes that differ.
        otherwise: images that are classified otherwise.
        accuracy: of the integer network, where the images have labels.
        model_accuracy: of the float model with int8 weights on the same images.
        accumulator_bits: of the widest accumulator.
        membrane_bits: of the widest membrane.
    """

    images: int
    source: str
    data: str
    spikes: int
    different_alone: float
    different_together: float
    worst_layer: str
    worst_share: float
    otherwise: int
    accuracy: float | None
    model_accuracy: float | None
    accumulator_bits: int
    membrane_bits: int


def write(export: Export, out: Path) -> None:
    """Write the tensors to ``out``, and the index beside them.

    Raises:
        ExportError: naming the first thing that the format does not hold.
    """
    model, options = export.model, export.options
    if not isinstance(options, Options):
        raise TypeError(f"{type(options).__name__} are not the options of this exporter")
    found = network(
        model.family, model.config, model.build(), model.stored(), key=model.inspection.family_key,
        preprocessing=model.preprocessing, has_frames=export.images.has_frames, bias_bits=options.bias_bits,
    )  # fmt: skip
    write_safetensors(out, found.tensors, {"format": "primesvt-integer"})
    text = json.dumps(found.index.model_dump(mode="json"), indent=1)
    write_atomically(out.with_suffix(INDEX), f"{text}\n".encode())


def read(out: Path) -> tuple[Index, dict[str, np.ndarray]]:
    """The index and the tensors.

    Raises:
        ExportError: if the index is none.
    """
    try:
        index = Index.model_validate_json(out.with_suffix(INDEX).read_bytes())
    except ValidationError as error:
        raise ExportError(f"{out.with_suffix(INDEX).name} is no index of an integer network: {error}") from None
    return index, load_file(out)


def verify(export: Export, out: Path) -> IntegerCheck:
    """Compute with integers alone, and compare spikes.

    Raises:
        ExportError: if a layer's spikes differ by more than rounding explains.
    """
    index, tensors = read(out)
    model = quantised(export.model.build(), index, export.model.stored())
    agreement = Agreement()
    for images, labels in export.images.batches():
        count = max(1, MOST_PIXELS // prod(index.image.shape)) - agreement.images
        if count <= 0:
            break
        for at in range(min(count, len(images))):  # one by one: all values of a batch would fill the memory
            one = slice(at, at + 1)
            _check_range(index, images[one])
            compare(agreement, index, tensors, model, images[one], None if labels is None else labels[one])
    name, share = agreement.worst()
    if share > MOST_DIFFERENT:
        raise ExportError(
            f"{share:.2%} of the spikes of {name} are others than the float model's, which gets the same input: more"
            " than rounding explains; try more bias_bits"
        )
    return _found(export, index, agreement)


def _check_range(index: Index, images: np.ndarray) -> None:
    """Refuse images for which the widths that the index gives do not hold."""
    low, high = (end * 2.0**-index.image.fraction_bits for end in index.image.range)
    unit = 2.0**-index.image.fraction_bits
    if images.min() < low - unit or images.max() > high + unit:
        raise ExportError(
            f"an image has numbers from {images.min():.3g} to {images.max():.3g} after preprocessing, but the network"
            f" is written for {low:.3g} to {high:.3g}"
        )


def _found(export: Export, index: Index, agreement: Agreement) -> IntegerCheck:
    name, share = agreement.worst()
    neurons = [operation.neuron for operation in index.operations if hasattr(operation, "neuron")]
    accumulators = [each.accumulator_bits for each in index.operations if each.op == "layer"]
    labels = agreement.labels
    return IntegerCheck(
        compared="integers alone, in numpy, with the float model of the same int8 weights and fixed-point images",
        images=agreement.images,
        source=export.images.source,
        data=export.images.name,
        spikes=sum(agreement.spikes.values()),
        different_alone=agreement.share(agreement.alone),
        different_together=agreement.share(agreement.together),
        worst_layer=name,
        worst_share=share,
        otherwise=agreement.otherwise,
        accuracy=agreement.right / labels if labels else None,
        model_accuracy=agreement.float_right / labels if labels else None,
        accumulator_bits=max(accumulators),
        membrane_bits=max(neuron.membrane_bits for neuron in neurons),
        notes=(
            "spikes differ where a current is as large as the threshold but for rounding: of biases and thresholds to"
            f" 2^-{index_bias_bits(index)} of a unit here, of float32 there; layers behind see other input",
        ),
    )


def index_bias_bits(index: Index) -> int:
    """Bits of biases behind a unit that are not the leak's."""
    layer = next(each for each in index.operations if each.op == "layer")
    return layer.neuron.fraction_bits - (layer.neuron.leak_shift or 0) * index.time_steps


EXPORTER = Exporter(write=write, verify=verify, suffixes=(".safetensors",), companions=(INDEX,), options=Options)
