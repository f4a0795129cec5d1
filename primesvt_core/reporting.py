"""From what a run found to what the user gets: the pruned model on disk, and the report."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import file_digest
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from primesvt_core import __version__
from primesvt_core.candidates import Candidates, Pruned
from primesvt_core.confirmation import Paired, Trial, chosen, drop_upper_bound, paired
from primesvt_core.data import numbering
from primesvt_core.evaluation import Activity, correct, measure
from primesvt_core.intake import Provenance, build, inspect, metadata
from primesvt_core.profiling import targets
from primesvt_core.pruning.groups import composed, memory_bytes, parameter_count
from primesvt_core.report import (
    AssumptionFigures,
    Confirmation,
    CurveFigures,
    DataFigures,
    FineTuningFigures,
    GroupFigures,
    LayerFigures,
    ModelFigures,
    ProfileFigures,
    Report,
)
from primesvt_core.saving import tensor_file
from primesvt_core.search import Goal, Search
from primesvt_core.sorting import layer_size
from primesvt_core.types import CurvePoint, GroupSize, Layer, LayerSize, Plan, ProfileCell, Rates, Shapes, Verdict

MODEL_NAME = "model.safetensors"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What the method found, step by step."""

    goal: Goal
    start: CurvePoint
    layers: tuple[LayerSize, ...]
    groups: tuple[GroupSize, ...]
    cells: tuple[ProfileCell, ...]
    found: Search
    trials: tuple[Trial, ...]

    @property
    def kept(self) -> Trial | None:
        """The candidate for which the promise holds; None if it holds for none, and the original is delivered."""
        return chosen(self.trials)

    @property
    def targeted(self) -> frozenset[str]:
        """Groups that stay within the drop at some rate."""
        allowed = 1.0 if self.goal.allowed_drop is None else self.goal.allowed_drop
        return frozenset(targets(self.cells, allowed))

    @property
    def point(self) -> CurvePoint:
        """What is delivered."""
        return self.kept.candidate if self.kept else self.start

    @property
    def verdict(self) -> Verdict:
        """How it ended."""
        if not self.targeted:
            return Verdict.NOTHING_PRUNABLE
        if self.goal.target_bytes is not None:
            met = self.kept is not None and self.point.parameter_bytes <= self.goal.target_bytes
        else:
            met = self.kept is not None and bool(self.point.rates)
        return Verdict.MET if met else Verdict.ACCURACY_FLOOR_REACHED


@dataclass(frozen=True, kw_only=True)
class Delivery:
    """The delivered model, as it came back from disk.

    Attributes:
        path: the safetensors file.
        pruned: what was written.
        shapes: of the file's tensors.
        before: what both models got right on the confirmation split, and how they behave.
    """

    path: Path
    sha256: str
    pruned: Pruned
    shapes: Shapes
    before: ModelFigures
    after: ModelFigures
    pair: Paired
    latencies: Mapping[str, float]


