"""What must be known of a model, and what a data set must be for it, from counts and names."""

from __future__ import annotations

import pytest

from primesvt_core.errors import DataError, SpecError
from primesvt_core.prerequisites import SMALLEST, are_numbers, check_answered, check_class_names, check_samples


def test_classes_called_by_their_numbers_are_told() -> None:
    assert are_numbers(("0", "1", "2"))
    assert not are_numbers(("1", "2", "3"))
    assert not are_numbers(("00", "01"))


def test_samples_must_be_enough_to_divide() -> None:
    check_samples(SMALLEST)
    with pytest.raises(DataError, match=f"at least {SMALLEST}"):
        check_samples(SMALLEST - 1)


def test_questions_must_be_answered() -> None:
    check_answered("m.pth", [])
    with pytest.raises(SpecError, match=r"m\.pth must be told: first; second"):
        check_answered("m.pth", ["first", "second"])


def test_labels_beyond_the_model_are_named() -> None:
    with pytest.raises(DataError, match=r"too many: c$"):
        check_class_names("set", ("a", "b", "c", "d"), 2, allow_fewer=True, beyond=[2])
    with pytest.raises(DataError, match=r"too many: c, d$"):
        check_class_names("set", ("a", "b", "c", "d"), 2, allow_fewer=True)
