"""Validations take turns: who computes, who is suspended, and when one has spent enough."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worker import turns
from worker.process import Child, CpuLimitExceeded
from worker.turns import MOST_PICTURES, CpuAllowance, Entry, Turns, computing, cpu_seconds

NO_LIMIT = CpuAllowance(0)
pytestmark = pytest.mark.skipif(not turns.CAN_MEASURE, reason="processor time of another process is Linux's")


def names(teams: str) -> str:
    """Which of these, of teams named by a letter, compute."""
    queue = [Entry(team) for team in teams]
    chosen = computing(queue)
    return "".join(f"{entry.team}{queue.index(entry)}" for entry in chosen)


@pytest.mark.parametrize(
    ("queue", "expected"),
    [("", ""), ("a", "a0"), ("aa", "a0a1"), ("aab", "a0b2"), ("aaabbb", "a0b3"), ("abc", "a0b1"), ("baa", "b0a1")],
)
def test_no_team_has_both_places_while_another_waits(queue: str, expected: str) -> None:
    assert names(queue) == expected


def test_after_ten_seconds_of_processor_time_the_next_teams_have_their_turn() -> None:
    shared = Turns()
    with shared.joined("a", NO_LIMIT) as a, shared.joined("b", NO_LIMIT) as b, shared.joined("c", NO_LIMIT) as c:
        spent = dict.fromkeys("abc", 0.0)
        served: list[str] = []
        for _ in range(60):
            for turn in (a, b, c):
                if shared.may_compute(turn.entry, spent[turn.entry.team]):
                    spent[turn.entry.team] += 5.0
                    served.append(turn.entry.team)
        assert max(spent.values()) - min(spent.values()) <= turns.SLICE_SECONDS
        assert min(served.count(team) for team in "abc") >= 20


def test_pictures_allow_more_processor_time() -> None:
    allowance = CpuAllowance(60, 0.02)
    assert [allowance.seconds(pictures) for pictures in (0, 50_000, 10**9)] == [60, 1060, 60 + 0.02 * MOST_PICTURES]
    assert CpuAllowance(0, 0.02).seconds(1) == float("inf")


@pytest.fixture
def spinning(tmp_path: Path) -> Iterator[Callable[[], Child]]:
    """Starts children that compute for ever."""
    started: list[subprocess.Popen[bytes]] = []

    def start() -> Child:
        command = [sys.executable, "-c", "while True: pass"]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True))
        return Child(started[-1], tmp_path / "log")

    yield start
    for process in started:
        process.kill()
        process.communicate()


def is_suspended(child: Child) -> bool:
    return Path(f"/proc/{child.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def wait_until(condition: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def test_a_second_child_of_a_team_is_suspended_as_soon_as_another_team_comes(spinning: Callable[[], Child]) -> None:
    shared, first, second, other = Turns(), spinning(), spinning(), spinning()
    with shared.joined("a", NO_LIMIT) as one, shared.joined("a", NO_LIMIT) as two:
        assert not one.poll(first)
        assert not two.poll(second)
        with shared.joined("b", NO_LIMIT) as theirs:
            assert not theirs.poll(other)
            assert not one.poll(first)
            assert two.poll(second)
            wait_until(lambda: is_suspended(second))
            spent = cpu_seconds(second.process.pid)
            assert two.poll(second)
            assert cpu_seconds(second.process.pid) == spent
        assert not two.poll(second)
        wait_until(lambda: not is_suspended(second))
        assert two.entry.spent_seconds >= spent


def test_a_suspended_child_hears_that_it_is_to_end(spinning: Callable[[], Child]) -> None:
    shared, child = Turns(), spinning()
    with shared.joined("a", NO_LIMIT), shared.joined("b", NO_LIMIT), shared.joined("c", NO_LIMIT) as turn:
        assert turn.poll(child)
        turn.end(child)
        child.process.terminate()
        assert child.process.wait(20) < 0


def test_a_child_that_has_spent_its_time_is_stopped(spinning: Callable[[], Child]) -> None:
    child = spinning()
    with Turns().joined("a", CpuAllowance(0.1, 0.1)) as turn:
        turn.found(2)
        wait_until(lambda: cpu_seconds(child.process.pid) > 0.15)
        turn.poll(child)
        wait_until(lambda: cpu_seconds(child.process.pid) > 0.31)
        with pytest.raises(CpuLimitExceeded):
            turn.poll(child)
