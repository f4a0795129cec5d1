"""Which classes pay for pruning: what both models get right class by class, and where one loses more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primesvt_core.promise.bounds import Paired, drop_lower_bound, paired

MANY_TIMES = 3
"""A class that loses more than so many times what all images lose is told."""

ERROR = 0.05
"""Probability that any class at all is told by chance."""


@dataclass(frozen=True, kw_only=True)
class OfClass:
    """What two models get right of the images of one class.

    Attributes:
        label: number of the class.
        pair: images, and what only one of both gets right.
        right_before: images that the original gets right.
    """

    label: int
    pair: Paired
    right_before: int

    @property
    def right_after(self) -> int:
        """Images that the pruned model gets right."""
        return self.right_before - self.pair.lost + self.pair.won


def by_class(labels: Sequence[int], before: Sequence[bool], after: Sequence[bool]) -> tuple[OfClass, ...]:
    """Count every class that has images, by number.

    Args:
        labels: of every image.
        before: whether the original is right on it.
        after: whether the pruned model is.
    """
    members: dict[int, list[tuple[bool, bool]]] = {}
    for label, right, still in zip(labels, before, after, strict=True):
        members.setdefault(int(label), []).append((right, still))
    return tuple(_of_class(label, members[label]) for label in sorted(members))


def _of_class(label: int, rights: Sequence[tuple[bool, bool]]) -> OfClass:
    before, after = [right for right, _ in rights], [still for _, still in rights]
    return OfClass(label=label, pair=paired(before, after), right_before=sum(before))


def losing_classes(classes: Sequence[OfClass]) -> tuple[OfClass, ...]:
    """Classes that lose more than `MANY_TIMES` what all images lose, beyond noise; those that lose most first.

    For each the paired lower bound of the class's true drop (`drop_lower_bound`: exact below 500 images) must be above
    that. The bounds hold together with probability 1 - `ERROR`, each with an equal share of it (Bonferroni over the
    classes that have images). The drop of all images is taken as it was measured, and as nothing where it is negative.
    """
    pairs = [each.pair for each in classes]
    samples = sum(pair.samples for pair in pairs)
    limit = MANY_TIMES * max(0.0, sum(pair.lost - pair.won for pair in pairs) / samples) if samples else 0.0
    confidence = 1 - ERROR / max(1, len(classes))
    # A bound is never above the drop that was measured: of most classes it need not be computed.
    found = [
        each for each in classes if each.pair.drop > limit and drop_lower_bound(each.pair, confidence) > limit
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (-each.pair.drop, each.label)))
