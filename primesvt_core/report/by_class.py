"""What a report says of single classes."""

from __future__ import annotations

from collections.abc import Sequence

from primesvt_client.shares import percent_text, points_text
from primesvt_core.promise.classes import ERROR, MANY_TIMES, OfClass, losing_classes
from primesvt_core.report.schema import ClassFigures

NAMED = 5
"""Classes that a note names; of more it tells the number."""


def class_figures(classes: Sequence[OfClass], names: Sequence[str]) -> tuple[ClassFigures, ...]:
    """Every class as the report has it.

    Args:
        classes: by number.
        names: of the data set's classes, by number; those beyond are called by their numbers.
    """
    return tuple(
        ClassFigures(
            name=_name(each.label, names),
            images=each.pair.samples,
            right_before=each.right_before,
            right_after=each.right_after,
        )
        for each in classes
    )


def class_notes(classes: Sequence[OfClass], names: Sequence[str]) -> tuple[str, ...]:
    """A note where classes lose more than `MANY_TIMES` what all images lose, beyond noise."""
    losing = losing_classes(classes)
    if not losing:
        return ()
    told = ", ".join(
        f"{_name(each.label, names)} ({points_text(each.pair.drop)} of {each.pair.samples:,} images)"
        for each in losing[:NAMED]
    )
    others = f" and {len(losing) - NAMED:,} more" if len(losing) > NAMED else ""
    overall = sum(each.pair.lost - each.pair.won for each in classes) / sum(each.pair.samples for each in classes)
    return (
        f"{'A class loses' if len(losing) == 1 else f'{len(losing):,} classes lose'} more than {MANY_TIMES} times the"
        f" drop of all confirmation images, which is {points_text(overall)}: {told}{others}. Their paired lower bounds"
        f" are above that, at a joint error of {percent_text(ERROR)} over {len(classes):,} classes (Bonferroni).",
    )


def _name(label: int, names: Sequence[str]) -> str:
    return names[label] if label < len(names) else str(label)
