"""The job machine against its model: whatever is done to jobs in whatever order, both end in the same state.

Claims that were lost go on writing, notifications come twice, two reconcilers watch, workers and helpers vanish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select

from app.db import Database
from app.errors import Conflict, JobFinished, LostClaim
from app.jobs.cell_models import CellRow
from app.jobs.models import EventRow, JobRow
from app.jobs.records import CellClaim, JobClaim, NewJob
from app.jobs.states import TERMINAL, JobState, is_legal
from app.leases import LeaseWatch
from primesvt_client.facts import ResultSummary
from primesvt_client.progress import Progress
from primesvt_client.states import Priority, Step
from tests.support.databases import KINDS, fresh
from tests.support.job_model import CELLS, LEASE_SECONDS, Cell, Model, ModelJob, Watcher
from tests.support.shop import MODEL, PROBLEM, Shop
from tests.support.thorough import times

RATES = {key: {"group": 0.5} for key in CELLS}
NUMBERS = st.integers(0, 1000)
"""Which of what there is; taken modulo how much there is."""


class JobMachine(RuleBasedStateMachine):
    """The real machine and the model, side by side."""

    shops: list[Shop]
    asked: list[NewJob]
    steps_taken = 0

    @initialize()
    def begin(self) -> None:
        with self.shops[0].database.session() as session:
            session.execute(delete(JobRow))
        self.model, self.claims, self.helps = Model(), list[JobClaim](), list[tuple[CellClaim, list[str]]]()
        self.moment, self.workers = 0.0, 0
        self.watchers = [Watcher(), Watcher()]
        self.helper_watchers = [Watcher(), Watcher()]
        self.leases = [LeaseWatch(LEASE_SECONDS, 1e9, lambda: self.moment) for _ in range(2)]
        self.cell_leases = [LeaseWatch(LEASE_SECONDS, 1e9, lambda: self.moment) for _ in range(2)]
        self.renewed: dict[str, int] = {}
        for team in (0, 0, 1):
            self.submit(team, Priority.NORMAL)
        for _ in range(2):
            self.receive_a_notification(publishes=True)

    @property
    def work(self) -> Shop:
        return self.shops[0]

    def job(self, number: int) -> tuple[str, ModelJob, Shop]:
        key = sorted(self.model.jobs)[number % len(self.model.jobs)]
        job = self.model.jobs[key]
        return key, job, next(shop for shop in self.shops if shop.team == job.team)

    def some_jobs(self) -> bool:
        return bool(self.model.jobs)

    def some_claims(self) -> bool:
        return bool(self.claims)

    def some_helps(self) -> bool:
        return bool(self.helps)

    @contextmanager
    def refused_unless(self, is_right: bool, refusal: type[Exception] = LostClaim) -> Iterator[None]:
        if is_right:
            yield
        else:
            with pytest.raises(refusal):
                yield

    @rule(team=st.sampled_from([0, 1]), priority=st.sampled_from(Priority))
    def submit(self, team: int, priority: Priority) -> None:
        shop, asked = self.shops[team], self.asked[team]
        job = shop.jobs.submit(shop.team, NewJob(**{**asked.__dict__, "priority": priority}))
        self.model.jobs[job.id] = ModelJob(shop.team, priority.rank)

    @rule(publishes=st.booleans())
    def receive_a_notification(self, publishes: bool) -> None:
        self.workers += 1
        expected = self.model.next()
        claim = self.work.queue.claim_next(f"w{self.workers % 3}")  # a worker may get a job again that it has lost
        assert (claim and claim.job_id) == expected
        if claim is not None:
            self.model.claim(claim.job_id, claim.owner)
            self.claims.append(claim)
            self.heartbeat(0, publishes)

    @precondition(some_claims)
    @rule(number=NUMBERS, publishes=st.booleans())
    def heartbeat(self, number: int, publishes: bool) -> None:
        claim, job = self.claim(number)
        holds = job is not None and job.is_held_by(claim.owner, claim.epoch)
        with self.refused_unless(holds):
            reply = self.work.queue.heartbeat(claim, [Progress(step=Step.PROFILE, done=1)] if publishes else [])
            if publishes:
                self.work.cells.publish(claim, RATES, {})
        if job is not None and holds:
            job.heartbeats += 1
            assert reply.cancel_requested == (job.state is JobState.CANCELLING)
            for key in CELLS if publishes else ():
                job.cells.setdefault(key, Cell())

    @precondition(some_claims)
    @rule(number=NUMBERS, limit=st.integers(1, 4))
    def share(self, number: int, limit: int) -> None:
        claim, job = self.claim(number)
        holds = job is not None and job.is_held_by(claim.owner, claim.epoch)
        mine = [key for key, cell in job.cells.items() if cell.owner == claim.owner] if job is not None else []
        with self.refused_unless(holds):
            given, found = self.work.cells.share(claim, dict.fromkeys(mine, claim.owner), limit, CELLS)
        if job is not None and holds:
            for key in mine:
                job.cells[key].value, job.cells[key].owner = claim.owner, None
            assert [*given] == job.take(claim.owner, limit, helps=False)
            assert found == {key: cell.value for key, cell in job.cells.items() if cell.value is not None}

    @precondition(some_claims)
    @rule(number=NUMBERS, how=st.sampled_from(["finish", "fail", "release", "release", "release", "hand_back", "stop"]))
    def end_attempt(self, number: int, how: str) -> None:
        claim, job = self.claim(number)
        holds = job is not None and job.is_held_by(claim.owner, claim.epoch)
        with self.refused_unless(holds):
            END[how](self, claim)
        if job is not None and holds:
            ENDED[how](job)

    def finish(self, claim: JobClaim) -> None:
        if self.work.queue.finalize(claim).cancel_requested:
            self.work.queue.stopped(claim)
        else:
            self.work.queue.succeed(claim, [MODEL], "met", ResultSummary())

    def stop(self, claim: JobClaim) -> None:
        if self.work.queue.heartbeat(claim).cancel_requested:
            self.work.queue.stopped(claim)

    @precondition(some_claims)
    @rule(number=NUMBERS)
    def finalize(self, number: int) -> None:
        claim, job = self.claim(number)
        holds = job is not None and job.is_held_by(claim.owner, claim.epoch)
        with self.refused_unless(holds):
            self.work.queue.finalize(claim)
        if job is not None and holds:
            job.heartbeats += 1
            if job.state is JobState.RUNNING:
                job.go(JobState.FINALIZING)

    def claim(self, number: int) -> tuple[JobClaim, ModelJob | None]:
        """A claim that was given out once, most likely a late one, and its job if it is still there."""
        claim = self.claims[-1 - min(number % 5, len(self.claims) - 1)]
        return claim, self.model.jobs.get(claim.job_id)

    @rule()
    def offer_help(self) -> None:
        self.workers += 1
        claim = self.work.cells.help(f"h{self.workers}", ["cpu"])
        assert (claim and claim.job_id) == self.model.wanting()
        if claim is not None:
            self.helps.append((claim, []))

    @precondition(some_helps)
    @rule(number=NUMBERS, limit=st.integers(0, 4), is_through=st.booleans())
    def help(self, number: int, limit: int, is_through: bool) -> None:
        claim, given = self.helps[number % len(self.helps)]
        job = self.model.jobs.get(claim.job_id)
        runs = job is not None and job.state is JobState.RUNNING
        computed = dict.fromkeys(given, claim.owner) if is_through else {}
        with self.refused_unless(runs):
            more = self.work.cells.assist(claim, computed, 0.0, limit, is_through=is_through)
        if job is not None and runs:
            for cell in job.cells.values():
                if is_through and cell.owner == claim.owner:
                    cell.value, cell.owner = claim.owner, None
            assert [*more] == (job.take(claim.owner, limit, helps=True) if limit else [])
            self.renewed[claim.owner] = self.renewed.get(claim.owner, 0) + 1
            given.extend(more)

    @precondition(some_helps)
    @rule(number=NUMBERS)
    def stop_helping(self, number: int) -> None:
        claim, _ = self.helps[number % len(self.helps)]
        self.work.cells.release(claim)
        if claim.job_id in self.model.jobs:
            self.model.jobs[claim.job_id].free(claim.owner)

    @rule(seconds=st.sampled_from([1.0, LEASE_SECONDS / 2, LEASE_SECONDS]))
    def time_passes(self, seconds: float) -> None:
        self.moment += seconds

    @rule(which=st.sampled_from([0, 1]))
    def reconcile(self, which: int) -> None:
        held = {key: (job.epoch, job.heartbeats) for key, job in self.model.jobs.items() if job.owner is not None}
        due = self.work.queue.reconcile(self.leases[which])
        for key in self.watchers[which].silent(dict(held), self.moment):
            self.model.jobs[key].requeue()
        waiting = {key for key, job in self.model.jobs.items() if job.state is JobState.QUEUED and job.is_due}
        assert {*due} == waiting
        assert due[:1] == [key for key in [self.model.next()] if key]
        self.work.cells.reconcile(self.cell_leases[which])
        helpers = {
            f"{key}/{cell.owner}": self.renewed.get(cell.owner)
            for key, job in self.model.jobs.items()
            for cell in job.cells.values()
            if cell.owner is not None and cell.owner != job.owner
        }
        for name in self.helper_watchers[which].silent(dict(helpers), self.moment):
            key, _, owner = name.partition("/")
            self.model.jobs[key].free(owner)

    @rule()
    def waits_are_over(self) -> None:
        for key, job in self.model.jobs.items():
            if job.state is JobState.QUEUED and not job.is_due:
                self.work.make_due(key)
                job.is_due = True

    @precondition(some_jobs)
    @rule(number=NUMBERS, priority=st.sampled_from(Priority), act=st.integers(0, 5))
    def client_acts(self, number: int, priority: Priority, act: int) -> None:
        key, job, shop = self.job(number)
        if act == 0:
            self.cancel(key, job, shop)
        elif act == 1:
            self.retry(key, job, shop)
        elif act == 2:
            self.delete(key, job, shop)
        else:
            self.prioritise(key, job, shop, priority)

    def cancel(self, key: str, job: ModelJob, shop: Shop) -> None:
        with self.refused_unless(job.state not in (JobState.SUCCEEDED, JobState.FAILED), JobFinished):
            shop.jobs.cancel(shop.team, key)
        if job.state is JobState.QUEUED:
            job.go(JobState.CANCELLED)
        elif job.state in (JobState.RUNNING, JobState.FINALIZING):
            job.go(JobState.CANCELLING)

    def prioritise(self, key: str, job: ModelJob, shop: Shop, priority: Priority) -> None:
        with self.refused_unless(job.state is JobState.QUEUED, Conflict):
            shop.jobs.prioritise(shop.team, key, priority)
        if job.state is JobState.QUEUED:
            job.priority = priority.rank

    def retry(self, key: str, job: ModelJob, shop: Shop) -> None:
        with self.refused_unless(job.state in (JobState.FAILED, JobState.CANCELLED), Conflict):
            again = shop.jobs.retry(shop.team, key)
            self.model.jobs[again.id] = ModelJob(shop.team, job.priority)

    def delete(self, key: str, job: ModelJob, shop: Shop) -> None:
        with self.refused_unless(job.state in TERMINAL, Conflict):
            shop.jobs.delete(shop.team, key)
            del self.model.jobs[key]

    @invariant()
    def both_are_in_the_same_state(self) -> None:
        JobMachine.steps_taken += 1
        with self.work.database.session() as session:
            columns = (JobRow.state, JobRow.owner, JobRow.epoch, JobRow.attempts, JobRow.priority, JobRow.served_seq)
            rows = {row.id: tuple(row)[1:] for row in session.execute(select(JobRow.id, *columns))}
            cells = {
                (row.job_id, row.key): (row.value, row.owner, row.epoch) for row in session.scalars(select(CellRow))
            }
        assert rows == {
            key: (job.state, job.owner, job.epoch, job.attempts, job.priority, job.served_seq or None)
            for key, job in self.model.jobs.items()
        }
        assert cells == {
            (key, name): (cell.value, cell.owner, cell.claims)
            for key, job in self.model.jobs.items()
            for name, cell in job.cells.items()
        }

    def teardown(self) -> None:
        with self.work.database.session() as session:
            events = session.execute(
                select(EventRow.job_id, EventRow.data).where(EventRow.kind == "state").order_by(EventRow.id)
            )
            histories: dict[str, list[JobState]] = {}
            for job_id, data in events:
                histories.setdefault(job_id, []).append(JobState(data["state"]))
        for key, job in getattr(self, "model", Model()).jobs.items():
            assert histories[key] == job.history
            assert all(map(is_legal, job.history, job.history[1:]))
            assert sum(state in TERMINAL for state in job.history) == (job.state in TERMINAL)


END: dict[str, Callable[[JobMachine, JobClaim], object]] = {
    "finish": JobMachine.finish,
    "stop": JobMachine.stop,
    "fail": lambda machine, claim: machine.work.queue.fail(claim, PROBLEM),
    "release": lambda machine, claim: machine.work.queue.release(claim, PROBLEM),
    "hand_back": lambda machine, claim: machine.work.queue.hand_back(claim),
}


def _finished(job: ModelJob) -> None:
    if job.state is JobState.CANCELLING:
        job.go(JobState.CANCELLED)
        return
    if job.state is JobState.RUNNING:
        job.go(JobState.FINALIZING)
    job.go(JobState.SUCCEEDED)


def _stopped(job: ModelJob) -> None:
    job.heartbeats += 1
    if job.state is JobState.CANCELLING:
        job.go(JobState.CANCELLED)


def _handed_back(job: ModelJob) -> None:
    job.attempts -= 1
    job.is_due = True
    job.go(JobState.CANCELLED if job.state is JobState.CANCELLING else JobState.QUEUED)


ENDED: dict[str, Callable[[ModelJob], None]] = {
    "finish": _finished,
    "stop": _stopped,
    "fail": lambda job: job.go(JobState.FAILED),
    "release": ModelJob.requeue,
    "hand_back": _handed_back,
}


@contextmanager
def machine(database: Database, folder: Path) -> Iterator[type[JobMachine]]:
    shops = [Shop(database, folder / name, retry_seconds=1000) for name in ("ours", "theirs")]
    shops.sort(key=lambda shop: shop.team)

    class Bound(JobMachine):
        pass

    Bound.shops, Bound.asked = shops, [shop.asked() for shop in shops]
    JobMachine.steps_taken = 0
    yield Bound


def run(kind: str, folder: Path, examples: int, length: int = 50) -> int:
    """Run the machine on a fresh database; returns how many steps were taken."""
    with fresh(kind, folder) as database, machine(database, folder) as bound:
        run_state_machine_as_test(
            bound,
            settings=settings(
                max_examples=examples, stateful_step_count=length, deadline=None, derandomize=True, database=None,
                suppress_health_check=[*HealthCheck],
            ),
        )  # fmt: skip
    return JobMachine.steps_taken


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_do_what_the_model_does(kind: str, tmp_path: Path) -> None:
    assert run(kind, tmp_path, times(8, 15) if kind == "sqlite" else times(5, 10)) > 150


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_ten_thousand_steps(tmp_path: Path) -> None:
    assert run("sqlite", tmp_path, 240) >= 10_000
