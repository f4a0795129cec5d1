"""Classes that have the numbers of others are told from classes that a bad model confuses."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from primesvt_core.evaluation.misnumbering import misnumbering_notes, moved_classes

CLASSES, EACH = 10, 12
LABELS = np.repeat(np.arange(CLASSES), EACH)
NAMES = tuple("abcdefghij")
SHIFTED = (np.arange(CLASSES) + 3) % CLASSES


def numbered(numbers: NDArray[np.int64], wrong: float = 0.0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What a model takes images for whose labels are ``numbers`` of the classes that it was trained with."""
    chance = np.random.default_rng(0)
    other = chance.integers(0, CLASSES, len(LABELS))
    return numbers[LABELS], np.where(chance.random(len(LABELS)) < wrong, other, LABELS)


@pytest.mark.parametrize("wrong", [0.0, 0.3])
@pytest.mark.parametrize(
    "numbers", [np.array([0, 2, 1, *range(3, CLASSES)]), np.array([1, 2, 0, *range(3, CLASSES)]), SHIFTED]
)
def test_every_class_that_has_another_number_is_found(numbers: NDArray[np.int64], wrong: float) -> None:
    labels, taken = numbered(numbers, wrong)
    assert moved_classes(labels, taken) == {int(now): was for was, now in enumerate(numbers) if was != now}
    [note] = misnumbering_notes(labels, taken, NAMES)
    assert f"{(taken == LABELS).mean():.2%} instead of {(labels == taken).mean():.2%}" in note


def test_labels_that_are_counted_from_1_are_found() -> None:
    assert moved_classes(LABELS + 1, LABELS) == {number + 1: number for number in range(CLASSES)}
    assert "class 2 for b" in misnumbering_notes(LABELS + 1, LABELS, NAMES[:2])[0]


@pytest.mark.parametrize(
    "taken",
    [
        LABELS,
        LABELS * 0,
        LABELS // 2 * 2,
        np.where(LABELS == 3, 5, LABELS),
        np.where(LABELS < 2, LABELS + CLASSES, LABELS),
        np.random.default_rng(1).integers(0, CLASSES, len(LABELS)),
        np.where(np.arange(len(LABELS)) % EACH < EACH // 2, LABELS, LABELS[::-1]),
    ],
    ids=["right", "one", "pairs", "two as one", "unknown classes", "guesses", "half of each"],
)
def test_what_a_model_confuses_is_not(taken: NDArray[np.int64]) -> None:
    assert moved_classes(LABELS, taken) == {}
    assert misnumbering_notes(LABELS, taken, NAMES) == ()


def test_few_images_tell_nothing() -> None:
    assert moved_classes(np.array([0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 2])) == {}
