"""A broker that is killed and forgets everything, and notifications that were never sent."""

from __future__ import annotations

from app.jobs.states import JobState
from tests.support.fleet import Fleet
from tests.support.invariants import all_over, check
from tests.support.servers import OwnRedis, until

JOBS = 100


def test_a_broker_killed_and_emptied_with_a_hundred_jobs_queued(
    team: Fleet, redis: OwnRedis, inputs: tuple[str, str]
) -> None:
    for _ in range(JOBS):
        team.submit(*inputs)
    workers = [team.worker(PYTHON_STUB_CELL_SECONDS="0") for _ in range(2)]
    redis.kill()
    redis.start()
    redis.empty()
    until(lambda: all_over(team), "not all jobs end", 180)
    states = check(team)
    assert [*states.values()] == [JobState.SUCCEEDED] * JOBS
    assert all(worker.process is not None and worker.process.poll() is None for worker in workers)


def test_a_crash_between_commit_and_publish(team: Fleet, inputs: tuple[str, str]) -> None:
    """The job is in the database, and no worker was ever notified."""
    team.parts[0].kill()
    quiet = team.api(PRIMESVT_BROKER_URL="redis://127.0.0.1:1/0")  # what it would publish is lost
    job = team.submit(*inputs)
    quiet.kill()
    team.api()
    team.worker()
    job = team.until_over(job, 30)
    assert (job.state, job.attempts) == (JobState.SUCCEEDED, 1)
