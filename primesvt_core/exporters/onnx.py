"""ONNX, for onnxruntime and whatever else reads it.

Traced by torch's exporter of today (dynamo). The batch is dynamic, T is unrolled, and every call starts from resting
neurons. Input ``images`` ``(batch, C, H, W)`` or ``(batch, T, C, H, W)``, output ``logits`` ``(batch, classes)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from primesvt_client.version import __version__
from primesvt_core.checkpoints.precisions import PRECISIONS, Encoded
from primesvt_core.data import Preprocessing
from primesvt_core.errors import ExportError
from primesvt_core.exporters._base import Array, Check, Export, Exporter, ExportOptions, Images, Original
from primesvt_core.exporters._comparing import LogitsCheck, Run, compare_logits
from primesvt_core.exporters._onnx_graph import (
    as_bytes,
    dequantize,
    describe,
    encoded,
    preprocessed,
    trace,
    traceable,
)
from primesvt_core.exporters._onnx_session import by_reference, running, session
from primesvt_core.exporters._onnx_timing import Timing, thread_counts, time_models
from primesvt_core.exporters._public import describe as provenance_of
from primesvt_core.intake.loading import build
from primesvt_core.intake.provenance import metadata
from primesvt_core.layers.model import SpikingModel
from primesvt_core.workspace.atomic import write_atomically

LARGEST_BYTES = (2 << 30) - (1 << 20)
"""Of one file: what protobuf serialises."""


class OnnxCheck(LogitsCheck):
    """Logits in onnxruntime, and how long they take.

    Attributes:
        timings: of the file, and in turn with it of the original, where they were asked for.
    """

    timings: tuple[Timing, ...] = ()


class Options(ExportOptions):
    """What can be chosen."""

    weights: Literal["stored", "float32", "int8"] = Field(
        default="stored",
        description="int8: weights of layers in a byte each, with a scale for every output channel. stored: as the"
        " model's file has them, int8 if it has int8.",
    )
    preprocessing: bool = Field(
        default=False,
        description="Let the graph scale and normalise pixels: images are then uint8, at the model's size.",
    )
    timings: bool = Field(
        default=False,
        description="Measure latency and peak memory in onnxruntime with one thread and with all; with --original in"
        " turn with the original, which is exported in the same way.",
    )


def write(export: Export, out: Path) -> None:
    """Write the graph with its weights, and what it is as metadata."""
    model = export.model
    if export.images.has_frames and _options(export).preprocessing:
        raise ExportError("frames of events are not preprocessed; leave out the option preprocessing")
    if model.network.depends_on_batch:
        raise ExportError(
            f"{model.name} has compat_batch_leak: an image's logits depend on the images before it in its batch,"
            " by a slip of the public code's that no device repeats; say --assume compat_batch_leak=false to have it"
            " without, which computes every image as if it were alone"
        )
    weights = _int8(export)
    graph = trace(*_traced(export, _network(export, weights), torch.float32), keep_weights=weights is not None)
    if weights is not None:
        dequantize(graph, weights)
    describe(graph, _metadata(export))
    if graph.ByteSize() > LARGEST_BYTES:
        raise ExportError(f"{model.name} has {graph.ByteSize():,} bytes, more than one ONNX file holds")
    write_atomically(out, graph.SerializeToString(deterministic=True))


def verify(export: Export, out: Path) -> Check:
    """Logits in onnxruntime are the model's; of weights that were rounded to int8, those of the rounded model."""
    weights, opened = _int8(export), session(out)
    is_rounded = weights is not None and export.model.inspection.checkpoint.weights != "int8"
    handed = export
    if _options(export).preprocessing:
        handed = replace(export, images=ByteImages(images=export.images, preprocessing=export.model.preprocessing))
    check = compare_logits(
        handed,
        _fed(export, running(opened)),
        compared=f"the file in onnxruntime with the model{', its weights rounded to int8' * is_rounded}",
        model=_network(export, weights),
        exactly=lambda: _fed(export, _in_double_precision(export, weights)),
    )
    timings = _timings(export, out) if _options(export).timings else ()
    return OnnxCheck(**check.model_dump(), timings=timings)


