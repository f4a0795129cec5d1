"""Reporting where a run is, and timing its steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from primesvt_client.facts import NO_FACTS, ProgressFacts, StepFacts
from primesvt_client.progress import Progress, Reporter
from primesvt_core.types import Step


class StepProgress:
    """Reports the progress of one step, whose units are counted as they are done."""

    def __init__(self, report_to: Reporter, step: Step, total: int | None) -> None:
        self.report_to, self.step, self.total, self.done = report_to, step, total, 0

    def update(self, facts: ProgressFacts = NO_FACTS, message: str = "", *, done: int | None = None) -> None:
        """Report that one more unit is done, or ``done`` of them are."""
        self.done = self.done + 1 if done is None else done
        total = None if self.total is None else max(self.total, self.done + 1)  # only `finish` finishes a step
        self.report_to(Progress(step=self.step, done=self.done, total=total, note=message, facts=facts))

    def report(self, facts: ProgressFacts) -> None:
        """Report facts within the current unit."""
        self.update(facts, done=self.done)

    def note(self, message: str) -> None:
        """Report what goes on within the current unit."""
        self.update(message=message, done=self.done)

    def as_share_of(self, units: int) -> Callable[[float], None]:
        """Receives which share of so many units is done, and reports every unit that is new."""

        def advance(share: float) -> None:
            if int(share * units) > self.done:
                self.update(done=int(share * units))

        return advance

    def finish(self, facts: StepFacts) -> None:
        """Report that the step is over."""
        self.report_to(Progress(step=self.step, done=max(self.done, 1), total=max(self.done, 1), facts=facts))


class Steps:
    """The steps of one run, reported as they begin and end.

    Attributes:
        seconds: that every finished step took.
    """

    def __init__(self, report_to: Reporter) -> None:
        self.report_to = report_to
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, step: Step, total: int | None = None) -> Iterator[StepProgress]:
        """Report that ``step`` begins, and that it is over unless it raises.

        Args:
            step: which one.
            total: its units, where they are known beforehand.
        """
        progress = StepProgress(self.report_to, step, total)
        progress.update(done=0)
        began = time.perf_counter()
        yield progress
        self.seconds[step.value] = time.perf_counter() - began
        progress.finish(StepFacts(seconds=round(self.seconds[step.value], 3)))
