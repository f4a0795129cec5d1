"""Rate limits counted ahead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from app.teams.limits import SHARE, RateLimiter, Rule, network_of
from tests.support.dashboard import Dashboard


def test_a_limit_counted_ahead_is_exact_for_one_process_and_strict_for_several(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, broker_url="memory://")
    first, second = (RateLimiter(settings, clock=lambda: 7.0) for _ in range(2))
    second.own = first.own  # as if both asked one broker
    rule = Rule("test", 10 * SHARE, 60)
    for number in range(1, 11):
        assert first.count(rule, "a").used == number
    assert second.count(rule, "a").used == 11
    allowed = [limiter.count(rule, "a").is_exceeded for _ in range(6 * SHARE) for limiter in (first, second)]
    passed = 11 + allowed.count(False)
    assert rule.requests - 2 * rule.requests / SHARE <= passed <= rule.requests
    exact = Rule("few", 5, 60)
    assert [first.count(exact, "b").is_exceeded for _ in range(6)] == [False] * 5 + [True]
    assert first.count(Rule("none", 0, 60), "c").is_exceeded is False


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Dashboard]:
    board = Dashboard(tmp_path)
    yield board
    board.close()


def test_neighbours_in_an_ipv6_network_are_counted_together() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("192.0.2.1") != network_of("192.0.2.2")
    assert network_of(None) == network_of("testclient") == "unknown"


def test_a_broker_that_does_not_answer_makes_each_process_count_alone(board: Dashboard) -> None:
    limiter = RateLimiter(
        board.settings.model_copy(update={"broker_url": "redis://127.0.0.1:1/0", "sign_in_attempts": 2})
    )
    assert [limiter.count(limiter.sign_ins, "me").is_exceeded for _ in range(3)] == [False, False, True]
