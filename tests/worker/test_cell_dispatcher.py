"""How many cells a child gets at once, and what a helper gets before them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from primesvt_core.workspace.store import Workspace
from worker import cell_dispatcher
from worker.cell_dispatcher import (
    BATCH_SECONDS,
    EWMA_ALPHA,
    HelperCellDispatcher,
    OwnCellDispatcher,
    Throughput,
)
from worker.persistence import NewCells
from worker.protocol import AssignmentAnswer


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


CLAIM = cast("Any", "a claim")


class Steps:
    """A store with two cells to compute."""

    def __init__(self) -> None:
        self.left, self.published, self.asked = ["search/1", "search/0"], list[dict[str, Any]](), 0

    def assist(self, _claim: object, _computed: object, _seconds: float, limit: int, **_: bool) -> dict[str, Any]:
        return {self.left.pop(): {"group": 0.5} for _ in range(min(limit, len(self.left)))}

    def common(self, claim: object) -> dict[str, Any]:
        assert claim is CLAIM
        self.asked += 1
        return {"order": [1, 0]}

    def publish(self, _claim: object, cells: Mapping[str, Any], computed: Mapping[str, Any]) -> None:
        self.published.append({"cells": [*cells], "computed": dict(computed)})

    def share(self, _claim: object, computed: Mapping[str, Any], *_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        self.published.append({"computed": dict(computed)})
        return {}, {"search/0": "1"}


def test_a_helper_gets_what_all_must_have_the_same_once_and_first(tmp_path: Path) -> None:
    steps = Steps()
    helper = HelperCellDispatcher(cast("Any", steps), CLAIM, NewCells(tmp_path), lambda: False)
    answers = [helper.next_batch() for _ in range(3)]
    assert [[*answer.to_compute] for answer in answers] == [["search/0"], ["search/1"], []]
    assert [answer.results for answer in answers] == [{"order": [1, 0]}, {}, {}]
    assert steps.asked == 1


def test_what_the_child_has_computed_is_stored_with_what_it_publishes(tmp_path: Path) -> None:
    Workspace(tmp_path).learn({"order": [1, 0], "scores/l2/g": [0.5]})
    steps = Steps()
    own = OwnCellDispatcher(cast("Any", steps), CLAIM, NewCells(tmp_path), 0.0, lambda: None, lambda: None)
    own.throughput.cell_seconds = 1.0
    own.publish({"search/0": {"group": 0.5}, "search/1": {"group": 0.9}})
    assert own.next_batch() == AssignmentAnswer(results={"search/0": "1"})
    assert steps.published == [
        {"cells": ["search/0", "search/1"], "computed": {"order": [1, 0], "scores/l2/g": [0.5]}},
        {"computed": {}},
    ]


def test_what_is_published_later_is_handed_out_as_well(tmp_path: Path) -> None:
    """A policy that asks twice waited for ever: nobody had been told of the second cells."""
    steps = Steps()
    calls: list[str] = []
    own = OwnCellDispatcher(
        cast("Any", steps), CLAIM, NewCells(tmp_path), 0.0, lambda: calls.append("help"), lambda: None
    )
    own.throughput.cell_seconds = 1.0
    for cells in (["search/0", "search/1"], ["search/0", "search/2"]):
        own.publish({cell: {"group": 0.5} for cell in cells})
        assert own.next_batch() == AssignmentAnswer(results={"search/0": "1"})
    assert [one["cells"] for one in steps.published if "cells" in one] == [
        ["search/0", "search/1"], ["search/0", "search/2"],
    ]  # fmt: skip
    assert calls == ["help", "help"]
