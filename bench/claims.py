"""How long a worker's claim, a job's place in the queue and the metrics take, by how many jobs wait.

Beside the claim stands the one that looked at all waiting jobs, as it was before `app.turns`, and the ratio of the two.

    python -m bench.claims [--waiting 100 1000 10000 100000]

On a PostgreSQL database of its own (PRIMESVT_TEST_POSTGRES says where), with as many finished jobs as waiting ones, of
twenty teams.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import aliased

from app.db import Database
from app.ids import new_id
from app.jobs.models import JobRow
from app.jobs.states import HELD
from app.service_stats import ServiceStats
from app.teams.service import TeamService
from app.workers.service import WorkerService
from tests.support.databases import fresh
from tests.support.shop import Shop

TEAMS, TIMES = 20, 7


def fill(shop: Shop, waiting: int) -> list[str]:
    """So many jobs that wait and as many that are over, of twenty teams; some ids of those that wait."""
    first = shop.queued()
    teams = [shop.team, *(TeamService(shop.database).create_team(f"team {n}").team_id for n in range(TEAMS - 1))]
    with shop.database.session() as session:
        row = dict(session.execute(select(JobRow.__table__).where(JobRow.id == first.id)).mappings().one())
        rows: list[dict[str, Any]] = [
            {**row, "id": new_id("job"), "team_id": teams[n % TEAMS], "state": state}
            for n in range(waiting)
            for state in ("queued", "succeeded")
        ]
        for start in range(0, len(rows), 5000):
            session.execute(insert(JobRow), rows[start : start + 5000])
    with shop.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))
    return [row["id"] for row in rows if row["team_id"] == shop.team and row["state"] == "queued"]


def milliseconds(act: Callable[[], object]) -> float:
    """Median time."""
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken)


def claim_by_sorting(shop: Shop) -> None:
    """The claim as it was: all that waits is joined with its team and sorted."""
    waiting, served = aliased(JobRow), aliased(JobRow)
    seq = select(func.max(served.served_seq)).where(served.team_id == waiting.team_id).scalar_subquery()
    teams = (
        select(waiting.team_id, seq.label("seq")).where(waiting.state == "queued").group_by(waiting.team_id).subquery()
    )
    held = select(JobRow.team_id, func.count().label("jobs")).where(JobRow.state.in_([*HELD])).group_by(JobRow.team_id)
    running = held.subquery()
    first = (
        select(JobRow.id)
        .where(JobRow.state == "queued", shop.queue._is_due(["cpu"]))
        .join(teams, teams.c.team_id == JobRow.team_id)
        .outerjoin(running, running.c.team_id == JobRow.team_id)
        .order_by(
            func.coalesce(running.c.jobs, 0), func.coalesce(teams.c.seq, 0), JobRow.team_id, JobRow.priority.desc(),
            JobRow.id,
        )
    )  # fmt: skip
    with shop.database.session() as session:
        job_id = session.scalar(first.limit(1).with_for_update(skip_locked=True, of=JobRow))
        assert job_id is not None
        shop.queue._take(session, job_id, "worker", ["cpu"])


def measure(database: Database, folder: Path, waiting: int) -> tuple[float, ...]:
    """Milliseconds of a claim as it was, of a claim, of a job with its place, of fifty polled ones, of the metrics."""
    shop = Shop(database, folder)
    known = fill(shop, waiting)
    stats = ServiceStats(database, WorkerService(database, shop.settings))

    def poll() -> None:
        shop.jobs.places._looked_at = 0.0
        shop.jobs.many([(shop.team, job_id) for job_id in known[:50]])

    return (
        milliseconds(lambda: claim_by_sorting(shop)),
        milliseconds(lambda: shop.queue.claim_next("worker")),
        milliseconds(lambda: shop.jobs.get(shop.team, known[-1])),
        milliseconds(poll),
        milliseconds(stats.count),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    print("| jobs that wait | claim before | claim | ratio | one job | fifty polled | metrics |")
    print("|---|---|---|---|---|---|---|")
    for waiting in parser.parse_args().waiting:
        with tempfile.TemporaryDirectory() as folder, fresh("postgresql", Path(folder)) as database:
            before, claim, *others = measure(database, Path(folder), waiting)
        cells = [f"{before:.0f} ms", f"{claim:.0f} ms", f"{claim / before:.3f}", *(f"{one:.0f} ms" for one in others)]
        print(f"| {waiting:,} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
