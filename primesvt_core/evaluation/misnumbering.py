"""Whether classes seem to be numbered otherwise than in training, by what a model takes their images for.

A good model that is given some classes under the numbers of others takes each of these for exactly one other. A bad one
confuses classes as well, but not one to one. Free of torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

LEVEL = 1e-3
"""Probability that as many images are right by other numbers where both numberings are as good."""

FEWEST = 2
"""Classes; one alone that is taken for another is a weakness of the model."""

SHOWN = 5

Labels = NDArray[np.int64]


def moved_classes(labels: Labels, taken: Labels) -> dict[int, int]:
    """Classes that seem to have another number, each with it.

    Most images of such a class are taken for one other, and most images of no other class are. They come back to where
    they begin (one is taken for another, and that for the one), or they are half of all classes: as where labels are
    counted from 1, so that one has no images.

    Args:
        labels: ``(N,)``, at least one.
        taken: ``(N,)``, what each image is taken for.
    """
    pairs = Counter(zip(labels.tolist(), taken.tolist(), strict=True))
    sizes = Counter(labels.tolist())
    most = {label: other for (label, other), count in pairs.items() if 2 * count > sizes[label]}
    claims = Counter(most.values())
    moved = {label: other for label, other in most.items() if label != other and claims[other] == 1}
    if 2 * len(moved) < len(sizes):
        moved = {label: other for label, other in moved.items() if _comes_back(label, moved)}
    then, now = sum(pairs[each] for each in moved.items()), sum(pairs[label, label] for label in moved)
    is_clear = len(moved) >= FEWEST and float(bdtrc(then - 1, then + now, 0.5)) <= LEVEL
    return moved if is_clear else {}


def _comes_back(first: int, moved: Mapping[int, int]) -> bool:
    at = moved.get(first)
    for _ in moved:
        if at is None or at == first:
            break
        at = moved.get(at)
    return at == first


def misnumbering_notes(labels: Labels, taken: Labels, names: Sequence[str]) -> tuple[str, ...]:
    """A note where classes seem to have the numbers of others.

    Args:
        labels: ``(N,)``, at least one.
        taken: ``(N,)``, what each image is taken for.
        names: of the classes, by label; the model may have further ones.
    """
    moved = moved_classes(labels, taken)
    if not moved:
        return ()
    called = {label: names[label] if label < len(names) else f"class {label}" for label in {*moved, *moved.values()}}
    shown = ", ".join(f"{called[label]} for {called[other]}" for label, other in islice(sorted(moved.items()), SHOWN))
    more = ", ..." if len(moved) > SHOWN else ""
    numbers = np.arange(max(labels.max(), taken.max()) + 1)
    numbers[[*moved]] = [*moved.values()]
    then, now = float((numbers[labels] == taken).mean()), float((labels == taken).mean())
    return (
        f"Most images of {len(moved)} classes are taken for those of another, one to one ({shown}{more}): these classes"
        f" are probably numbered otherwise than in training. With the other numbers the accuracy would be {then:.2%}"
        f" instead of {now:.2%}; --class-order, or a list of all classes, decides.",
    )
