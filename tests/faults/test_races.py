"""Things that happen at the same moment."""

from __future__ import annotations

import contextlib
import random
import threading
from pathlib import Path

from app.db import connect
from app.errors import JobFinished, LostClaim
from app.jobs.records import JobClaim
from app.jobs.states import JobState
from primesvt_client.facts import ResultSummary
from tests.support.fleet import Fleet
from tests.support.servers import OwnPostgres, until
from tests.support.shop import MODEL, Shop

RACES = 1000


def test_cancel_racing_success(postgres: OwnPostgres, tmp_path: Path) -> None:
    """A thousand times; each job ends once, and as its log says."""
    chance = random.Random(4)
    ended: dict[JobState, int] = {}
    with postgres.database() as url:
        database = connect(url)
        database.migrate()
        shop = Shop(database, tmp_path)
        asked = shop.asked()
        for _ in range(RACES):
            claim = shop.claimed(shop.jobs.submit(shop.team, asked))
            shop.queue.finalize(claim)
            state = _race(shop, claim, chance)
            ended[state] = ended.get(state, 0) + 1
        database.engine.dispose()
    assert sum(ended.values()) == RACES
    assert ended.keys() <= {JobState.SUCCEEDED, JobState.CANCELLED}
    assert min(ended.values()) > RACES // 100, f"one side always wins: {ended}"


def _race(shop: Shop, claim: JobClaim, chance: random.Random) -> JobState:
    start = threading.Barrier(2)
    pause = chance.uniform(-0.002, 0.002)

    def cancel() -> None:
        start.wait()
        threading.Event().wait(max(0.0, pause))
        with contextlib.suppress(JobFinished):
            shop.jobs.cancel(shop.team, claim.job_id)

    canceller = threading.Thread(target=cancel)
    canceller.start()
    start.wait()
    threading.Event().wait(max(0.0, -pause))
    if shop.queue.heartbeat(claim).cancel_requested:
        shop.queue.stopped(claim)
    else:
        with contextlib.suppress(LostClaim):
            shop.queue.succeed(claim, [MODEL], "met", ResultSummary())
    canceller.join()
    job = shop.job(claim)
    states = [event.data["state"] for event in shop.jobs.events(shop.team, job.id) if event.kind == "state"]
    assert states[-1] == job.state
    assert sum(JobState(state).is_terminal for state in states) == 1
    assert bool(shop.jobs.artifacts(shop.team, job.id)) == (job.state is JobState.SUCCEEDED)
    return job.state


def test_two_reconcilers(team: Fleet, inputs: tuple[str, str]) -> None:
    """Workers die again and again, and three reconcilers take their jobs back at the same time."""
    team.reconciler(PRIMESVT_RECONCILE_SECONDS="0.02")
    team.reconciler(PRIMESVT_RECONCILE_SECONDS="0.02")
    jobs = [team.submit(*inputs) for _ in range(6)]
    worker = team.worker(PYTHON_STUB_CELLS="40", PYTHON_STUB_CELL_SECONDS="0.05", PRIMESVT_LEASE_SECONDS="1")
    for _ in range(5):
        until(lambda: any(team.client.job(job.id).state is JobState.RUNNING for job in jobs), "nothing runs")
        worker.kill()
        worker.start()
    for job in jobs:
        assert team.until_over(job).state is JobState.SUCCEEDED
    attempts = [team.client.job(job.id).attempts for job in jobs]
    assert sum(attempts) <= len(jobs) + 5  # every death cost one attempt, not one a reconciler
