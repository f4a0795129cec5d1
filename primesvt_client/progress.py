"""How a run reports its progress.

A reporter is any function that takes a `Progress`. It may raise `Cancelled` to stop the run between two evaluations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import Field

from primesvt_client.facts import NO_FACTS, Facts, ProgressFacts
from primesvt_client.states import Step


class Progress(Facts):
    """One report: ``done`` of ``total`` units of ``step`` are finished.

    Attributes:
        step: text where another version has a step that this one has not.
        done: units finished.
        total: None if nobody can know.
        note: what goes on within the unit.
        facts: what was just measured.
    """

    step: Annotated[Step | str, Field(union_mode="left_to_right")]
    done: int = 0
    total: int | None = None
    note: str = ""
    facts: ProgressFacts = NO_FACTS

    def __str__(self) -> str:
        """In a few words: ``profile: 3 of 10, image 32 of 200``."""
        units = [] if self.total is None else [f"{self.done} of {self.total}"]
        parts = [*units, *([self.note] if self.note else [])]
        return f"{self.step}: {', '.join(parts) or '...'}"

    @property
    def finished(self) -> bool:
        """Whether the step is over."""
        return self.total is not None and self.done >= self.total


Reporter = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """Report to nobody."""
