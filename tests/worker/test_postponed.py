"""What waits for room is tried again, later each time."""

from __future__ import annotations

import pytest

from worker.postponed import FIRST_SECONDS, LONGEST_SECONDS, Postponed


def test_it_waits_twice_as_long_each_time_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1000.0
    monkeypatch.setattr("worker.postponed.time.monotonic", lambda: at)
    waiting = Postponed()
    assert waiting.is_due("a")
    expected = FIRST_SECONDS
    for _ in range(12):
        waiting.add("a", "team")
        at += expected - 0.5
        assert not waiting.is_due("a")
        assert waiting.is_due("b")
        at += 0.5
        assert waiting.is_due("a")
        expected = min(2 * expected, LONGEST_SECONDS)
    assert expected == LONGEST_SECONDS
    waiting.add("a", "team")
    waiting.remove("a")
    assert waiting.is_due("a")


def test_a_team_waits_whose_work_does(monkeypatch: pytest.MonkeyPatch) -> None:
    at = 1000.0
    monkeypatch.setattr("worker.postponed.time.monotonic", lambda: at)
    waiting = Postponed()
    waiting.add("a", "team")
    assert waiting.teams() == {"team"}
    at += FIRST_SECONDS
    assert waiting.teams() == set()
    waiting.add("a", "team")
    waiting.remove("a")
    assert waiting.teams() == set()
