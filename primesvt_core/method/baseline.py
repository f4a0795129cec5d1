"""Whether pruning the original can be measured: what it reaches, beside what guessing does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from primesvt_core.errors import BaselineNearChance
from primesvt_core.evaluation.chance import REASONS, best_guess, chance_notes, is_near_chance
from primesvt_core.evaluation.misnumbering import misnumbering_notes
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.judging import metric_note
from primesvt_core.method.own_answers import original_classes


@dataclass(frozen=True)
class Seen:
    """Images, each with its label and what the original takes it for: ``(N,)`` each."""

    labels: NDArray[np.int64]
    taken: NDArray[np.int64]


SAME_CLASS = 0.9
"""Share of images without labels that the original takes for one class, from which on a note doubts it."""


def check_above_chance(candidates: Candidates, accuracy: float, samples: int) -> None:
    """Refuse an original that guesses on images of the search split: nothing can be learned from pruning it.

    What it reaches is compared with ``1 / classes``: a good model of a data set in which one class is most frequent may
    be hardly better than always answering that one, which `baseline_notes` says.

    Raises:
        BaselineNearChance: with what was assumed.
    """
    classes, images = candidates.config.num_classes, candidates.images
    if is_near_chance(round(accuracy * samples), samples, 1 / classes):
        assumed = ", ".join(f"{a.field}={a.value} (from {a.source})" for a in candidates.inspection.assumptions)
        raise BaselineNearChance(
            f"the original model reaches {accuracy:.2%} on {images.data.name}, where guessing gives"
            f" {1 / classes:.2%}: the data set, its preprocessing or what was assumed does not fit."
            f" Assumed: {assumed or 'nothing'}; preprocessing: {images.preprocessing.model_dump_json()}. {REASONS}"
        )


def check_baseline(candidates: Candidates, seen: Seen) -> None:
    """The same, where there are labels.

    Args:
        candidates: of the run.
        seen: images by which candidates are compared.
    """
    if candidates.images.data.is_labelled:
        check_above_chance(candidates, float(np.mean(seen.labels == seen.taken)), len(seen.labels))


def doubts(candidates: Candidates, allowed_drop: float | None, seen: Seen) -> tuple[str, ...]:
    """What is doubtful of an original, or of a budget; without labels what nobody can tell.

    Args:
        candidates: of the run.
        allowed_drop: of the budget; None without a limit.
        seen: images by which candidates are compared.
    """
    if (metric := candidates.images.metric) is not None:
        of_model = misnumbering_notes(seen.labels, seen.taken, candidates.images.data.classes)
        return (metric_note(metric), *(f"Of the original model: {note}" for note in of_model))
    if not candidates.by_disagreement:
        return baseline_notes(candidates, candidates.original_accuracy(), allowed_drop, seen)
    taken = np.array(original_classes(candidates)[-1])
    if not candidates.images.data.is_labelled:
        return unlabelled_notes(taken)
    right = taken == candidates.images.data.labels[[*candidates.images.splits.confirmation]]
    return baseline_notes(candidates, float(right.mean()), allowed_drop, seen)


def unlabelled_notes(taken: NDArray[np.int64]) -> tuple[str, ...]:
    """What no accuracy tells without labels, and where predictions look wrong all the same.

    Args:
        taken: ``(N,)``, what the original takes the confirmation images for.
    """
    number, share = int(np.bincount(taken).argmax()), float(np.bincount(taken).max() / len(taken))
    found = [
        "The images have no labels: no accuracy tells whether they are the model's, and are read as it was trained. Of"
        " the original nothing is measured but what it predicts."
    ]
    if share >= SAME_CLASS:
        found.append(
            f"The original takes {share:.2%} of the confirmation images for class {number}: models that predict hardly"
            " anything else agree whatever they have lost. Are these the model's images, with the right preprocessing"
            " and assumptions?"
        )
    return tuple(found)


def baseline_notes(candidates: Candidates, accuracy: float, allowed_drop: float | None, seen: Seen) -> tuple[str, ...]:
    """What is doubtful of an original, or of a budget, beside what guessing reaches on the confirmation split.

    Args:
        candidates: of the run.
        accuracy: of the original, on the confirmation split.
        allowed_drop: of the budget; None without a limit.
        seen: what the original takes images for.
    """
    data, outputs = candidates.images.data, candidates.config.num_classes
    labels = data.labels[np.asarray(candidates.images.splits.confirmation)]
    near = chance_notes(round(accuracy * len(labels)), labels, data.classes, outputs)
    of_original = [*misnumbering_notes(seen.labels, seen.taken, data.classes), *near]
    notes = [f"Of the original model: {note}" for note in of_original]
    guess = best_guess(labels, data.classes, outputs)
    floor = accuracy - (allowed_drop or 0.0)
    if not near and allowed_drop is not None and floor <= guess.accuracy:
        notes.append(
            f"The budget allows an accuracy of {max(floor, 0.0):.2%}, which needs no model: {guess.how} is right on"
            f" {guess.accuracy:.2%} of the confirmation images. Allow a smaller drop."
        )
    return tuple(notes)
