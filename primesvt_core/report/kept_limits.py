"""Every limit of the budget, what the delivered model has of it, and whether that keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from primesvt_client.shares import percent_text, points_text
from primesvt_core.report.confirmed import LimitFigures
from primesvt_core.spec import Budget
from primesvt_core.types import FLOAT_SLACK


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """What limits of a budget are of.

    Attributes:
        loss_bound: of the accuracy drop, or of the disagreement where that is limited, at the confidence; 0 of the
            original.
        accuracy_before: of the original, on the confirmation split; None without labels.
        memory_saving: share of the parameter memory that is gone.
        parameter_bytes: of parameters and BatchNorm buffers.
        macs: multiply-accumulates of one image.
        inference_bytes: by the schedule that needs less.
        synaptic_operations: of one image, as measured.
        stored_bytes: of the file's tensors.
        time_steps: that it runs for.
    """

    loss_bound: float
    accuracy_before: float | None
    memory_saving: float
    parameter_bytes: int
    macs: int
    inference_bytes: int
    synaptic_operations: float
    stored_bytes: int
    time_steps: int

    @property
    def accuracy_bound(self) -> float:
        """The accuracy that it has at least, at the confidence; to be asked where there are labels."""
        assert self.accuracy_before is not None  # noqa: S101  # a least accuracy is refused without labels
        return self.accuracy_before - self.loss_bound


FOUND: Mapping[str, Callable[[Delivered], float]] = {
    "max_accuracy_drop": lambda model: model.loss_bound,
    "max_disagreement": lambda model: model.loss_bound,
    "min_accuracy": lambda model: model.accuracy_bound,
    "min_memory_saving": lambda model: model.memory_saving,
    "max_parameter_bytes": lambda model: model.parameter_bytes,
    "max_macs": lambda model: model.macs,
    "max_inference_bytes": lambda model: model.inference_bytes,
    "max_synaptic_operations": lambda model: model.synaptic_operations,
    "max_stored_bytes": lambda model: model.stored_bytes,
    "max_time_steps": lambda model: model.time_steps,
}
"""By the budget's field; those that are called ``min_`` bound from below."""

BY_BOUND = ("max_accuracy_drop", "max_disagreement", "min_accuracy")
"""Of which the bound counts."""


def limit_figures(budget: Budget, model: Delivered) -> tuple[LimitFigures, ...]:
    """The limits that a budget has, in the order of its fields."""
    return tuple(_figures(budget, model))


def _figures(budget: Budget, model: Delivered) -> Iterator[LimitFigures]:
    for name, find in FOUND.items():
        allowed = getattr(budget, name)
        if allowed is not None:
            found = find(model)
            beyond = allowed - found if name.startswith("min_") else found - allowed
            yield LimitFigures(name=name, allowed=allowed, delivered=found, kept=beyond <= FLOAT_SLACK)


def broken_notes(limits: tuple[LimitFigures, ...]) -> Iterator[str]:
    """Of every limit that the delivered model does not keep, that it does not."""
    for limit in limits:
        if not limit.kept:
            yield f"{limit.name} is not kept: the budget has {_text(limit.name, limit.allowed)}, {_has(limit)}."


def _has(limit: LimitFigures) -> str:
    found = _text(limit.name, limit.delivered)
    if limit.name in BY_BOUND:
        return f"and the bound of the delivered model is {found}"
    return f"and the delivered model has {found}"


def _text(name: str, value: float) -> str:
    if name == "max_accuracy_drop":
        return points_text(value)
    if name in ("max_disagreement", "min_accuracy", "min_memory_saving"):
        return percent_text(value)
    return f"{round(value):,}"
