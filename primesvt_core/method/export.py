"""The pruned model on disk: written, loaded back as a user would, and measured beside the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest
from pathlib import Path
from typing import Any, cast

import torch
from pydantic import JsonValue
from safetensors.torch import save_file
from torch import Tensor

from primesvt_core.costs.inference import InferenceBytes
from primesvt_core.costs.operations import Operations
from primesvt_core.evaluation.activity import Activity, measure
from primesvt_core.evaluation.latency import latencies
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.lifetimes import inference_bytes
from primesvt_core.intake.loading import build, load_state
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.operating import operations_of
from primesvt_core.method.predicted import Predicted, predicted
from primesvt_core.method.result import RunResult
from primesvt_core.method.storing import Pruned, stored_bytes
from primesvt_core.pruning.groups import composed, memory_bytes, parameter_count
from primesvt_core.spec import CompressionSpec
from primesvt_core.types import Plan, Rates, Shapes
from primesvt_core.workspace.atomic import tensor_file

MODEL_NAME = "model.safetensors"

SPIKES_OF = 256
"""Calibration images, at the most, over which spikes are counted: module by module, which takes long."""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One model, measured on the confirmation split.

    Attributes:
        accuracy: fraction of the images that it gets right, ``correct`` of ``samples``; None without labels.
        parameters: trained ones that the forward pass uses.
        parameter_bytes: of parameters and BatchNorm buffers that the forward pass uses.
        macs: multiply-accumulates of one image over all time steps.
        inference_memory_bytes: peak memory of computing one image, parameters included, by schedule.
        synaptic_operations: accumulates that spikes cause, for one image; the mean over some search images.
        multiply_accumulates: of layers whose input is no spikes, zeros counted; likewise.
        attention_operations: products of values with each other, zeros counted; likewise.
        energy_joules: of these operations, for one image.
        file_bytes: of its safetensors file.
        peak_activation_bytes: largest input plus output of one layer, for one image.
        spikes_per_image: summed over neurons and time steps.
        firing_rates: mean spikes per neuron and time step, by neuron layer.
    """

    accuracy: float | None
    correct: int | None
    samples: int
    parameters: int
    parameter_bytes: int
    macs: int
    inference_memory_bytes: InferenceBytes
    synaptic_operations: float
    multiply_accumulates: float
    attention_operations: float
    energy_joules: float
    file_bytes: int
    peak_activation_bytes: int
    spikes_per_image: float
    firing_rates: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class ExportedModel:
    """The exported model, as it was loaded back from disk.

    Attributes:
        path: the safetensors file.
        sha256: of the file.
        pruned: what was written.
        shapes: of the tensors that are read back, at the original's dtypes: pruning alone.
        stored_bytes: of the file's tensors that the forward pass uses, scales of weights included.
        before: the original, measured.
        after: the exported model, measured.
        latencies: seconds of one image: medians ``latency_before`` and ``latency_after``, and quartiles, which have
            ``_low`` and ``_high`` behind these.
        predicted: what both say of the confirmation split.
    """

    path: Path
    sha256: str
    pruned: Pruned
    shapes: Shapes
    stored_bytes: int
    before: Measurement
    after: Measurement
    latencies: Mapping[str, float]
    predicted: Predicted


