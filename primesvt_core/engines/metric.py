"""What counts as right, where that is not the class with the highest logit: a rule of the caller's, image by image.

A promise counts images: each is right or wrong, whatever the others are, and how many of unseen ones become wrong
follows from that alone. So a rule is of one image. What is of many at once (F1, AUC, mean average precision) or no yes
and no (a loss, a distance) has no such bound, and is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from primesvt_core.errors import SpecError

Rule = Callable[[Tensor, int], bool]
"""Whether logits ``(num_classes,)``, float32 on the CPU, are right for an image with that label."""

PROBES = 512
"""Drawn logits by which a rule is known again; functions have no digest."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A rule of the caller's and its name, for people."""

    name: str
    rule: Rule

    def right(self, logits: Tensor, labels: Tensor) -> tuple[bool, ...]:
        """Of every image whether it is right.

        Args:
            logits: ``(B, num_classes)``.
            labels: ``(B,)``.

        Raises:
            SpecError: if the rule says anything else than yes or no.
        """
        pairs = zip(logits.detach().float().cpu(), labels.tolist(), strict=True)
        return tuple(self._truth(self.rule(row, int(label))) for row, label in pairs)

    def _truth(self, said: object) -> bool:
        """Yes or no, also numpy's and torch's."""
        value = said.item() if hasattr(said, "item") and getattr(said, "ndim", None) == 0 else said
        if isinstance(value, bool):
            return value
        raise SpecError(
            f"the metric {self.name} says {type(said).__name__} {str(said)[:40]} of an image; a metric says of the"
            " logits and the label of one image whether it is right, True or False. What is promised is how many images"
            " become wrong: no bound holds for a loss, a score, or a figure of many images at once, as F1 or AUC",
            code="metric",
        )

    @cached_property
    def _answers(self) -> dict[int, str]:
        return {}

    def digest(self, num_classes: int) -> str:
        """The same for rules that say the same of drawn logits.

        Raises:
            SpecError: if the rule does not say the same each time.
        """
        if num_classes not in self._answers:
            first, second = (self._probed(num_classes) for _ in range(2))
            if first != second:
                raise SpecError(
                    f"the metric {self.name} does not say the same of the same image each time; give one that draws"
                    " nothing by chance and remembers nothing",
                    code="metric",
                )
            self._answers[num_classes] = hashlib.sha256(bytes(first)).hexdigest()
        return self._answers[num_classes]

    def _probed(self, num_classes: int) -> tuple[bool, ...]:
        logits = 3 * torch.randn(PROBES, num_classes, generator=torch.Generator().manual_seed(0))
        return self.right(logits, torch.arange(PROBES) % num_classes)


@runtime_checkable
class Judged(Protocol):
    """Images that bring what counts as right."""

    @property
    def metric(self) -> Metric | None:
        """None where the highest logit does."""


def metric_of(images: object) -> Metric | None:
    """What counts as right on images; None where the highest logit does."""
    return images.metric if isinstance(images, Judged) else None


def right_of(metric: Metric | None, logits: Tensor, labels: Tensor) -> tuple[bool, ...]:
    """Of every image whether it is right.

    Args:
        metric: what counts as right; None where the highest logit does, of equal ones the first.
        logits: ``(B, num_classes)``.
        labels: ``(B,)``.
    """
    if metric is not None:
        return metric.right(logits, labels)
    return tuple((logits.argmax(1).cpu() == labels).tolist())
