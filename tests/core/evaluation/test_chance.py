"""Which accuracies a guess reaches: against the binomial distribution, summed term by term."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from primesvt_core.evaluation.chance import LEVEL, SHARE, Guess, best_guess, chance_notes, is_near_chance


def tail(correct: int, samples: int, guess: float) -> float:
    """P(X >= correct) of B(samples, guess)."""
    return sum(comb(samples, k) * guess**k * (1 - guess) ** (samples - k) for k in range(correct, samples + 1))


@pytest.mark.parametrize(("samples", "guess"), [(1, 0.1), (15, 0.5), (40, 0.1), (200, 0.01), (300, 0.7)])
@pytest.mark.parametrize("tried", [1, 30])
def test_what_the_binomial_distribution_reaches_is_near_chance(samples: int, guess: float, tried: int) -> None:
    for correct in range(samples):
        is_reached = tail(correct, samples, guess) > LEVEL / tried
        nearly = correct / samples <= guess + SHARE * (1 - guess)
        assert is_near_chance(correct, samples, guess, tried=tried) is (is_reached or nearly), correct
    assert not is_near_chance(samples, samples, guess, tried=tried)


@pytest.mark.parametrize(
    ("correct", "samples", "outputs", "is_near"),
    [(1057, 10_000, 10, True), (1500, 10_000, 10, True), (2400, 10_000, 10, False), (13, 15, 2, True)],
)
def test_a_model_that_was_given_something_else_is_near_chance(
    correct: int, samples: int, outputs: int, is_near: bool
) -> None:
    assert is_near_chance(correct, samples, 1 / outputs) is is_near


@pytest.mark.parametrize(
    ("labels", "outputs", "expected"),
    [
        ([0, 1, 2, 0], 4, Guess(accuracy=0.5, how="always answering ant, the most frequent class,")),
        ([0, 1, 2, 3], 3, Guess(accuracy=1 / 3, how="choosing one of 3 classes by chance")),
        ([2, 2, 2, 2], 4, Guess(accuracy=1 / 4, how="choosing one of 4 classes by chance")),
    ],
)
def test_the_better_guess_counts(labels: list[int], outputs: int, expected: Guess) -> None:
    assert best_guess(np.array(labels), ("ant", "bee", "cat", "dog"), outputs) == expected


def test_the_note_names_figures_and_reasons() -> None:
    labels = np.repeat(np.arange(10), 100)
    [note] = chance_notes(106, labels, tuple("abcdefghij"), 10)
    for told in ("10.60%", "10.00%", "1,000 images", "order", "size", "range", "family"):
        assert told in note
    assert chance_notes(500, labels, tuple("abcdefghij"), 10) == ()
    assert "that were tried" in chance_notes(150, labels, tuple("abcdefghij"), 10, tried=9)[0]