def export(candidates: Candidates, result: RunResult, out: Path) -> ExportedModel:
    """Write the chosen model, load it back as a user would, and measure it and the original."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / MODEL_NAME
    pruned = candidates.build_pruned(result.point.rates)
    with tensor_file(path) as temporary:
        described = metadata(_provenance(candidates, pruned.config, result.point.rates))
        save_file(dict(pruned.stored.written), temporary, {**described, **pruned.stored.metadata})

    reread = inspect(path)
    shapes = _at_dtypes_of(candidates.inspection.shapes, reread.shapes)
    scratch = candidates.workspace.path("delivered.safetensors")
    state = load_state(reread, scratch)
    model = build(reread.family, reread.config, state).to(candidates.device)
    is_tested = reread.config == pruned.config and same_values(state, pruned.state)
    scratch.unlink()
    found = predicted(candidates, model, result.point.rates if is_tested else None)
    right = (None, None) if found.by_labels is None else (found.by_labels.before, found.by_labels.after)
    looks = {
        "before": _look_at_original(candidates),
        "after": _look(candidates, model, result.point.rates),
    }
    original, original_bytes = candidates.inspection, _file_bytes(candidates)
    return ExportedModel(
        path=path,
        sha256=digest(path),
        pruned=pruned,
        shapes=shapes,
        stored_bytes=stored_bytes(pruned.stored.written, candidates.unused),
        before=_measurement(
            candidates, {}, original.config, original.shapes, right[0], looks["before"], original_bytes
        ),
        after=_measurement(
            candidates, result.point.rates, reread.config, shapes, right[1], looks["after"], path.stat().st_size
        ),
        latencies=_latencies(candidates, model),
        predicted=found,
    )


@dataclass(frozen=True, kw_only=True)
class _Look:
    """How a model behaves on images, and what it computes for them."""

    activity: Activity
    operations: Operations


def _look(candidates: Candidates, model: SpikingModel, rates: Rates) -> _Look:
    images = candidates.images
    return _Look(
        activity=measure(model, images.batches(images.splits.calibration[:SPIKES_OF])),
        operations=operations_of(candidates, model, rates),
    )


def _look_at_original(candidates: Candidates) -> _Look:
    """The same of the original; remembered, for every budget of the same images."""

    def compute() -> JsonValue:
        look = _look(candidates, candidates.original, {})
        return cast("JsonValue", {"activity": asdict(look.activity), "operations": asdict(look.operations)})

    known = cast("dict[str, Any]", candidates.workspace.recall("original", compute))
    return _Look(activity=Activity(**known["activity"]), operations=Operations(**known["operations"]))


def same_values(state: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    """Whether two state dicts have the same tensors, of the same dtypes and values."""
    return state.keys() == other.keys() and all(
        value.dtype == other[name].dtype and torch.equal(value, other[name]) for name, value in state.items()
    )


def _latencies(candidates: Candidates, model: SpikingModel) -> dict[str, float]:
    """The original and the exported model in turn, on the first calibration image."""
    images = candidates.images
    [batch] = images.batches(images.splits.calibration[:1])
    image = torch.from_numpy(batch.images).to(candidates.device)
    found = zip(("before", "after"), latencies([candidates.original, model], image), strict=True)
    return {
        f"latency_{name}{suffix}": seconds
        for name, spread in found
        for suffix, seconds in (("", spread.median), ("_low", spread.low), ("_high", spread.high))
    }


def _at_dtypes_of(original: Shapes, found: Shapes) -> Shapes:
    return {
        name: replace(original[name], shape=spec.shape) if name in original else spec for name, spec in found.items()
    }


def _provenance(candidates: Candidates, config: FamilyConfig, rates: Rates) -> Provenance:
    fingerprint = candidates.images.data.fingerprint()
    return provenance_of(candidates.inspection, candidates.spec, config, candidates.plan(rates), fingerprint)


def provenance_of(
    inspection: Inspection, spec: CompressionSpec, config: FamilyConfig, plan: Plan, data_fingerprint: str
) -> Provenance:
    """What the file of a pruned model says of it.

    Args:
        inspection: of the original.
        spec: by which it was pruned.
        config: of the pruned model.
        plan: by which it was pruned.
        data_fingerprint: of the data set that confirmed it; empty if none did.
    """
    before = inspection.provenance
    return Provenance(
        family=inspection.family_key,
        config=config.model_dump(mode="json"),
        data_fingerprint=data_fingerprint,
        splits=spec.splits,
        seed=spec.seed,
        preprocessing=spec.preprocessing.over(inspection.overrides),
        batch_size=spec.batch_size,
        class_order=spec.class_order,
        allow_fewer_classes=spec.allow_fewer_classes,
        value_range=spec.value_range,
        plan=dict((composed(Plan(before.plan), plan) if before else plan).kept),
    )


def digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _file_bytes(candidates: Candidates) -> int:
    """Size of the original as our own file, so that both sizes are of the same format and without optimizer state."""
    path = candidates.workspace.path("original.safetensors")
    if not path.exists():
        described = metadata(_provenance(candidates, candidates.config, {}))
        with tensor_file(path) as temporary:
            original = candidates.stored_original
            save_file(dict(original.written), temporary, {**described, **original.metadata})
    return path.stat().st_size


def _measurement(
    candidates: Candidates,
    rates: Rates,
    config: FamilyConfig,
    shapes: Shapes,
    right: Sequence[bool] | None,
    look: _Look,
    file_bytes: int,
) -> Measurement:
    activity, operations = look.activity, look.operations
    return Measurement(
        accuracy=None if right is None else sum(right) / len(right),
        correct=None if right is None else sum(right),
        samples=len(candidates.images.splits.confirmation),
        parameters=parameter_count(shapes, candidates.unused),
        parameter_bytes=memory_bytes(shapes, candidates.unused),
        macs=candidates.macs(rates),
        inference_memory_bytes=inference_bytes(
            candidates.family,
            candidates.time_steps.as_run(config),
            memory_bytes(shapes, candidates.unused),
            frames=candidates.has_frames,
        ),
        synaptic_operations=operations.synaptic,
        multiply_accumulates=operations.multiply_accumulates,
        attention_operations=operations.attention,
        energy_joules=operations.joules,
        file_bytes=file_bytes,
        peak_activation_bytes=activity.peak_activation_bytes,
        spikes_per_image=activity.spikes_per_image,
        firing_rates=activity.firing_rates,
    )
