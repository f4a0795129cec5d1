"""Server time of each list of a team with 10,000 jobs: ``python -m bench.lists [--database postgresql]``.

Requests go to the application in this process, without a network. Exits with 1 if the median
of any needs more than 150 ms of the processor; on a machine that does nothing else the clock says the same.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
from sqlalchemy import insert, text

from app.catalog.models import UploadRow
from app.db import now
from app.ids import new_id
from app.jobs.models import JobRow, JobTagRow
from primesvt_client.states import Verdict
from tests.support.dashboard import FACTS, Dashboard, Team
from tests.support.databases import fresh_url

MOST_SECONDS = 0.15
CHECKPOINTS, DATA_SETS, TAGS = 200, 20, 50
SPEC: dict[str, Any] = {
    "preset": "deep", "budget": {"max_accuracy_drop": 0.03, "min_memory_saving": 0.25}, "policy": "allocate",
    "excluded_groups": [f"block.{number}.attn.qk" for number in range(40)],
}  # fmt: skip
STATES = ("succeeded",) * 8 + ("failed", "cancelled")


def furnish(board: Dashboard, team: Team, jobs: int) -> tuple[str, str]:
    """Jobs of a team; a checkpoint and a data set that some use."""
    chance = random.Random(1)
    uploads = [(new_id("upl"), kind) for kind in ("checkpoint",) * CHECKPOINTS + ("dataset",) * DATA_SETS]
    rows = [
        {
            "id": one, "team_id": team.id, "kind": kind, "name": f"{kind}-{place}.bin", "state": "ready",
            "size_bytes": 1, "part_bytes": 1, "facts": FACTS[kind].document(),  # type: ignore[index]
            "created_at": now(), "updated_at": now(),
        }
        for place, (one, kind) in enumerate(uploads)
    ]  # fmt: skip
    made = [_job(chance, team, [u[0] for u in uploads], place) for place in range(jobs)]
    tags = [{"job_id": job["id"], "tag": tag, "team_id": team.id} for job in made for tag in job["tags"]]
    with board.services.database.session() as session:
        session.execute(insert(UploadRow), rows)
        session.execute(insert(JobRow), made)
        session.execute(insert(JobTagRow), tags)
        session.execute(text("ANALYZE"))  # which the database does by itself once so many rows have come
    return uploads[0][0], uploads[-1][0]


def _job(chance: random.Random, team: Team, uploads: list[str], place: int) -> dict[str, Any]:
    state, at = chance.choice(STATES), now() - timedelta(minutes=10_000 - place)
    is_good = state == "succeeded"
    saving, drop = chance.random(), chance.random() / 10
    figures = {
        "memory_saving": saving, "accuracy_drop": drop, "baseline_accuracy": 0.93, "pruned_accuracy": 0.93 - drop,
        "parameter_bytes_before": 37_300_000, "parameter_bytes_after": round(37_300_000 * (1 - saving)),
    }  # fmt: skip
    return {
        "id": new_id("job"), "team_id": team.id, "name": f"{chance.choice('ABcd')} run {place}", "spec": SPEC,
        "checkpoint_id": uploads[min(int(chance.expovariate(0.03)), CHECKPOINTS - 1)],
        "dataset_id": uploads[CHECKPOINTS + chance.randrange(DATA_SETS)], "state": state, "created_at": at,
        "started_at": at, "finished_at": at + timedelta(seconds=chance.randrange(9000)), "not_before": at,
        "verdict": chance.choice([*Verdict]).value if is_good else None, "summary": figures if is_good else None,
        "tags": sorted({f"tag {chance.randrange(TAGS)}" for _ in range(2)}), "note": f"note {place}",
        "submitted_by": f"{chance.choice('abc')}@example.org", "submitter_kind": "user",
        "archived_at": at if place % 5 == 0 else None,
        "memory_saving": saving if is_good else None, "largest_drop": drop if is_good else None,
        "parameter_bytes_after": figures["parameter_bytes_after"] if is_good else None,
        "pruned_accuracy": 0.93 - drop if is_good else None,
    }  # fmt: skip


def lists(checkpoint: str, data: str) -> dict[str, str]:
    """Addresses, by what they are."""
    filters = {
        "newest": "", "state": "state=failed", "verdict": "verdict=met", "tag": "tag=tag+7",
        "checkpoint": f"checkpoint_id={checkpoint}", "data set": f"dataset_id={data}",
        "submitter": "submitted_by=a@example.org", "text": "q=run+77", "text that nothing has": "q=nothing+at+all",
        "archived": "archived=only",
        "all at once": f"state=succeeded&verdict=met&tag=tag+7&checkpoint_id={checkpoint}&q=run&sort=saving",
    }  # fmt: skip
    sorts = {f"by {sort}": f"sort={sort}" for sort in ("finished", "saving", "drop", "name")}
    asked = {**filters, **sorts}
    return {
        **{f"page, {name}": f"/?{query}" for name, query in asked.items()},
        **{f"API, {name}": f"/api/v1/jobs?limit=200&{query}" for name, query in asked.items()},
        "API, filters": "/api/v1/jobs/filters",
        "page, results": "/results",
        "page, results of a checkpoint": f"/results?checkpoint_id={checkpoint}&within=2",
        "API, results": "/api/v1/results",
        "page, uploads": "/uploads",
    }


@dataclass(frozen=True)
class Took:
    """Seconds of one request: on the clock, and of the processor, which what else runs does not count in."""

    wall: float
    processor: float


def measure(board: Dashboard, team: Team, addresses: dict[str, str], rounds: int) -> dict[str, list[Took]]:
    """What each request took."""
    found: dict[str, list[Took]] = {name: [] for name in addresses}

    async def ask() -> None:
        transport = httpx.ASGITransport(app=board.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server", cookies=team.cookies) as client:
            for turn in range(rounds + 1):
                for name, address in addresses.items():
                    before, used = time.perf_counter(), time.process_time()
                    answer = await client.get(address)
                    if turn:  # the first round loads what every process loads once
                        found[name].append(Took(time.perf_counter() - before, time.process_time() - used))
                    answer.raise_for_status()

    anyio.run(ask)
    return found


def main() -> int:
    """Furnish, measure, judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, fresh_url(asked.database, Path(folder)) as url:
        board = Dashboard(Path(folder), database_url=url)
        team = board.team()
        addresses = lists(*furnish(board, team, asked.jobs))
        found = measure(board, team, addresses, asked.rounds)
        board.close()
    wall = {name: statistics.median(one.wall for one in took) for name, took in found.items()}
    used = {name: statistics.median(one.processor for one in took) for name, took in found.items()}
    for name, seconds in sorted(used.items(), key=lambda pair: -pair[1]):
        print(f"{1000 * wall[name]:6.1f} ms, of the processor {1000 * seconds:6.1f} ms  {name}")
    return 0 if max(used.values()) < MOST_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
