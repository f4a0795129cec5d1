"""What a policy is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from primesvt_core.types import FLOAT_SLACK, CurvePoint, Outcome, Rates

Evaluate = Callable[[Rates], Outcome]
"""Accuracy on the search split and memory of the model pruned at the given rates."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What a policy must solve.

    Attributes:
        candidates: rates to try of every targeted group, ascending; the groups in the order of the sorting.
        start: the unpruned model.
        allowed_drop: largest loss of accuracy on the search split.
        target_bytes: parameter memory to reach; None to save as much as the allowed drop lets.
        memory: parameter memory in bytes at the given rates; costs nothing.
    """

    candidates: Mapping[str, tuple[float, ...]]
    start: CurvePoint
    allowed_drop: float
    target_bytes: int | None
    memory: Callable[[Rates], int]

    def keeps_floor(self, accuracy_drop: float) -> bool:
        """Whether a loss is allowed."""
        return accuracy_drop <= self.allowed_drop + FLOAT_SLACK

    def reaches_target(self, parameter_bytes: int) -> bool:
        """Whether the memory target, if there is one, is met."""
        return self.target_bytes is not None and parameter_bytes <= self.target_bytes


Policy = Callable[[Problem, Evaluate], tuple[CurvePoint, ...]]
"""Returns the accepted steps, the unpruned model first and the result last. Must keep within ``allowed_drop``."""
