"""The original beside what guessing reaches: refused, noted, or a budget that allows as little."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from primesvt_core.data import Preprocessing, Splits
from primesvt_core.errors import BaselineNearChance
from primesvt_core.method.baseline import Seen, baseline_notes, check_above_chance
from primesvt_core.types import Assumption

LABELS = np.array([0] * 70 + [1] * 30)
RIGHT = Seen(LABELS, LABELS)


def candidates() -> Any:
    """As much of them as is looked at: 100 images confirm, 70 of them of the first of two classes."""
    data = SimpleNamespace(name="set", classes=("well", "ill"), labels=LABELS)
    splits = Splits(calibration=(), search=(), confirmation=tuple(range(100)))
    assumed = (Assumption(field="time_steps", value=4, source="default"),)
    return SimpleNamespace(
        images=SimpleNamespace(data=data, splits=splits, preprocessing=Preprocessing()),
        config=SimpleNamespace(num_classes=2),
        inspection=SimpleNamespace(assumptions=assumed),
    )


def test_an_original_that_guesses_is_refused_with_what_was_assumed() -> None:
    check_above_chance(candidates(), 0.7, 100)
    with pytest.raises(BaselineNearChance, match=r"reaches 52\.00% on set, where guessing gives 50\.00%") as refusal:
        check_above_chance(candidates(), 0.52, 100)
    assert "time_steps=4 (from default)" in refusal.value.message
    assert "inspect --data tries choices" in refusal.value.message


def test_one_that_is_no_better_than_the_most_frequent_class_is_noted() -> None:
    [note] = baseline_notes(candidates(), 0.72, 0.01, RIGHT)
    assert "72.00% is near chance: always answering well, the most frequent class, is right on 70.00%" in note
    assert baseline_notes(candidates(), 0.95, 0.01, RIGHT) == ()


def test_a_budget_that_guessing_meets_is_noted() -> None:
    [note] = baseline_notes(candidates(), 0.95, 0.25, RIGHT)
    assert "allows an accuracy of 70.00%" in note
    assert baseline_notes(candidates(), 0.95, 0.24, RIGHT) == ()
    assert baseline_notes(candidates(), 0.95, None, RIGHT) == ()


def test_classes_that_are_taken_for_each_other_are_noted() -> None:
    [note] = baseline_notes(candidates(), 0.95, 0.01, Seen(LABELS, 1 - LABELS))
    assert "well for ill, ill for well" in note