def export(candidates: Candidates, findings: Findings, out: Path) -> Delivery:
    """Write the delivered model, load it back as a user would, and measure it and the original."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / MODEL_NAME
    pruned = candidates.realise(findings.point.rates)
    with tensor_file(path) as temporary:
        save_file(dict(pruned.state), temporary, metadata(_provenance(candidates, pruned, findings.point.rates)))

    images = candidates.images
    reread = inspect(path)
    model = build(reread.family, reread.config, load_file(path)).to(candidates.device)
    before = candidates.confirmed_correct({})
    confirmation = images.splits.confirmation
    after = correct(model, images.batches(confirmation), candidates.counting(len(confirmation)))
    activity = {
        "before": measure(candidates.original, images.batches(images.splits.calibration)),
        "after": measure(model, images.batches(images.splits.calibration)),
    }
    original_bytes = _file_bytes(candidates)
    return Delivery(
        path=path,
        sha256=_digest(path),
        pruned=pruned,
        shapes=reread.shapes,
        before=_figures(candidates, candidates.inspection.shapes, before, activity["before"], original_bytes),
        after=_figures(candidates, reread.shapes, after, activity["after"], path.stat().st_size),
        pair=paired(before, after),
        latencies={f"latency_{name}": found.latency_seconds for name, found in activity.items()},
    )


def compose(candidates: Candidates, findings: Findings, delivery: Delivery, seconds: Mapping[str, float]) -> Report:
    """Put the report together."""
    inspection = candidates.inspection
    return Report(
        primesvt_version=__version__,
        verdict=findings.verdict,
        family=inspection.family_key,
        variant=inspection.config.variant,
        baseline=delivery.before,
        pruned=delivery.after,
        accuracy_drop=delivery.pair.drop,
        memory_saving=candidates.saving(delivery.after.parameter_bytes),
        confirmation=_confirmation(candidates, findings, delivery),
        search_accuracy_drop=findings.point.accuracy_drop,
        spec=candidates.spec,
        assumptions=tuple(AssumptionFigures(**asdict(a)) for a in inspection.assumptions),
        data=_data(candidates),
        layers=_layers(candidates, findings, delivery.shapes),
        groups=_groups(candidates, findings),
        profile=tuple(ProfileFigures(**asdict(cell)) for cell in findings.cells),
        curve=_curve(findings),
        fine_tuning=_fine_tuning(candidates, delivery),
        notes=(*inspection.notes, *_notes(candidates, findings)),
        evaluations=candidates.evaluations,
        config=delivery.pruned.config.model_dump(mode="json"),
        plan=dict(candidates.plan(findings.point.rates).kept),
        checkpoint_sha256=inspection.checkpoint.sha256,
        model_sha256=delivery.sha256,
        environment=_environment(candidates),
        timings={**seconds, **delivery.latencies},
    )


def _provenance(candidates: Candidates, pruned: Pruned, rates: Rates) -> Provenance:
    spec, before, plan = candidates.spec, candidates.inspection.provenance, candidates.plan(rates)
    return Provenance(
        family=candidates.inspection.family_key,
        config=pruned.config.model_dump(mode="json"),
        data_fingerprint=candidates.images.data.fingerprint(),
        splits=spec.splits,
        seed=spec.seed,
        preprocessing=spec.preprocessing.over(candidates.inspection.overrides),
        batch_size=spec.batch_size,
        plan=dict((composed(Plan(before.plan), plan) if before else plan).kept),
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _file_bytes(candidates: Candidates) -> int:
    """Size of the original as our own file, so that both sizes are of the same format and without optimizer state."""
    path = candidates.workspace.path("original.safetensors")
    if not path.exists():
        config = candidates.config
        told = metadata(_provenance(candidates, Pruned(config=config, state={}), {}))
        with tensor_file(path) as temporary:
            save_file(dict(candidates.state), temporary, told)
    return path.stat().st_size


def _figures(
    candidates: Candidates, shapes: Shapes, right: Sequence[bool], activity: Activity, file_bytes: int
) -> ModelFigures:
    return ModelFigures(
        accuracy=sum(right) / len(right),
        correct=sum(right),
        samples=len(right),
        parameters=parameter_count(shapes, candidates.unused),
        parameter_bytes=memory_bytes(shapes, candidates.unused),
        file_bytes=file_bytes,
        peak_activation_bytes=activity.peak_activation_bytes,
        spikes_per_image=activity.spikes_per_image,
        firing_rates=activity.firing_rates,
    )


def _confirmation(candidates: Candidates, findings: Findings, delivery: Delivery) -> Confirmation:
    pair, kept = delivery.pair, findings.kept
    confidence = candidates.spec.confidence
    return Confirmation(
        samples=pair.samples,
        lost=pair.lost,
        won=pair.won,
        accuracy_drop=pair.drop,
        drop_upper_bound=kept.upper_bound if kept else drop_upper_bound(pair, confidence) if pair.lost else 0.0,
        confidence=confidence,
        candidates=len(findings.trials),
        allowed_drop=findings.goal.allowed_drop,
        held=kept is not None or findings.goal.allowed_drop is not None,
    )


def _data(candidates: Candidates) -> DataFigures:
    images = candidates.images
    return DataFigures(
        name=images.data.name,
        fingerprint=images.data.fingerprint(),
        samples=len(images.data),
        classes=images.data.classes,
        calibration_images=len(images.splits.calibration),
        search_images=len(images.splits.search),
        confirmation_images=len(images.splits.confirmation),
        preprocessing=images.preprocessing.model_dump(mode="json"),
    )


def _layers(candidates: Candidates, findings: Findings, after: Shapes) -> tuple[LayerFigures, ...]:
    rates = findings.point.rates

    def pruned(layer: Layer) -> LayerSize:
        if layer.rows is not None and layer.group is not None and layer.group in rates:
            layer = replace(layer, rows=candidates.kept(layer.group, rates[layer.group]))
        return layer_size(layer, after)

    sizes = {layer.name: pruned(layer) for layer in candidates.family.layers(candidates.config)}
    return tuple(
        LayerFigures(
            name=layer.name,
            group=layer.group,
            shape_before=layer.shape,
            shape_after=sizes[layer.name].shape,
            parameters_before=layer.parameters,
            parameters_after=sizes[layer.name].parameters,
            parameter_bytes_before=layer.parameter_bytes,
            parameter_bytes_after=sizes[layer.name].parameter_bytes,
            rate=rates.get(layer.group or "", 0.0),
        )
        for layer in findings.layers
    )


def _groups(candidates: Candidates, findings: Findings) -> tuple[GroupFigures, ...]:
    scopes = {group.name: group.scope for group in candidates.groups}
    rates = findings.point.rates
    return tuple(
        GroupFigures(
            name=group.name,
            scope=scopes[group.name],
            size_before=group.size,
            size_after=candidates.kept(group.name, rates.get(group.name, 0.0)),
            rate=rates.get(group.name, 0.0),
            parameter_bytes=group.parameter_bytes,
            targeted=group.name in findings.targeted,
        )
        for group in findings.groups
    )


def _curve(findings: Findings) -> tuple[CurveFigures, ...]:
    """The curve of the round that was chosen, and what else was put to the test, ascending in saving."""
    tried = {_key(trial.candidate): trial for trial in findings.trials}
    points = {_key(point): point for point in (*findings.found.curve, *(t.candidate for t in findings.trials))}
    return tuple(
        CurveFigures(
            group=point.group,
            rates=dict(point.rates),
            accuracy=point.accuracy,
            accuracy_drop=point.accuracy_drop,
            parameter_bytes=point.parameter_bytes,
            memory_saving=point.memory_saving,
            confirmed_drop=tried[key].pair.drop if key in tried else None,
            confirmed=tried[key].held if key in tried else None,
        )
        for key, point in sorted(points.items(), key=lambda item: item[1].memory_saving)
    )


def _key(point: CurvePoint) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(point.rates.items()))


def _fine_tuning(candidates: Candidates, delivery: Delivery) -> FineTuningFigures | None:
    if not delivery.pruned.losses or candidates.training is None:
        return None
    return FineTuningFigures(
        epochs=len(delivery.pruned.losses), images=len(candidates.training.indices), losses=delivery.pruned.losses
    )


def _notes(candidates: Candidates, findings: Findings) -> tuple[str, ...]:
    notes = []
    if findings.verdict is not Verdict.MET and findings.kept is None:
        notes.append("No candidate kept the accuracy floor on the confirmation split: the model is the original.")
    notes += numbering(candidates.images.data, candidates.config.num_classes)
    if candidates.spec.fine_tuning.epochs and candidates.learns_from_search:
        notes.append("No training data was given: the model was fine-tuned on the search split.")
    return tuple(notes)


def _environment(candidates: Candidates) -> dict[str, str]:
    device = candidates.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "spikingjelly": version("spikingjelly"),
        "device": f"{device.type}: {name}",
        "threads": str(torch.get_num_threads()),
        "platform": platform.platform(),
    }
