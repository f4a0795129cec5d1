"""The pruned model on disk: written, loaded back as a user would, and measured beside the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from safetensors.torch import load_file, save_file

from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.activity import Activity, measure
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.inspect import Inspection, inspect
from primesvt_core.intake.loading import build
from primesvt_core.intake.provenance import Provenance, metadata
from primesvt_core.method.candidates import Candidates, Pruned
from primesvt_core.method.result import RunResult
from primesvt_core.promise.bounds import Paired, paired
from primesvt_core.pruning.groups import composed, memory_bytes, parameter_count
from primesvt_core.spec import CompressionSpec
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
        shapes: of the file's tensors.
        before: the original, measured.
        after: the exported model, measured.
        pair: both on the confirmation split.
        latencies: seconds of one image, ``latency_before`` and ``latency_after``.
    """

    path: Path
    sha256: str
    pruned: Pruned
    shapes: Shapes
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
        save_file(dict(pruned.state), temporary, metadata(_provenance(candidates, pruned, result.point.rates)))

    images = candidates.images
    reread = inspect(path)
    model = build(reread.family, reread.config, load_file(path)).to(candidates.device)
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
        sha256=digest(path),
        pruned=pruned,
        shapes=reread.shapes,
        before=_measurement(candidates, {}, candidates.inspection.shapes, before, activity["before"], original_bytes),
        after=_measurement(
            candidates, result.point.rates, reread.shapes, after, activity["after"], path.stat().st_size
        ),
        pair=paired(before, after),
        latencies={f"latency_{name}": measured.latency_seconds for name, measured in activity.items()},
    )


def _provenance(candidates: Candidates, pruned: Pruned, rates: Rates) -> Provenance:
    fingerprint = candidates.images.data.fingerprint()
    return provenance_of(candidates.inspection, candidates.spec, pruned.config, candidates.plan(rates), fingerprint)


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
        config = candidates.config
        described = metadata(_provenance(candidates, Pruned(config=config, state={}), {}))
        with tensor_file(path) as temporary:
            save_file(dict(candidates.state), temporary, described)
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
