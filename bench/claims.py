"""How long a worker's claim, a job's place in the queue and the metrics take, by how many jobs wait.

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

from sqlalchemy import insert, select, text

from app.db import Database
from app.ids import new_id
from app.jobs.models import JobRow
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


def measure(database: Database, folder: Path, waiting: int) -> tuple[float, float, float, float]:
    """Milliseconds of a claim, of a job with its exact place, of fifty polled ones, and of the metrics."""
    shop = Shop(database, folder)
    known = fill(shop, waiting)
    stats = ServiceStats(database, WorkerService(database, shop.settings))

    def poll() -> None:
        shop.jobs.places._looked_at = 0.0
        shop.jobs.many([(shop.team, job_id) for job_id in known[:50]])

    return (
        milliseconds(lambda: shop.queue.claim_next("worker")),
        milliseconds(lambda: shop.jobs.get(shop.team, known[-1])),
        milliseconds(poll),
        milliseconds(stats.count),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", type=int, nargs="+", default=[100, 1_000, 10_000, 100_000])
    print("| jobs that wait | claim | one job | fifty polled | metrics |\n|---|---|---|---|---|")
    for waiting in parser.parse_args().waiting:
        with tempfile.TemporaryDirectory() as folder, fresh("postgresql", Path(folder)) as database:
            found = measure(database, Path(folder), waiting)
        print(f"| {waiting:,} | " + " | ".join(f"{one:.0f} ms" for one in found) + " |", flush=True)


if __name__ == "__main__":
    main()
