"""The pruned model on disk: written, loaded back as a user would, and measured beside the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import file_digest
from pathlib import Path

from safetensors.torch import save_file

from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.activity import Activity, measure
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build, load_state
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.method.candidates import Candidates, Pruned
from primesvt_core.method.result import RunResult
from primesvt_core.method.storing import stored_bytes
from primesvt_core.promise.bounds import Paired, paired
from primesvt_core.pruning.groups import composed, memory_bytes, parameter_count
from primesvt_core.types import Plan, Rates, Shapes
from primesvt_core.workspace.atomic import tensor_file

MODEL_NAME = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One model, measured on the confirmation split.

    Attributes:
        accuracy: fraction of the images that it gets right, ``correct`` of ``samples``.
        parameters: trained ones that the forward pass uses.
        parameter_bytes: of parameters and BatchNorm buffers that the forward pass uses.
        macs: multiply-accumulates of one image over all time steps.
        file_bytes: of its safetensors file.
        peak_activation_bytes: largest input plus output of one layer, for one image.
        spikes_per_image: summed over neurons and time steps.
        firing_rates: mean spikes per neuron and time step, by neuron layer.
    """

    accuracy: float
    correct: int
    samples: int
    parameters: int
    parameter_bytes: int
    macs: int
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
        pair: both on the confirmation split.
        latencies: seconds of one image, ``latency_before`` and ``latency_after``.
    """

    path: Path
    sha256: str
    pruned: Pruned
    shapes: Shapes
    stored_bytes: int
    before: Measurement
    after: Measurement
    pair: Paired
    latencies: Mapping[str, float]


def export(candidates: Candidates, result: RunResult, out: Path) -> ExportedModel:
    """Write the chosen model, load it back as a user would, and measure it and the original."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / MODEL_NAME
    pruned = candidates.build_pruned(result.point.rates)
    with tensor_file(path) as temporary:
        described = metadata(_provenance(candidates, pruned.config, result.point.rates))
        save_file(dict(pruned.stored.written), temporary, {**described, **pruned.stored.metadata})

    images = candidates.images
    reread = inspect(path)
    shapes = _at_dtypes_of(candidates.inspection.shapes, reread.shapes)
    scratch = candidates.workspace.path("delivered.safetensors")
    model = build(reread.family, reread.config, load_state(reread, scratch)).to(candidates.device)
    scratch.unlink()
    before = candidates.confirmed_correct({})
    confirmation = images.splits.confirmation
    after = correct(model, images.blocks(confirmation), candidates.counting(len(confirmation)))
    activity = {
        "before": measure(candidates.original, images.batches(images.splits.calibration)),
        "after": measure(model, images.batches(images.splits.calibration)),
    }
    original_bytes = _file_bytes(candidates)
    return ExportedModel(
        path=path,
        sha256=_digest(path),
        pruned=pruned,
        shapes=shapes,
        stored_bytes=stored_bytes(pruned.stored.written, candidates.unused),
        before=_measurement(candidates, {}, candidates.inspection.shapes, before, activity["before"], original_bytes),
        after=_measurement(candidates, result.point.rates, shapes, after, activity["after"], path.stat().st_size),
        pair=paired(before, after),
        latencies={f"latency_{name}": measured.latency_seconds for name, measured in activity.items()},
    )


def _at_dtypes_of(original: Shapes, found: Shapes) -> Shapes:
    return {
        name: replace(original[name], shape=spec.shape) if name in original else spec for name, spec in found.items()
    }


def _provenance(candidates: Candidates, config: FamilyConfig, rates: Rates) -> Provenance:
    spec, before, plan = candidates.spec, candidates.inspection.provenance, candidates.plan(rates)
    return Provenance(
        family=candidates.inspection.family_key,
        config=config.model_dump(mode="json"),
        data_fingerprint=candidates.images.data.fingerprint(),
        splits=spec.splits,
        seed=spec.seed,
        preprocessing=spec.preprocessing.over(candidates.inspection.overrides),
        batch_size=spec.batch_size,
        class_order=spec.class_order,
        allow_fewer_classes=spec.allow_fewer_classes,
        value_range=spec.value_range,
        plan=dict((composed(Plan(before.plan), plan) if before else plan).kept),
    )


def _digest(path: Path) -> str:
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
    candidates: Candidates, rates: Rates, shapes: Shapes, right: Sequence[bool], activity: Activity, file_bytes: int
) -> Measurement:
    return Measurement(
        accuracy=sum(right) / len(right),
        correct=sum(right),
        samples=len(right),
        parameters=parameter_count(shapes, candidates.unused),
        parameter_bytes=memory_bytes(shapes, candidates.unused),
        macs=candidates.macs(rates),
        file_bytes=file_bytes,
        peak_activation_bytes=activity.peak_activation_bytes,
        spikes_per_image=activity.spikes_per_image,
        firing_rates=activity.firing_rates,
    )
