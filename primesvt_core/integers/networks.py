"""A model as an integer network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded
from primesvt_core.codegen.shapes import shapes
from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.families._base import Family, FamilyConfig
from primesvt_core.integers import format as fmt
from primesvt_core.integers.folding import encoded
from primesvt_core.integers.lowering import Lowering, Settings
from primesvt_core.layers.model import SpikingModel

IMAGE_BITS = 12
"""Of an image's numbers behind the point."""

BYTES = (0.0, 1.0)
"""Between which an image's pixels lie before they are normalised."""

MOST_EVENTS = 255
"""Of a pixel of one frame."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """An integer network.

    Attributes:
        index: what is computed from what.
        tensors: of the file.
    """

    index: fmt.Index
    tensors: Mapping[str, NDArray[Any]]


def network(
    family: Family[FamilyConfig],
    config: FamilyConfig,
    model: SpikingModel,
    stored: Mapping[str, Encoded],
    *,
    key: str,
    preprocessing: Preprocessing,
    has_frames: bool,
    bias_bits: int,
) -> Network:
    """Fold BatchNorms into weights, and write everything as integers.

    Args:
        family: of the model.
        config: of the model.
        model: to write.
        stored: weights that its file has in a lower precision; int8 ones are taken over, sign by sign.
        key: of the family.
        preprocessing: of its images.
        has_frames: whether it takes counts of events.
        bias_bits: bits of biases and thresholds behind a unit, beside those that the leak needs.

    Raises:
        ExportError: naming the first thing that the format does not hold.
    """
    if model.depends_on_batch:
        raise ExportError(
            "integer: with compat_batch_leak an image's logits depend on the others of its batch; export it with"
            " --assume compat_batch_leak=false"
        )
    if type(model).encode is not SpikingModel.encode:
        raise ExportError(f"integer: a {family.title} brings images into time in a way of its own")
    image = fmt.Image(
        shape=(config.in_channels, config.image_size, config.image_size),
        fraction_bits=IMAGE_BITS,
        range=_range(preprocessing, has_frames=has_frames),
        preprocessing=preprocessing.model_dump(),
    )
    settings = Settings(image_bits=IMAGE_BITS, image_range=image.range, bias_bits=bias_bits)
    lowering = Lowering(model, config.time_steps, shapes(family, config), stored, settings)
    lowering.run()
    index = fmt.Index(
        family=key, variant=str(config.variant), time_steps=config.time_steps, classes=config.num_classes,
        image=image, operations=tuple(lowering.operations),
    )  # fmt: skip
    return Network(index=index, tensors=lowering.tensors)


def _range(preprocessing: Preprocessing, *, has_frames: bool) -> tuple[int, int]:
    """Smallest and largest number of an image, in fixed point."""
    if has_frames:
        return 0, MOST_EVENTS << IMAGE_BITS
    mean, std = preprocessing.mean or (0.0,), preprocessing.std or (1.0,)
    ends = [(pixel - m) / s for pixel in BYTES for m, s in zip(mean, std * (len(mean) // len(std)), strict=False)]
    ends += [0.0]  # what lies outside of an image
    return int(np.floor(min(ends) * 2**IMAGE_BITS)), int(np.ceil(max(ends) * 2**IMAGE_BITS))


def quantised(model: SpikingModel, index: fmt.Index, stored: Mapping[str, Encoded]) -> SpikingModel:
    """The float model with the weights that the integers stand for; ``model`` itself is changed."""
    with torch.no_grad():
        for operation in index.operations:
            if isinstance(operation, fmt.Layer | fmt.Classifier):
                layer: nn.Module = model.get_submodule(operation.name)
                weight = PRECISIONS["int8"].decode(encoded(operation.name, layer, stored))
                layer.get_parameter("weight").copy_(torch.from_numpy(weight))
    return model
