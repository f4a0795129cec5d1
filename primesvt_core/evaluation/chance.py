"""Whether an accuracy tells that a model has seen anything: a guess reaches some accuracy, too.

A model that was given pixels of another scale, classes in another order or the data of another model computes without
an error, and guesses. Free of torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

LEVEL = 1e-3
"""Of a thousand models that guess, one may be taken for a model that does not."""

SHARE = 0.1
"""An accuracy is near a guess's within this share of what lies between it and being always right, however many images
there are: data of another kind than the model's is often told apart a little."""

REASONS = (
    "Likely reasons: classes numbered in another order than in training (--class-order), pictures of another size,"
    " normalisation or range of values (--resize, --crop, --mean, --std, --value-range), wrong assumptions or another"
    " family than it looks like (inspect --data tries choices), or the data of another model."
)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """The better of two ways to guess.

    Attributes:
        accuracy: that it reaches.
        how: for people.
    """

    accuracy: float
    how: str


def best_guess(labels: NDArray[np.int64], names: Sequence[str], outputs: int) -> Guess:
    """What guessing reaches on images: ``max(1 / outputs, share of the most frequent class)``.

    Where all images are of one class, which is always right tells nothing: one of the outputs by chance it is then.

    Args:
        labels: ``(N,)``, at least one.
        names: of the classes, by label.
        outputs: classes of the model.
    """
    counts = np.bincount(labels)
    most = int(counts.argmax())
    share = float(counts[most] / len(labels))
    if share < 1 and share > 1 / outputs:
        return Guess(accuracy=share, how=f"always answering {names[most]}, the most frequent class,")
    return Guess(accuracy=1 / outputs, how=f"choosing one of {outputs} classes by chance")


def is_near_chance(correct: int, samples: int, guess: float, *, tried: int = 1) -> bool:
    """Whether guessing reaches an accuracy, or nearly; being right on all images it is never taken for.

    It does if the upper tail of the binomial distribution, ``P(X >= correct)`` with ``X ~ B(samples, guess)``, is above
    ``LEVEL / tried``: the one-sided lower bound of the accuracy (Clopper and Pearson) is then not above ``guess``. It
    nearly does if ``correct / samples <= guess + SHARE * (1 - guess)``.

    Args:
        correct: images on which the model is right.
        samples: images.
        guess: probability that a guess is right.
        tried: models of which this is the best one.
    """
    if correct == samples:
        return False
    reached = float(bdtrc(correct - 1, samples, guess)) if correct else 1.0
    return reached > LEVEL / tried or correct / samples <= guess + SHARE * (1 - guess)


def chance_notes(
    correct: int, labels: NDArray[np.int64], names: Sequence[str], outputs: int, *, tried: int = 1
) -> tuple[str, ...]:
    """A note where an accuracy is near what guessing reaches, with the likely reasons.

    Args:
        correct: images on which the model is right, of those with ``labels``.
        labels: ``(N,)``.
        names: of the classes, by label.
        outputs: classes of the model.
        tried: models of which this is the best one.
    """
    guess = best_guess(labels, names, outputs)
    if not is_near_chance(correct, len(labels), guess.accuracy, tried=tried):
        return ()
    what = "The accuracy of" if tried == 1 else f"The best accuracy of {tried} that were tried,"
    return (
        f"{what} {correct / len(labels):.2%} is near chance: {guess.how} is right on"
        f" {guess.accuracy:.2%} of these {len(labels):,} images. {REASONS}",
    )
