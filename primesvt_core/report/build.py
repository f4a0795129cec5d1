"""The report of a run, from its result and its exported model."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version

import torch

from primesvt_client.shares import percent_text, points_text
from primesvt_core import __version__
from primesvt_core.costs.operations import ENERGY_SOURCE, JOULES_PER_AC, JOULES_PER_MAC
from primesvt_core.data import numbering
from primesvt_core.method.beside_rivals import Rival
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.confirmation import Trial
from primesvt_core.method.export import ExportedModel
from primesvt_core.method.limits import described, left_whole
from primesvt_core.method.operating import operation_images
from primesvt_core.method.result import RunResult
from primesvt_core.method.search import Found
from primesvt_core.promise.bounds import Paired, drop_upper_bound
from primesvt_core.promise.disagreement import images_to_prove_disagreement
from primesvt_core.promise.family import joint_confidence
from primesvt_core.promise.provable import images_to_prove
from primesvt_core.report.baselines import baseline_figures
from primesvt_core.report.by_class import class_figures, class_notes
from primesvt_core.report.by_disagreement import compared_figures, differing_images, disagreement_notes, tested_figures
from primesvt_core.report.fine_tuning import fine_tuning_figures, recovery_notes
from primesvt_core.report.kept_limits import Delivered, broken_notes, limit_figures
from primesvt_core.report.layer_figures import layer_figures
from primesvt_core.report.limit_notes import limit_notes
from primesvt_core.report.schema import (
    AgreementFigures,
    AssumptionFigures,
    Confirmation,
    CurveFigures,
    DataFigures,
    EnergyFigures,
    FamilyFigures,
    GroupFigures,
    LayerFigures,
    LimitFigures,
    ModelFigures,
    ProfileFigures,
    Report,
    TimeStepFigures,
)
from primesvt_core.types import CurvePoint, Shapes, Verdict

FOR_MORE = (
    "for more, give more labelled images, allow more to be lost, or take it without proof (--accept-unproven,"
    " accept_unproven: true)"
)
"""What helps where a proof is wanting."""


def build_report(
    candidates: Candidates, found: Found, result: RunResult, exported: ExportedModel, seconds: Mapping[str, float],
    rivals: Sequence[Rival] = (),
) -> Report:  # fmt: skip
    """The report of a run.

    Args:
        candidates: of the run.
        found: before the confirmation.
        result: what the method found.
        exported: the pruned model, measured.
        seconds: that every step took.
        rivals: what the delivered model is compared with.
    """
    inspection, confirmation = candidates.inspection, _confirmation(candidates, result, exported)
    by_labels, limits = exported.predicted.by_labels, _limits(candidates, confirmation, exported)
    searched = compared_figures(result.point.accuracy, result.point.accuracy_drop, candidates.by_disagreement)
    return Report(
        primesvt_version=__version__,
        verdict=result.verdict,
        preset=candidates.spec.preset,
        family=inspection.family_key,
        variant=inspection.config.variant,
        baseline=ModelFigures(**asdict(exported.before)),
        pruned=ModelFigures(**asdict(exported.after)),
        accuracy_drop=None if by_labels is None else by_labels.pair.drop,
        disagreement=exported.predicted.pair.drop if candidates.by_disagreement else None,
        memory_saving=candidates.saving(exported.after.parameter_bytes),
        stored_bytes=exported.stored_bytes,
        stored_saving=candidates.saving(exported.stored_bytes),
        confirmation=confirmation,
        search_accuracy_drop=searched["accuracy_drop"],
        search_disagreement=searched["disagreement"],
        spec=candidates.spec,
        assumptions=tuple(AssumptionFigures(**asdict(a)) for a in inspection.assumptions),
        data=_data(candidates),
        layers=_layers(candidates, result, exported.shapes),
        groups=_groups(candidates, result),
        profile=_profile(result),
        curve=_curve(result),
        fine_tuning=fine_tuning_figures(candidates, result, exported),
        notes=_every_note(candidates, result, exported, limits),
        classes=() if by_labels is None else class_figures(by_labels.classes, candidates.images.data.classes),
        differing_images=differing_images(candidates.images, exported.predicted),
        time_steps=_time_steps(exported),
        limits=limits,
        evaluations=found.evaluations,
        compared_images=found.images,
        agreement=AgreementFigures(**asdict(found.agreement)),
        baselines=baseline_figures(candidates, rivals),
        energy=_energy(candidates),
        family_of_budgets=_family(candidates, result),
        metric=None if candidates.images.metric is None else candidates.images.metric.name,
        given_rates=None if candidates.given is None else dict(candidates.given.rates),
        config=exported.pruned.config.model_dump(mode="json"),
        plan=dict(candidates.plan(result.point.rates).kept),
        checkpoint_sha256=inspection.checkpoint.sha256,
        model_sha256=exported.sha256,
        environment=_environment(candidates),
        timings={**seconds, **exported.latencies},
    )


def _every_note(
    candidates: Candidates, result: RunResult, exported: ExportedModel, limits: tuple[LimitFigures, ...]
) -> tuple[str, ...]:
    return (
        *candidates.inspection.notes,
        *given_notes(candidates),
        *_family_notes(candidates),
        *result.doubts,
        *broken_notes(limits),
        *recovery_notes(candidates),
        *limit_notes(result.goal, result.point.rates, exported),
        *_notes(candidates, result),
        *_about(candidates, exported),
    )


def _time_steps(exported: ExportedModel) -> tuple[TimeStepFigures, ...]:
    by_labels, disagreements = exported.predicted.by_labels, exported.predicted.by_step
    nothing = ((None, None),) * len(disagreements)
    accuracies = nothing if by_labels is None else by_labels.by_step
    return tuple(
        TimeStepFigures(
            time_steps=steps, accuracy_before=right[0], accuracy_after=right[1], disagreement_before=other[0],
            disagreement_after=other[1],
        )
        for steps, (right, other) in enumerate(
            zip(accuracies, disagreements or ((None, None),) * len(accuracies), strict=True), 1
        )
    )  # fmt: skip


def _profile(result: RunResult) -> tuple[ProfileFigures, ...]:
    return tuple(
        ProfileFigures(
            **asdict(cell) | compared_figures(cell.accuracy, cell.accuracy_drop, result.goal.by_disagreement)
        )
        for cell in result.cells
    )


def _energy(candidates: Candidates) -> EnergyFigures:
    return EnergyFigures(
        joules_per_mac=JOULES_PER_MAC,
        joules_per_ac=JOULES_PER_AC,
        source=ENERGY_SOURCE,
        images=len(operation_images(candidates)),
    )


def _confirmation(candidates: Candidates, result: RunResult, exported: ExportedModel) -> Confirmation:
    pair, kept, goal = exported.predicted.pair, result.kept, result.goal
    confidence, by_labels = candidates.spec.confidence, exported.predicted.by_labels
    bound = _bound(pair, kept, confidence)
    return Confirmation(
        samples=pair.samples,
        lost=None if by_labels is None else by_labels.pair.lost,
        won=None if by_labels is None else by_labels.pair.won,
        accuracy_drop=None if by_labels is None else by_labels.pair.drop,
        drop_upper_bound=bound,
        confidence=confidence,
        candidates=len(result.tested),
        allowed_drop=None if goal.by_disagreement else goal.allowed_drop,
        held=result.unproven is None and (kept is not None or goal.allowed_drop is not None),
        differing=pair.lost if goal.by_disagreement else None,
        disagreement=pair.drop if goal.by_disagreement else None,
        disagreement_upper_bound=bound if goal.by_disagreement else None,
        allowed_disagreement=goal.allowed_drop if goal.by_disagreement else None,
    )


def _limits(candidates: Candidates, confirmation: Confirmation, exported: ExportedModel) -> tuple[LimitFigures, ...]:
    after = exported.after
    delivered = Delivered(
        loss_bound=confirmation.drop_upper_bound,
        accuracy_before=exported.before.accuracy,
        memory_saving=candidates.saving(after.parameter_bytes),
        parameter_bytes=after.parameter_bytes,
        macs=after.macs,
        inference_bytes=after.inference_memory_bytes.least,
        synaptic_operations=after.synaptic_operations,
        stored_bytes=exported.stored_bytes,
        time_steps=candidates.time_steps.of(exported.pruned.config),
    )
    return limit_figures(candidates.spec.budget, delivered)


def _bound(pair: Paired, kept: Trial | None, confidence: float) -> float:
    """The bound at the level of the test, of the look that confirmed the candidate or of all images: both hold."""
    if kept is None or not kept.candidate.rates:
        return drop_upper_bound(pair, confidence) if pair.lost else 0.0
    return min(kept.upper_bound, drop_upper_bound(pair, kept.confidence))


def _data(candidates: Candidates) -> DataFigures:
    images = candidates.images
    return DataFigures(
        name=images.data.name,
        fingerprint=images.data.fingerprint(),
        samples=len(images.data),
        is_labelled=images.data.is_labelled,
        classes=images.data.classes,
        calibration_images=len(images.splits.calibration),
        search_images=len(images.splits.search),
        confirmation_images=len(images.splits.confirmation),
        preprocessing=images.preprocessing.model_dump(mode="json"),
    )


def _layers(candidates: Candidates, result: RunResult, after: Shapes) -> tuple[LayerFigures, ...]:
    layers = candidates.family.layers(candidates.config)
    return layer_figures(result.layers, layers, result.point.rates, candidates.kept, after)


def _groups(candidates: Candidates, result: RunResult) -> tuple[GroupFigures, ...]:
    scopes = {group.name: group.scope for group in candidates.groups}
    rates = result.point.rates
    return tuple(
        GroupFigures(
            name=group.name,
            scope=scopes[group.name],
            size_before=group.size,
            size_after=candidates.kept(group.name, rates.get(group.name, 0.0)),
            rate=rates.get(group.name, 0.0),
            parameter_bytes=group.parameter_bytes,
            targeted=group.name in result.targeted,
        )
        for group in result.groups
    )


def _curve(result: RunResult) -> tuple[CurveFigures, ...]:
    """The curve of the round that was chosen, and what else was put to the test, ascending in saving."""
    tried = {_key(trial.candidate): trial for trial in result.tested}
    points = {_key(point): point for point in (*result.search.curve, *(t.candidate for t in result.tested))}
    return tuple(
        CurveFigures(
            group=point.group,
            rates=dict(point.rates),
            **compared_figures(point.accuracy, point.accuracy_drop, result.goal.by_disagreement),
            parameter_bytes=point.parameter_bytes,
            memory_saving=point.memory_saving,
            divergence=point.divergence,
            **tested_figures(tried.get(key)),
            confirmed=tried[key].confirmed if key in tried else None,
        )
        for key, point in sorted(points.items(), key=lambda item: item[1].memory_saving)
    )


def _key(point: CurvePoint) -> tuple[tuple[str, float], ...]:
    return tuple(sorted(point.rates.items()))


def _notes(candidates: Candidates, result: RunResult) -> tuple[str, ...]:
    notes = [*_proof(candidates, result)]
    if result.verdict is Verdict.ACCURACY_FLOOR_REACHED and result.kept is None:
        kept = "stayed within the allowed disagreement" if candidates.by_disagreement else "kept the accuracy floor"
        notes.append(f"No candidate {kept} on the confirmation split: the model is the original.")
    if whole := left_whole(candidates.groups):
        notes.append(f"No smaller size of {', '.join(whole)} fits {described(candidates.spec)}: left whole.")
    if result.point.rates and not candidates.plan(result.point.rates).kept:
        notes.append(_unpruned_note(candidates))
    notes += _storing(candidates, result)
    data = candidates.images.data
    notes += [*data.notes, *numbering(data, candidates.config.num_classes)]
    notes += [f"Training data: {note}" for note in candidates.training_notes]
    if candidates.spec.fine_tuning.is_asked and candidates.learns_from_search:
        notes.append("No training data was given: the model was fine-tuned on the search split.")
    return tuple(notes)


def _unpruned_note(candidates: Candidates) -> str:
    """What is delivered where no channel is removed, and it is not the original as it is."""
    changes = [f"for {candidates.time_steps.candidates:,} time steps"] if candidates.time_steps.is_shortened else []
    changes += [f"with weights stored as {candidates.precision}"] if candidates.precision is not None else []
    return f"No channel was removed: what is delivered is the original {' and '.join(changes)}."


def _storing(candidates: Candidates, result: RunResult) -> Iterator[str]:
    """What else is to be said of the precision of the stored weights."""
    precision = candidates.precision
    if precision is None:
        return
    if not result.point.rates:
        yield f"Nothing was removed: the original's weights are delivered as they were, not rounded to {precision}."
    elif candidates.spec.weights is None:
        yield f"The weights are stored as {precision}, as the original's are; --weights chooses another precision."


def _about(candidates: Candidates, exported: ExportedModel) -> tuple[str, ...]:
    """What the delivered model loses where nobody would look, and what is not told of it."""
    by_labels = exported.predicted.by_labels
    notes = () if by_labels is None else class_notes(by_labels.classes, candidates.images.data.classes)
    notes = (*notes, *disagreement_notes(exported.predicted))
    if candidates.time_steps.is_shortened:
        notes = (*notes, _steps_note(candidates.time_steps.original, exported.pruned.config.time_steps))
    if candidates.no_fewer_steps is None:
        return notes
    return (*notes, f"The accuracy after fewer time steps is not reported: {candidates.no_fewer_steps}.")


def _steps_note(before: int, after: int) -> str:
    if after == before:
        return f"The delivered model is the original, which runs for {before:,} time steps: more than max_time_steps."
    return (
        f"The delivered model runs for {after:,} time steps and the original for {before:,}: the accuracy drop is"
        " between the two."
    )


def given_notes(candidates: Candidates) -> tuple[str, ...]:
    """That nothing was searched for, where a plan was given, and what of it was not carried out."""
    if candidates.given is None:
        return ()
    return ("A given plan was carried out: nothing was profiled or searched for.", *candidates.given.notes)


def _family(candidates: Candidates, result: RunResult) -> FamilyFigures | None:
    curve, confidence, asked = candidates.finished, candidates.spec.confidence, result.goal.allowed_drop
    if curve is None or asked is None:
        return None
    own_error = 0.0 if curve.first_budget is None else 1 - confidence
    return FamilyFigures(
        candidates=len(curve.points),
        confidence=confidence,
        candidate_confidence=joint_confidence(confidence, len(curve.points)),
        budgets=(*curve.budgets, asked),
        first_budget=curve.first_budget,
        error_spent=own_error + 1 - confidence,
    )


def _family_notes(candidates: Candidates) -> tuple[str, ...]:
    """What the promise of another budget is, where a finished run was asked for it."""
    curve, confidence = candidates.finished, candidates.spec.confidence
    if curve is None:
        return ()
    beside = (
        "" if curve.first_budget is None else "; the promise of the run itself stands beside it, with its own error"
    )
    return (
        f"Another budget for {curve.name}: nothing was profiled or searched for. With"
        f" {100 * confidence:g} % confidence no budget, however many are asked for, delivers a point of its curve that"
        f" {'differs' if candidates.by_disagreement else 'drops'} by more: the bounds of all {len(curve.points)} points"
        f" hold together{beside}.",
    )


def _proof(candidates: Candidates, result: RunResult) -> tuple[str, ...]:
    """What was measured of the candidate for want of whose proof the budget is not met, and what would prove it."""
    trial, allowed = result.short_of_proof, result.goal.allowed_drop
    if trial is None or allowed is None:
        return ()
    pair, confidence = trial.pair, candidates.spec.confidence
    if pair.by_disagreement:
        needed = images_to_prove_disagreement(pair.samples, pair.lost, allowed, trial.confidence)
    else:
        needed = images_to_prove(pair.samples, pair.lost, pair.won, allowed, trial.confidence)
    enough = "no number of images would prove it" if needed is None else f"about {needed:,} would prove it"
    delivered = {
        True: f"it is delivered without proof, as {'the spec accepts' if candidates.given is None else 'it was given'}",
        False: f"{'the model is the original' if result.kept is None else 'a candidate that saves less is delivered'};"
        f" {FOR_MORE}",
    }[result.unproven is not None]
    return (
        f"Not proven: of the candidate that saves {percent_text(trial.candidate.memory_saving)} of the memory,"
        f" {pair.samples:,} confirmation images measure a {'disagreement' if pair.by_disagreement else 'drop'} of"
        f" {points_text(pair.drop)}, where"
        f" {100 * allowed:.2f} are allowed, but its bound with {100 * confidence:g} % confidence is"
        f" {points_text(trial.upper_bound)}; {enough} if it lost as much on them; {delivered}.",
    )


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
