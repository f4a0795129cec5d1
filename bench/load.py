"""One job a second for five minutes, to workers at stub speed: ``python -m bench.load``.

Exits with 1 unless every job ended well, none ran twice to a visible effect, and the 99th percentile of submitting
was under ten times its median.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select

from app.catalog.states import UploadKind
from app.jobs.models import EventRow, JobRow
from app.jobs.states import JobState
from tests.support.fleet import Fleet, fleet
from tests.support.invariants import all_over, check
from tests.support.servers import own_postgres, own_redis, until

LARGEST_RATIO = 10.0


def main() -> int:
    """Submit, wait, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(own_postgres())
        redis = stack.enter_context(own_redis(folder / "redis"))
        url = stack.enter_context(postgres.database())
        env = {"PRIMESVT_DATABASE_URL": url, "PRIMESVT_BROKER_URL": redis.url, "PRIMESVT_LEASE_SECONDS": "30"}
        return _run(stack.enter_context(fleet(folder / "fleet", **env)), asked.seconds, asked.workers)


def _run(team: Fleet, seconds: int, workers: int) -> int:
    team.api()
    team.reconciler()
    for _ in range(workers):
        team.worker(PYTHON_STUB_CELL_SECONDS="0")
    inputs = team.upload(b"a checkpoint", UploadKind.CHECKPOINT), team.upload(b"a data set", UploadKind.DATASET)
    took = _submit(team, inputs, seconds)
    until(lambda: all_over(team), "not all jobs end", 600)
    states = collections.Counter(check(team).values())
    median, p99 = statistics.median(took), sorted(took)[int(len(took) * 0.99)]
    twice, lag = _ran_twice(team), _slowest_wait(team)
    print(f"jobs {len(took)}, {dict(states)}, ran twice: {twice}; longest from submit to end {lag:.1f} s")
    print(f"submit: median {median * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms, ratio {p99 / median:.1f}")
    good = states == {JobState.SUCCEEDED: len(took)} and not twice and p99 < LARGEST_RATIO * median
    return 0 if good else 1


def _submit(team: Fleet, inputs: tuple[str, str], seconds: int) -> list[float]:
    """Seconds that every request took."""
    took: list[float] = []
    begun = time.monotonic()
    for number in range(seconds):
        time.sleep(max(0.0, begun + number - time.monotonic()))
        before = time.monotonic()
        team.submit(*inputs)
        took.append(time.monotonic() - before)
        if number % 30 == 0:
            print(f"{number} of {seconds} submitted", file=sys.stderr)
    return took


def _ran_twice(team: Fleet) -> int:
    """Jobs that were begun, or told to have ended, more than once."""
    ended = select(EventRow.job_id).where(EventRow.kind == "state").group_by(EventRow.job_id).having(func.count() > 4)
    with team.database.session() as session:
        begun = session.scalar(select(func.count()).where(JobRow.attempts != 1)) or 0
        return begun + len(session.scalars(ended).all())


def _slowest_wait(team: Fleet) -> float:
    with team.database.session() as session:
        rows = session.execute(select(JobRow.created_at, JobRow.finished_at)).all()
    return max((finished - created).total_seconds() for created, finished in rows if finished)


if __name__ == "__main__":
    sys.exit(main())
