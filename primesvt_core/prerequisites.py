"""What must be known of a model, and what a data set must be for it: enough images, and the model's classes.

From counts and names alone, without numpy, so that the API checks it before a run.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from primesvt_core.errors import DataError, SpecError

SMALLEST = 20
"""Samples without which a split is of no use."""

SHOWN = 5

WITHOUT_LABELS = (
    "without labels a limit of the disagreement takes the place of one of the accuracy (--max-disagreement,"
    " max_disagreement)"
)
"""What can be done with a data set that has none."""


def are_numbers(classes: Sequence[str]) -> bool:
    """Whether classes are called by their numbers."""
    return tuple(classes) == tuple(map(str, range(len(classes))))


def check_answered(name: str, questions: Collection[str]) -> None:
    """Refuse to compute what may be another network than a checkpoint's.

    Args:
        name: of the checkpoint, for the message.
        questions: what must be told, and was not.

    Raises:
        SpecError: with what must be told.
    """
    if questions:
        raise SpecError(f"{name} must be told: {'; '.join(questions)}", code="assumption_needed")


def check_samples(samples: int) -> None:
    """Refuse so few samples that they cannot be divided.

    Raises:
        DataError: with how many are needed.
    """
    if samples < SMALLEST:
        raise DataError(f"the data set has {samples} samples; at least {SMALLEST} are needed", code="data_too_small")


def check_labelled(name: str, *, is_labelled: bool, by_disagreement: bool) -> None:
    """Refuse a data set without labels where they count.

    Args:
        name: of the data set.
        is_labelled: whether it has labels.
        by_disagreement: whether the budget limits the disagreement, which needs none.

    Raises:
        DataError: with what can be done.
    """
    if not (is_labelled or by_disagreement):
        raise DataError(f"{name} has no labels; {WITHOUT_LABELS}", code="data_unlabelled")


def check_class_names(
    name: str,
    classes: Sequence[str],
    num_classes: int,
    *,
    allow_fewer: bool,
    beyond: Sequence[int] = (),
    lowest: int = 0,
) -> None:
    """Refuse classes whose numbers are not those of the model's outputs.

    Of a data set whose classes are called by their numbers, the highest label tells no number of classes.

    Args:
        name: of the data set, for messages.
        classes: by number.
        num_classes: outputs of the model.
        allow_fewer: whether the model may have further classes behind those of the data set.
        beyond: labels that the model has no output for, where they are known.
        lowest: of the labels, where they are known.

    Raises:
        DataError: naming the classes that do not fit.
    """
    if beyond or len(classes) > num_classes:
        names = ", ".join(classes[label] for label in (beyond or range(num_classes, len(classes)))[:SHOWN])
        is_counted = lowest and are_numbers(classes)
        counted = f". No label is 0: if they are counted from {lowest}, subtract {lowest}" if is_counted else ""
        raise DataError(
            f"{name} has {len(classes)} classes, but the model has {num_classes}; too many: {names}{counted}",
            code="data_classes",
        )
    if len(classes) < num_classes and not (allow_fewer or are_numbers(classes)):
        names = ", ".join(classes[:SHOWN]) + (", ..." if len(classes) > SHOWN else "")
        raise DataError(
            f"{name} has {len(classes)} classes ({names}), but the model has {num_classes}: numbered by their"
            " names, they would be taken for others. Add the folders of the missing classes (they may be empty), list"
            " all classes with --class-order FILE, or give --allow-fewer-classes if they are the model's first ones",
            code="data_classes",
        )
