"""Telling the reporter where a run is, and timing its steps."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import JsonValue

from primesvt_client.progress import Progress, Reporter
from primesvt_core.types import Step


class Teller:
    """Reports the progress of one step; units are counted by being told."""

    def __init__(self, report_to: Reporter, step: Step, total: int | None) -> None:
        self.report_to, self.step, self.total, self.done = report_to, step, total, 0

    def tell(self, facts: Mapping[str, JsonValue] | None = None, note: str = "", *, done: int | None = None) -> None:
        """One more unit is done, or ``done`` of them are."""
        self.done = self.done + 1 if done is None else done
        total = None if self.total is None else max(self.total, self.done + 1)  # only `finish` finishes a step
        self.report_to(Progress(step=self.step, done=self.done, total=total, note=note, facts=facts or {}))

    def say(self, note: str) -> None:
        """Something goes on within the current unit."""
        self.tell(note=note, done=self.done)

    def finish(self, facts: Mapping[str, JsonValue]) -> None:
        """The step is over."""
        self.report_to(Progress(step=self.step, done=max(self.done, 1), total=max(self.done, 1), facts=facts))


class Steps:
    """The steps of one run, reported as they begin and end."""

    def __init__(self, report_to: Reporter) -> None:
        self.report_to = report_to
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, step: Step, total: int | None = None) -> Iterator[Teller]:
        """Report that ``step`` begins, and that it is over unless it raises."""
        teller = Teller(self.report_to, step, total)
        teller.tell(done=0)
        began = time.perf_counter()
        yield teller
        self.seconds[step.value] = time.perf_counter() - began
        teller.finish({"seconds": round(self.seconds[step.value], 3)})
