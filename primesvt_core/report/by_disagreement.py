"""What a report says where a disagreement is promised: no accuracy but what labels tell, if there are any."""

from __future__ import annotations

from collections.abc import Iterator

from primesvt_core.evaluation.splits import SplitImages
from primesvt_core.method.confirmation import Trial
from primesvt_core.method.predicted import Predicted
from primesvt_core.report.schema import DifferingImage


def compared_figures(accuracy: float, drop: float, by_disagreement: bool) -> dict[str, float | None]:
    """What was measured on the search split, as the fields of a report.

    Args:
        accuracy: by labels, or how often the original's word was kept.
        drop: likewise.
        by_disagreement: whether it is the latter.
    """
    if by_disagreement:
        return {"accuracy": None, "accuracy_drop": None, "disagreement": drop}
    return {"accuracy": accuracy, "accuracy_drop": drop, "disagreement": None}


def tested_figures(trial: Trial | None) -> dict[str, float | None]:
    """What the test of a candidate found, likewise; nothing of one that was not tested."""
    if trial is None:
        return {}
    if trial.pair.by_disagreement:
        return {"confirmed_disagreement": trial.pair.drop, "disagreement_upper_bound": trial.upper_bound}
    return {"confirmed_drop": trial.pair.drop, "drop_upper_bound": trial.upper_bound}


def differing_images(images: SplitImages, found: Predicted) -> tuple[DifferingImage, ...]:
    """The confirmation images of which both models say different things, where a disagreement is promised."""
    files = images.data.files
    return tuple(
        DifferingImage(index=index, name=files[index] if files else None, class_before=before, class_after=after)
        for index, before, after in zip(images.splits.confirmation, found.before, found.after, strict=False)
        if before != after
    )


def disagreement_notes(found: Predicted) -> Iterator[str]:
    """What the disagreement says of the accuracy."""
    pair = found.pair
    if not pair.by_disagreement:
        return
    if found.by_labels is not None:
        yield (
            "The disagreement with the original is what was searched for, tested and promised: the labels told the"
            " accuracies in this report, and decided nothing."
        )
    elif pair.lost:
        yield (
            f"The delivered model and the original predict different classes for {pair.lost:,} of {pair.samples:,}"
            " confirmation images. Accuracy can be lost on these alone: with their labels the drop on this split is"
            " known exactly. primesvt label-list names them."
        )
