"""What fine-tuning did to the delivered model, for the report."""

from __future__ import annotations

import math

from primesvt_core.method.candidates import Candidates
from primesvt_core.method.export import ExportedModel
from primesvt_core.method.recovered import Compared, Recovered
from primesvt_core.method.result import RunResult
from primesvt_core.promise.bounds import drop_upper_bound
from primesvt_core.promise.family import joint_confidence
from primesvt_core.report.by_disagreement import compared_figures
from primesvt_core.report.schema import ComparedFigures, FineTuningFigures, RecoveryFigures
from primesvt_core.types import FLOAT_SLACK


def fine_tuning_figures(candidates: Candidates, result: RunResult, exported: ExportedModel) -> FineTuningFigures | None:
    """Of the delivered model; None if it was not fine-tuned.

    Args:
        candidates: of the run.
        result: of the run.
        exported: the delivered model.
    """
    rates = result.point.rates
    if candidates.training is None:
        return None
    images = len(candidates.training.indices)
    learned = candidates.recovered.get(candidates.name(rates)) if rates else None
    if learned is not None:
        begun = math.ceil(learned.steps * candidates.spec.fine_tuning.batch_size / max(images, 1))
        return FineTuningFigures(
            epochs=begun,
            images=images,
            losses=learned.losses,
            recovery=_recovery(candidates, learned, exported, len(result.tested)),
        )
    losses = exported.pruned.losses
    return FineTuningFigures(epochs=len(losses), images=images, losses=losses) if losses else None


def recovery_notes(candidates: Candidates) -> tuple[str, ...]:
    """What else fine-tuning by time had to do with."""
    notes = []
    for learned in candidates.recovered.values():
        if not learned.is_kept:
            notes.append("Fine-tuning brought a candidate no nearer to the original: it was kept as it was before.")
    return tuple(dict.fromkeys(notes))


def _recovery(candidates: Candidates, learned: Recovered, exported: ExportedModel, tested: int) -> RecoveryFigures:
    settings, by_disagreement = candidates.spec.fine_tuning, candidates.by_disagreement
    recovered, proven = _recovered(candidates, exported, tested)
    return RecoveryFigures(
        steps=learned.steps,
        planned_steps=learned.planned,
        seconds=learned.seconds,
        labels=settings.has_labels,
        before=_compared(learned.before, by_disagreement),
        after=_compared(learned.after, by_disagreement),
        kept=learned.is_kept,
        recover_to=settings.recover_to,
        recovered=recovered,
        proven=proven,
    )


def _recovered(candidates: Candidates, exported: ExportedModel, tested: int) -> tuple[bool | None, bool | None]:
    """Whether the delivered model reaches the accuracy that was asked for, and whether a bound says so."""
    wanted, by_labels = candidates.spec.fine_tuning.recover_to, exported.predicted.by_labels
    if wanted is None or by_labels is None:
        return None, None
    before, after = (sum(right) / len(right) for right in (by_labels.before, by_labels.after))
    # Which candidate is delivered was chosen on the same images: the bounds of all that were tested hold together.
    bound = drop_upper_bound(by_labels.pair, joint_confidence(candidates.spec.confidence, max(tested, 1)))
    return after >= wanted - FLOAT_SLACK, before - bound >= wanted - FLOAT_SLACK


def _compared(found: Compared, by_disagreement: bool) -> ComparedFigures:
    losses = compared_figures(found.accuracy, (found.lost - found.won) / found.samples, by_disagreement)
    return ComparedFigures(divergence=found.divergence, samples=found.samples, **losses)
