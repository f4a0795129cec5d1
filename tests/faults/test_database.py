"""PostgreSQL restarted, gently and not, during heartbeats and commits."""

from __future__ import annotations

import random
import time

from app.jobs.states import JobState
from primesvt_client import ClientError
from primesvt_client.connection import is_temporary
from tests.support.fleet import Fleet
from tests.support.invariants import all_over, check
from tests.support.servers import OwnPostgres, until

JOBS, RESTARTS = 12, 8
BUSY = {"PYTHON_STUB_CELLS": "20", "PYTHON_STUB_CELL_SECONDS": "0.05", "PRIMESVT_HEARTBEAT_SECONDS": "0.05"}


def patiently(team: Fleet, inputs: tuple[str, str], key: str) -> None:
    """Submit as a client does whose answer may get lost: again, with the same key."""
    while True:
        try:
            team.client.submit(*inputs, {"budget": {"max_accuracy_drop": 0.03}}, idempotency_key=key)
        except ClientError as error:
            if not is_temporary(error):
                raise
        else:
            return


def test_what_is_started_while_the_database_is_away_waits_for_it(
    team: Fleet, postgres: OwnPostgres, inputs: tuple[str, str]
) -> None:
    postgres.stop()
    late = team.worker(), team.reconciler()
    until(lambda: all("database_away" in part.log.read_text() for part in late), "nobody waits", 60)
    postgres.start()
    patiently(team, inputs, "key")
    until(lambda: all_over(team), "the job does not end", 60)
    assert [*check(team).values()] == [JobState.SUCCEEDED]
    assert all(part.process is not None and part.process.poll() is None for part in late)


def test_a_database_restarted_during_heartbeats_and_commits(
    team: Fleet, postgres: OwnPostgres, inputs: tuple[str, str]
) -> None:
    chance = random.Random(3)
    for _ in range(2):
        team.worker(**BUSY)
    for number in range(JOBS):
        patiently(team, inputs, f"key-{number}")
        if number < RESTARTS:
            time.sleep(chance.uniform(0.1, 1.5))  # a random point, not a condition
            (postgres.kill if number % 2 else postgres.stop)()
            postgres.start()
    until(lambda: all_over(team), "not all jobs end", 120)
    states = [*check(team).values()]
    assert states == [JobState.SUCCEEDED] * JOBS  # none lost, none twice
    assert all(part.process is None or part.process.poll() is None for part in team.parts)
