"""How many cells a child gets at once."""

from __future__ import annotations

import pytest

from worker import cell_dispatcher
from worker.cell_dispatcher import BATCH_SECONDS, EWMA_ALPHA, Throughput


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cell_dispatcher, "time", clock)
    return clock


def computed(throughput: Throughput, clock: Clock, cells: int, seconds: float) -> None:
    throughput.begin_batch(cells)
    clock.seconds += seconds
    throughput.end_batch()


def test_batches_take_about_the_same_time(clock: Clock) -> None:
    throughput = Throughput(_batch_began=0.0)
    throughput.end_batch()  # nothing was dispatched yet
    assert (throughput.cell_seconds, throughput.batch_size) == (None, 1)
    computed(throughput, clock, 1, 0.5)
    assert throughput.cell_seconds == 0.5
    assert throughput.batch_size == round(BATCH_SECONDS / 0.5)
    computed(throughput, clock, 10, 20.0)
    assert throughput.cell_seconds == pytest.approx(EWMA_ALPHA * 2.0 + (1 - EWMA_ALPHA) * 0.5)
    computed(throughput, clock, 1, 1000.0)
    assert throughput.batch_size == 1