@dataclass(frozen=True, kw_only=True)
class ByteImages:
    """Images as they are when pixels are bytes: those of others are rounded.

    Attributes:
        images: preprocessed.
        preprocessing: of them.
    """

    images: Images
    preprocessing: Preprocessing
    has_frames = False

    @property
    def source(self) -> str:
        return self.images.source

    @property
    def name(self) -> str:
        return self.images.name

    @property
    def classes(self) -> tuple[str, ...]:
        return self.images.classes

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> Array:
        return self._rounded(self.images.first(count))

    def batches(self) -> Iterator[tuple[Array, NDArray[np.int64] | None]]:
        for x, labels in self.images.batches():
            yield self._rounded(x), labels

    def _rounded(self, x: Array) -> Array:
        return preprocessed(as_bytes(x, self.preprocessing), self.preprocessing)


def _timings(export: Export, out: Path) -> tuple[Timing, ...]:
    """Of the file, and of the original's."""
    image = export.images.first(1)
    if _options(export).preprocessing:
        image = as_bytes(image, export.model.preprocessing)
    with TemporaryDirectory() as folder:
        models = {"exported": out}
        if export.original is not None:
            models = {"original": Path(folder) / "original.onnx", **models}
            write(replace(export, model=export.original, original=None), models["original"])
        return time_models(models, image, thread_counts())


def _options(export: Export) -> Options:
    assert isinstance(export.options, Options)  # noqa: S101  # as the record says
    return export.options


def _int8(export: Export) -> dict[str, Encoded] | None:
    """Weights as int8, where they are to be; None where they are not."""
    wanted, stored = _options(export).weights, export.model.stored()
    has_int8 = export.model.inspection.checkpoint.weights == "int8"
    if wanted == "int8" or (wanted == "stored" and has_int8):
        return encoded(export.model.state, stored)
    return None


def _network(export: Export, weights: Mapping[str, Encoded] | None) -> SpikingModel:
    """The model with its weights as the file has them."""
    if weights is None:
        return export.model.build()
    decode = PRECISIONS["int8"].decode
    rounded = {name: torch.from_numpy(decode(weight)) for name, weight in weights.items()}
    return build(export.model.family, export.model.config, {**export.model.state, **rounded})


def _traced(export: Export, network: SpikingModel, dtype: torch.dtype) -> tuple[torch.nn.Module, torch.Tensor]:
    """What is traced, and two images to trace it on."""
    example = export.images.first(2)
    example = np.concatenate([example, example])[:2]
    inside = export.model.preprocessing if _options(export).preprocessing else None
    x = torch.from_numpy(example).to(dtype) if inside is None else torch.from_numpy(as_bytes(example, inside))
    return traceable(network, inside, export.model.config.in_channels).to(dtype), x


def _fed(export: Export, run: Run) -> Run:
    """What takes preprocessed images, of what takes what the file does."""
    if not _options(export).preprocessing:
        return run
    return lambda x: run(as_bytes(x, export.model.preprocessing))


def _in_double_precision(export: Export, weights: Mapping[str, Encoded] | None) -> Run:
    return by_reference(trace(*_traced(export, _network(export, weights), torch.float64), keep_weights=False))


def _metadata(export: Export) -> dict[str, object]:
    """What a reader must know: preprocessing, classes, where the model comes from."""
    model = export.model
    inside = _options(export).preprocessing
    done = ("scaled", "mean", "std") if inside else ()
    return {
        **metadata(provenance_of(model).model_copy(update={"plan": {}})),  # which channels were kept is long
        "is_pruned": model.provenance is not None and bool(model.provenance.plan),
        "primesvt_version": __version__,
        "family": model.family.title,
        "source_sha256": model.inspection.checkpoint.sha256,
        "input": "frames" if export.images.has_frames else "bytes" if inside else "images",
        "preprocessing": {
            name: value
            for name, value in model.preprocessing.model_dump(mode="json").items()
            if value is not None and name not in done
        },
        "num_classes": model.config.num_classes,
        "classes": list(export.classes),
        "time_steps": model.config.time_steps,
    }


EXPORTER = Exporter(
    write=write,
    verify=verify,
    suffixes=(".onnx",),
    original=Original.OPTIONAL,
    options=Options,
    packages={"onnx": ("onnx", "onnxscript", "onnxruntime")},
)
