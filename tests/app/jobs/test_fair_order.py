"""Who is served next, on every database: fair between teams, by priority within one, on a device that fits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, select

from app.db import Database, now
from app.errors import Conflict, NotFound
from app.jobs import usage
from app.jobs.models import JobRow
from app.jobs.order import IS_WAITING
from app.jobs.records import Device, Job, JobClaim
from app.jobs.states import JobState
from app.turns import Kind, distinct, lock_turn
from primesvt_client.facts import ProblemFacts, ResultSummary
from primesvt_client.states import Priority
from tests.support.shop import MODEL, Shop

BOTH: tuple[Device, ...] = ("cpu", "cuda")


@pytest.fixture(autouse=True)
def nothing_waits(database: Database) -> None:
    with database.session() as session:
        session.execute(delete(JobRow))


@pytest.fixture
def others(shop: Shop, tmp_path: Path) -> Shop:
    """Another team of the same service."""
    return Shop(shop.database, tmp_path / "others")


def submitted(shop: Shop, priority: Priority = Priority.NORMAL, **spec: object) -> Job:
    asked = shop.asked()
    return shop.jobs.submit(shop.team, replace(asked, priority=priority, spec={**asked.spec, **spec}))


def taken(shop: Shop, devices: tuple[Device, ...] = ("cpu",)) -> JobClaim:
    claim = shop.queue.claim_next("w", devices)
    assert claim is not None
    return claim


def test_a_team_with_many_jobs_does_not_hold_up_another(shop: Shop, others: Shop) -> None:
    ours = [submitted(shop).id for _ in range(4)]
    theirs = [submitted(others).id for _ in range(2)]
    expected = [ours[0], theirs[0], ours[1], theirs[1], ours[2], ours[3]]
    assert shop.queue.due(10) == [ours[0], *ours[1:], *theirs]  # one after another, the order of this moment
    places = {job: shop.jobs.get(shop.team, job).queue_position for job in ours}
    places |= {job: others.jobs.get(others.team, job).queue_position for job in theirs}
    assert sorted(places, key=lambda job: places[job] or 0) == expected
    assert sorted(filter(None, places.values())) == [1, 2, 3, 4, 5, 6]
    assert [taken(shop).job_id for _ in expected] == expected
    assert shop.queue.claim_next("w") is None


def test_of_teams_that_run_alike_the_one_that_waited_longest_is_served(shop: Shop, others: Shop) -> None:
    for team in (shop, others):
        for _ in range(3):
            submitted(team)
    order = []
    for _ in range(6):
        claim = taken(shop)
        shop.queue.finalize(claim)
        shop.queue.succeed(claim, [replace(MODEL, blob_key=f"artifacts/{claim.job_id}")], "met", ResultSummary())
        order.append(next(team for team in (shop, others) if claim.job_id in jobs_of(team)))
    assert order == [shop, others] * 3


def jobs_of(shop: Shop) -> set[str]:
    return {job.id for job in shop.jobs.search(shop.team).items}


def test_priorities_order_a_teams_own_jobs_only(shop: Shop, others: Shop) -> None:
    low, normal = submitted(shop, Priority.LOW), submitted(shop)
    theirs, high = submitted(others, Priority.LOW), submitted(shop, Priority.HIGH)
    assert shop.job(high).priority is Priority.HIGH
    assert [taken(shop).job_id for _ in range(4)] == [high.id, theirs.id, normal.id, low.id]


def test_a_priority_changes_while_the_job_waits(shop: Shop, others: Shop) -> None:
    first, second = submitted(shop), submitted(shop)
    assert shop.jobs.prioritise(shop.team, second.id, Priority.HIGH).queue_position == 1
    assert shop.job(first).queue_position == 2
    assert [job.queue_position for job in shop.jobs.search(shop.team).items] == [1, 2]
    with pytest.raises(NotFound):
        shop.jobs.prioritise(others.team, second.id, Priority.LOW)
    claim = taken(shop)
    assert claim.job_id == second.id
    with pytest.raises(Conflict):
        shop.jobs.prioritise(shop.team, second.id, Priority.LOW)
    assert shop.job(claim).queue_position is None
    shop.queue.fail(claim, ProblemFacts(code="x", detail="x"))
    assert shop.jobs.retry(shop.team, second.id).priority is Priority.HIGH


def test_jobs_go_to_workers_that_have_their_device(shop: Shop) -> None:
    gpu, cpu = submitted(shop, device="cuda:1"), submitted(shop, device="cpu")
    anywhere = submitted(shop)
    assert shop.queue.due(10, ["cpu"]) == [cpu.id, anywhere.id]
    assert shop.queue.claim(gpu.id, "w", ["cpu"]) is None
    claims = [taken(shop), taken(shop, BOTH), taken(shop, BOTH)]
    assert [(claim.job_id, claim.device) for claim in claims] == [
        (cpu.id, "cpu"), (gpu.id, "cuda"), (anywhere.id, "cuda"),
    ]  # fmt: skip


def test_seconds_are_counted_by_device_and_stay_with_the_team(shop: Shop, others: Shop) -> None:
    submitted(shop, device="cpu"), submitted(shop, device="cuda")
    for seconds in (10.0, 20.0):
        claim = taken(shop, BOTH)
        shop.queue.heartbeat(claim, seconds=seconds)
        shop.queue.heartbeat(claim, seconds=0.5)
        job = shop.job(claim)
        assert (job.run_seconds, job.gpu_seconds) == (seconds + 0.5, seconds + 0.5 if claim.device == "cuda" else 0)
        shop.jobs.cancel(shop.team, claim.job_id)
        shop.queue.stopped(claim)
        shop.jobs.delete(shop.team, claim.job_id)
    with shop.database.session() as session:
        assert usage.gpu_seconds(session, shop.team, now().date()) == 20.5
        assert usage.gpu_seconds(session, shop.team, now().date() + timedelta(days=1)) == 0
        assert usage.gpu_seconds(session, others.team, now().date()) == 0


def test_workers_that_claim_at_once_take_different_jobs(shop: Shop) -> None:
    made = {submitted(shop).id for _ in range(6)}
    with ThreadPoolExecutor(6) as pool:
        claims = [*pool.map(lambda number: shop.queue.claim_next(f"w{number}"), range(6))]
    got = [claim.job_id for claim in claims if claim is not None]
    assert len(set(got)) == len(got)
    while (claim := shop.queue.claim_next("w")) is not None:
        got.append(claim.job_id)
    assert set(got) == made


def test_workers_that_claim_at_once_serve_one_team_after_another(shop: Shop, tmp_path: Path) -> None:
    """No team waits more than one turn: whenever eight have claimed at once, no team has got two more than another."""
    teams = [shop, *(Shop(shop.database, tmp_path / f"{number}") for number in range(3))]
    jobs = {submitted(team).id: team.team for team in teams for _ in range(6)}
    served = dict.fromkeys([team.team for team in teams], 0)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2):
            claims = [*filter(None, pool.map(lambda number: shop.queue.claim_next(f"w{number}"), range(8)))]
            for claim in claims:
                served[jobs[claim.job_id]] += 1
            assert len(claims) == 8
            assert max(served.values()) - min(served.values()) <= 1, served


def test_a_team_that_is_being_served_keeps_no_worker_from_serving_another(shop: Shop, others: Shop) -> None:
    first, theirs = submitted(shop), submitted(others)
    later = submitted(shop)

    def claim_beside() -> None:
        claim = shop.queue.claim_next("beside")
        assert claim is not None
        assert claim.job_id == theirs.id

    if shop.database.engine.dialect.name == "sqlite":  # it has one writer at a time
        assert [taken(shop).job_id for _ in range(3)] == [first.id, theirs.id, later.id]
        return
    with ThreadPoolExecutor(1) as pool, shop.database.session() as session:
        lock_turn(session, Kind.JOBS, shop.team)
        pool.submit(claim_beside).result()


def test_of_many_waiting_jobs_only_a_few_are_looked_at(shop: Shop) -> None:
    """The plan of the question that every claim asks begins in the index of what waits."""
    submitted(shop)
    statement = select(distinct(JobRow.team_id, IS_WAITING, "teams"))
    with shop.database.engine.connect() as connection:
        text_of = str(statement.compile(connection, compile_kwargs={"literal_binds": True}))
        is_sqlite = shop.database.engine.dialect.name == "sqlite"
        if not is_sqlite:
            connection.exec_driver_sql("SET enable_seqscan = off")
        plan = connection.exec_driver_sql(("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + text_of)
        lines = " ".join(str(row) for row in plan)
    assert "ix_jobs_waiting" in lines, lines
    assert not {"ix_jobs_state_not_before", "ix_jobs_team_id_turn", "Seq Scan", "TEMP B-TREE"} & {*lines.split()}, lines


def test_a_wait_from_before_the_clock_was_set_back_is_over(shop: Shop) -> None:
    job = submitted(shop)
    shop.set(job.id, not_before=now() + timedelta(days=1))
    assert taken(shop).job_id == job.id


def test_a_wall_clock_that_moves_takes_no_lease_away(shop: Shop) -> None:
    claim = shop.claimed(submitted(shop))
    for days in (-1, 1):
        shop.set(claim.job_id, lease_expires_at=now() + timedelta(days=days))
        shop.reconcile()
        shop.steady_seconds += shop.settings.lease_seconds - 1
    shop.reconcile()
    shop.queue.heartbeat(claim)
    assert shop.job(claim).state is JobState.RUNNING


def test_a_team_that_never_had_a_turn_comes_first(shop: Shop, others: Shop) -> None:
    shop.queue.fail(shop.claimed(submitted(shop)), ProblemFacts(code="x", detail="x"))
    ours, theirs = submitted(shop), submitted(others)
    assert [taken(shop).job_id for _ in range(2)] == [theirs.id, ours.id]
