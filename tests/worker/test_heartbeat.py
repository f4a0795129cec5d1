"""Keeping a lease: what is reported with it, and what stops the work."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Event

import pytest
from sqlalchemy.exc import OperationalError

from app.errors import LostClaim
from app.jobs.records import HeartbeatReply
from primesvt_client.facts import StepFacts
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from worker import heartbeat
from worker.heartbeat import CancelRequested, LeaseHeartbeat, ShuttingDown

AWAY = OperationalError("", None, OSError("the database is away"))


class Database:
    """Remembers what every renewal reports; is away or asks to cancel when a test sets it so."""

    def __init__(self) -> None:
        self.renewals: list[list[Progress]] = []
        self.seconds: list[float] = []
        self.is_away = self.cancels = False

    def renew(self, reports: Sequence[Progress], seconds: float) -> HeartbeatReply:
        if self.is_away:
            raise AWAY
        self.renewals.append([*reports])
        self.seconds.append(seconds)
        return HeartbeatReply(cancel_requested=self.cancels)


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(heartbeat, "time", clock)
    return clock


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def lease(clock: Clock, database: Database) -> LeaseHeartbeat:
    return LeaseHeartbeat(database.renew, Event(), every_seconds=10, lease_seconds=30)


def cell(done: int, **fields: object) -> Progress:
    return Progress.model_validate({"step": Step.PROFILE, "done": done, **fields})


def test_a_lease_is_renewed_when_it_is_time_to(lease: LeaseHeartbeat, clock: Clock, database: Database) -> None:
    for clock.seconds in (105.0, 110.0, 119.0, 121.5):
        lease.renew_if_due()
    assert database.seconds == [10.0, 11.5]


def test_reports_without_facts_are_replaced_by_the_next_of_their_step(
    lease: LeaseHeartbeat, database: Database
) -> None:
    measured = cell(2, facts=StepFacts(seconds=1.0))
    other = Progress(step=Step.SEARCH)
    for report in (cell(0), cell(1), measured, cell(3), other):
        lease.report(report)
    lease.renew()
    lease.renew()
    assert database.renewals == [[measured, cell(3), other], []]


def test_a_database_that_is_away_is_retried_until_the_lease_is_over(
    lease: LeaseHeartbeat, clock: Clock, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    lease.report(cell(1))
    database.is_away = True
    for clock.seconds in (110.0, 120.0, 130.0):
        lease.renew_if_due()
    assert [record.msg for record in caplog.records] == ["heartbeat_failed"] * 3
    database.is_away = False
    clock.seconds = 131.0
    lease.renew()
    assert (database.renewals, database.seconds) == ([[cell(1)]], [31.0])
    database.is_away = True
    clock.seconds = 161.5
    with pytest.raises(LostClaim):
        lease.renew()


def test_cancellation_and_shutdown_stop_the_work(lease: LeaseHeartbeat, database: Database) -> None:
    database.cancels = True
    with pytest.raises(CancelRequested):
        lease.renew()
    lease.stopping.set()
    with pytest.raises(ShuttingDown):
        lease.renew_if_due()
