"""How a run tells what it is doing.

A reporter is any function that takes a `Progress`. It may raise `Cancelled` to stop the run between two evaluations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from primesvt_client.states import Step


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One report: ``done`` of ``total`` units of ``step`` are finished.

    ``facts`` carries what dashboards draw live: of a profile cell ``{group, rate, accuracy, accuracy_drop}``, of an
    accepted search step ``{group, rate, accuracy, memory_saving}``, of a finished step its figures.
    """

    step: Step
    done: int
    total: int | None = None
    note: str = ""
    facts: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether the step is over."""
        return self.total is not None and self.done >= self.total


Reporter = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""
