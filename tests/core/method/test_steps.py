"""The progress of a run: when steps begin and end, how far they are, and that a reporter may stop it."""

from __future__ import annotations

import pytest

from primesvt_client.facts import CellFacts, StepFacts
from primesvt_client.progress import Progress, Reporter
from primesvt_core.errors import Cancelled
from primesvt_core.method.steps import Steps
from primesvt_core.types import Step

CELL = CellFacts(group="mlp", rate=0.5, accuracy=0.9, accuracy_drop=0.01)


class Recorder:
    def __init__(self) -> None:
        self.received: list[Progress] = []

    def __call__(self, progress: Progress) -> None:
        self.received.append(progress)

    @property
    def counts(self) -> list[tuple[int, int | None]]:
        return [(each.done, each.total) for each in self.received]


def test_a_step_is_reported_from_its_beginning_to_its_end() -> None:
    recorder = Recorder()
    steps = Steps(recorder)
    with steps.step(Step.PROFILE, total=3) as progress:
        progress.update(CELL)
        progress.note("image 7")
        progress.update()
        progress.update()
    assert recorder.counts == [(0, 3), (1, 3), (1, 3), (2, 3), (3, 4), (3, 3)]
    assert [each.finished for each in recorder.received] == [False] * 5 + [True]
    assert recorder.received[1].facts == CELL
    assert recorder.received[2].note == "image 7"
    assert {each.step for each in recorder.received} == {Step.PROFILE}
    assert recorder.received[-1].facts == StepFacts(seconds=round(steps.seconds["profile"], 3))


def test_a_step_of_unknown_length_ends_all_the_same() -> None:
    recorder = Recorder()
    with Steps(recorder).step(Step.SEARCH) as progress:
        progress.update()
    with Steps(recorder).step(Step.SORT):
        pass
    assert recorder.counts == [(0, None), (1, None), (1, 1), (0, None), (1, 1)]


def test_a_step_that_fails_is_not_reported_as_finished() -> None:
    recorder = Recorder()
    steps = Steps(recorder)
    with pytest.raises(ZeroDivisionError), steps.step(Step.EXPORT):
        raise ZeroDivisionError
    assert not any(progress.finished for progress in recorder.received)
    assert steps.seconds == {}


def test_a_reporter_may_stop_the_run() -> None:
    def stop(progress: Progress) -> None:
        if progress.done == 2:
            raise Cancelled("enough")

    done: list[int] = []
    with pytest.raises(Cancelled, match="enough"):
        _work(stop, done)
    assert done == [0, 1]


def _work(report_to: Reporter, done: list[int]) -> None:
    with Steps(report_to).step(Step.PROFILE, total=9) as progress:
        for number in range(9):
            done.append(number)
            progress.update()
