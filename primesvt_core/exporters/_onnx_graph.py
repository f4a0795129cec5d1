"""From a model to an ONNX graph: traced by torch's exporter, its weights perhaps as int8, described."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded, is_weight
from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.exporters._base import Array
from primesvt_core.exporters._onnx_neurons import translations
from primesvt_core.exporters._unrolled import unroll
from primesvt_core.layers.model import SpikingModel

INPUT, OUTPUT = "images", "logits"
OPSET = 20
IR_VERSION = 10
"""What onnxruntime of 2024 and later reads."""

SCALE, ZERO_AXIS = ".scale", 0
VALUES = ".int8"
"""What the names of a stored weight's scales and values have behind the weight's."""


class Normalised(nn.Module):
    """A model of bytes: pixels 0 ... 255 as they are decoded, at the model's size.

    Args:
        model: of normalised pixels.
        preprocessing: whose mean and deviation; resizing and cropping are not done.
        channels: of the images.
    """

    def __init__(self, model: nn.Module, preprocessing: Preprocessing, channels: int) -> None:
        super().__init__()
        self.model = model
        for name, values, usual in (("mean", preprocessing.mean, 0.0), ("std", preprocessing.std, 1.0)):
            spread = np.broadcast_to(np.asarray(values or (usual,), np.float32), (channels,))
            self.register_buffer(name, torch.from_numpy(spread.copy()).reshape(-1, 1, 1))
        self.mean: Tensor
        self.std: Tensor

    def forward(self, images: Tensor) -> Tensor:
        """``(B, C, H, W)`` uint8 to logits."""
        x = images.to(self.mean.dtype) / 255.0
        logits: Tensor = self.model((x - self.mean) / self.std)
        return logits


def traceable(model: SpikingModel, preprocessing: Preprocessing | None, channels: int) -> nn.Module:
    """A module without a state whose forward pass is the model's; the model is changed.

    Args:
        model: to trace.
        preprocessing: to be part of it; None where images come preprocessed.
        channels: of the images.
    """
    unrolled = unroll(model).eval()
    return unrolled if preprocessing is None else Normalised(unrolled, preprocessing, channels).eval()


def trace(module: nn.Module, example: Tensor, *, keep_weights: bool) -> Any:
    """An ``onnx.ModelProto`` with a dynamic batch.

    Args:
        module: `traceable`.
        example: two images or frames, as it takes them.
        keep_weights: whether every weight stays an initializer under its own name, as it is.

    Raises:
        ExportError: if torch's exporter cannot trace it.
    """
    batch = torch.export.Dim("batch", min=1)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                module, (example,), dynamo=True, opset_version=OPSET, input_names=[INPUT], output_names=[OUTPUT],
                dynamic_shapes=({0: batch},), optimize=not keep_weights, verbose=False,
                custom_translation_table=translations(),
            )  # fmt: skip
    except Exception as error:  # whatever torch's exporter raises, of which it has many kinds
        raise ExportError(f"torch's exporter cannot trace the model: {str(error).splitlines()[0]}") from error
    assert program is not None  # noqa: S101  # dynamo gives a program
    return _plain(program.model_proto)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on its own workings, as that torchvision's operators are not registered."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _plain(model: Any) -> Any:
    """Without stack traces, which take more room than a small model's weights, and name folders of this machine."""
    model.ir_version = IR_VERSION
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for values in (model.graph.value_info, model.graph.input, model.graph.output, model.graph.initializer):
        for value in values:
            del value.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.functions[:]
    return model


def encoded(state: Mapping[str, Tensor], stored: Mapping[str, Encoded]) -> dict[str, Encoded]:
    """Every weight as int8 with a scale for every output channel: as it is stored, or else rounded to it.

    Args:
        state: of the model.
        stored: what the file holds of weights that are stored in fewer bits.
    """
    int8 = PRECISIONS["int8"]
    return {
        name: one if (one := stored.get(name)) is not None and one.scales is not None else int8.encode(_float32(tensor))
        for name, tensor in state.items()
        if is_weight(name, tuple(tensor.shape))
    }


def _float32(tensor: Tensor) -> Any:
    return tensor.detach().float().numpy()


def dequantize(model: Any, weights: Mapping[str, Encoded]) -> None:
    """Store weights as int8, from which the graph computes them: ``DequantizeLinear``, a scale for every row.

    Args:
        model: an ``onnx.ModelProto`` whose initializers have the weights' names, behind a prefix perhaps.
        weights: by name.
    """
    from onnx import helper, numpy_helper

    nodes, kept = [], []
    for initializer in model.graph.initializer:
        name = initializer.name.removeprefix("model.")
        weight = weights.get(name)
        if weight is None or weight.scales is None:
            kept.append(initializer)
            continue
        kept.append(numpy_helper.from_array(weight.values, initializer.name + VALUES))
        kept.append(numpy_helper.from_array(weight.scales, initializer.name + SCALE))
        inputs = [initializer.name + VALUES, initializer.name + SCALE]
        nodes.append(helper.make_node("DequantizeLinear", inputs, [initializer.name], axis=ZERO_AXIS))
    others = [*model.graph.node]
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend([*nodes, *others])


def describe(model: Any, entries: Mapping[str, object]) -> None:
    """Say what the model is: texts as they are, everything else as JSON."""
    del model.metadata_props[:]
    for key, value in entries.items():
        model.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))


def as_bytes(x: Array, preprocessing: Preprocessing) -> Array:
    """Pixels ``(B, C, H, W)`` 0 ... 255 that preprocessing makes, or nearly makes, ``x`` of."""
    mean, std = (_by_channel(values, usual) for values, usual in ((preprocessing.mean, 0.0), (preprocessing.std, 1.0)))
    found: Array = np.rint((x * std + mean) * 255.0).clip(0, 255).astype(np.uint8)
    return found


def preprocessed(pixels: Array, preprocessing: Preprocessing) -> Array:
    """``(B, C, H, W)`` bytes as the model takes them, by the same operations as `Preprocessing.apply`."""
    mean, std = (_by_channel(values, usual) for values, usual in ((preprocessing.mean, 0.0), (preprocessing.std, 1.0)))
    found: Array = (pixels.astype(np.float32) / np.float32(255.0) - mean) / std
    return found


def _by_channel(values: tuple[float, ...] | None, usual: float) -> Array:
    return np.asarray(values or (usual,), np.float32).reshape(1, -1, 1, 1)
