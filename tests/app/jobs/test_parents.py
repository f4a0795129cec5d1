"""Other budgets for finished jobs: what they are made of, what is refused, and in which order a curve is asked."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from app.db import now
from app.errors import Conflict, Invalid, JobInUse, NotFound, ParentNotFinished, ParentResultsGone, UploadNotReady
from app.jobs.models import ArtifactRow, BudgetRow, JobRow
from app.jobs.parents import ask
from app.jobs.records import Device, Job, JobClaim, NewJob
from app.jobs.states import JobState
from app.storage import BlobMissing
from app.teams.models import TeamRow
from app.teams.service import TeamService
from app.usage.quotas import stored_bytes
from app.usage.retention import Retention
from primesvt_core.errors import NotRetargetable, SpecError
from primesvt_core.workspace import reuse
from tests.support.disagreements import disagreement_report
from tests.support.finished_runs import UNLABELLED, by_divergence, finish
from tests.support.shop import PROBLEM, Shop

OLD_WORKER = ("cpu", "cuda", "auto")
"""Devices of the jobs that workers before this version claim."""


GPU_ALONE: tuple[Device, ...] = ("cuda",)


def first(shop: Shop, **fields: Any) -> str:
    """A finished job; returns its id."""
    return finish(shop, shop.claimed(), by_divergence(**fields))


def another(parent: str, drop: float = 0.02, **fields: Any) -> NewJob:
    whole: dict[str, Any] = {"checkpoint_id": "", "dataset_id": "", "spec": {"budget": {"max_accuracy_drop": drop}}}
    return NewJob(**{**whole, "parent_id": parent, **fields})


def asked(shop: Shop, parent: str, drop: float = 0.02) -> Job:
    return shop.jobs.submit(shop.team, another(parent, drop))


def claimed(shop: Shop, job: Job) -> JobClaim:
    claim = shop.queue.claim(job.id, "w", ("cpu", "cuda"))
    assert claim is not None
    return claim


def budgets(shop: Shop, root: str) -> list[tuple[int, str, float]]:
    rows = select(BudgetRow).where(BudgetRow.root_id == root).order_by(BudgetRow.number)
    with shop.database.session() as session:
        return [(row.number, row.job_id, row.allowed) for row in session.scalars(rows)]


def test_another_budget_has_the_inputs_and_the_spec_of_its_parent(shop: Shop) -> None:
    parent = shop.jobs.get(shop.team, first(shop))
    child = shop.jobs.submit(shop.team, another(parent.id, 0.02, name="two points"))
    assert (child.name, child.parent_id, child.state) == ("two points", parent.id, JobState.QUEUED)
    assert (child.checkpoint_id, child.dataset_id) == (parent.checkpoint_id, parent.dataset_id)
    assert child.spec == {**parent.spec, "budget": {"max_accuracy_drop": 0.02}}
    assert shop.jobs.submit(shop.team, another(parent.id)).name == parent.name
    claim = claimed(shop, child)
    assert claim.parent is not None
    assert (claim.parent.job_id, claim.parent.allowed, claim.parent.budgets) == (parent.id, 0.02, ())
    assert not claim.parent.by_disagreement
    assert {*claim.parent.files} == {"report.json", reuse.FILE}
    assert b"".join(shop.store.open(claim.parent.files[reuse.FILE].blob_key)) == b"cells"
    found = shop.jobs.search(shop.team, parent_id=parent.id).items
    assert [job.parent_id for job in found] == [parent.id] * 2


def test_of_a_curve_that_promised_a_disagreement_another_disagreement_is_asked_for(shop: Shop) -> None:
    search = shop.jobs.submit(shop.team, replace(shop.asked(), spec=UNLABELLED))
    root = finish(shop, shop.claimed(search), by_divergence(disagreement_report()))
    refused(shop, root, NotRetargetable, "--max-disagreement")
    child = shop.jobs.submit(shop.team, another(root, spec={"budget": {"max_disagreement": 0.02}}))
    assert child.spec == {**shop.jobs.get(shop.team, root).spec, "budget": {"max_disagreement": 0.02}}
    parent = claimed(shop, child).parent
    assert parent is not None
    assert (parent.by_disagreement, parent.allowed, budgets(shop, root)) == (True, 0.02, [(1, child.id, 0.02)])
    shop.jobs.cancel(shop.team, child.id)
    labelled = first(shop)
    refused(shop, labelled, NotRetargetable, "--max-accuracy-drop", spec={"budget": {"max_disagreement": 0.02}})


def test_it_runs_where_the_curve_was_found_and_on_no_worker_that_would_search(shop: Shop) -> None:
    parent = first(shop)  # on a worker without a GPU, whatever it asked for
    child = asked(shop, parent)
    with shop.database.session() as session:
        device = session.execute(select(JobRow.device).where(JobRow.id == child.id)).scalar_one()
    assert device not in OLD_WORKER
    assert shop.queue.claim(child.id, "w", GPU_ALONE) is None
    assert claimed(shop, child).device == "cpu"


def test_budgets_of_a_curve_are_numbered_in_the_order_of_asking_children_of_children_too(shop: Shop) -> None:
    root = first(shop)
    second = asked(shop, root, 0.02)
    finish(shop, claimed(shop, second))
    third, fourth = asked(shop, second.id, 0.04), asked(shop, root, 0.05)
    assert budgets(shop, root) == [(1, second.id, 0.02), (2, third.id, 0.04), (3, fourth.id, 0.05)]
    for job, before in ((third, (0.02,)), (fourth, (0.02, 0.04))):
        parent = claimed(shop, job).parent
        assert parent is not None
        assert parent.budgets == before


def test_a_curve_is_known_when_the_job_that_found_it_is_deleted(shop: Shop) -> None:
    root = first(shop)
    second = asked(shop, root, 0.02)
    finish(shop, claimed(shop, second))
    shop.jobs.delete(shop.team, root)
    third = asked(shop, second.id, 0.04)
    assert budgets(shop, root) == [(1, second.id, 0.02), (2, third.id, 0.04)]


def test_many_who_ask_at_once_get_numbers_of_their_own_and_each_sees_those_before(shop: Shop) -> None:
    root = first(shop)
    drops = [0.01 + 0.001 * number for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        jobs = [*pool.map(lambda drop: asked(shop, root, drop), drops)]
    found = budgets(shop, root)
    assert [number for number, *_ in found] == [*range(1, 13)]
    assert {job: drop for _, job, drop in found} == {job.id: drop for job, drop in zip(jobs, drops, strict=True)}
    order = [drop for *_, drop in found]
    for number, job_id, drop in found:
        parent = claimed(shop, shop.jobs.get(shop.team, job_id)).parent
        assert parent is not None
        assert (parent.allowed, parent.budgets) == (drop, tuple(order[: number - 1]))


def test_who_asks_while_another_is_asking_waits_for_its_number(shop: Shop) -> None:
    root = first(shop)
    rows = []
    with shop.uncommitted(lambda: rows.append(asked(shop, root, 0.04))) as session:
        row = session.get_one(JobRow, root)
        row.root_id = root  # as of another budget, which needs no row of its own here
        ask(session, row, 0.02)
    assert budgets(shop, root) == [(1, root, 0.02), (2, rows[0].id, 0.04)]


def refused(shop: Shop, parent: str, error: type[Exception], told: str = ".", **fields: Any) -> None:
    with pytest.raises(error, match=told):
        shop.jobs.submit(shop.team, another(parent, **fields))
    with pytest.raises(error, match=told):
        shop.jobs.resolved(shop.team, another(parent, **fields))
    assert budgets(shop, parent) == []


def test_of_another_teams_job_nothing_is_known(shop: Shop) -> None:
    parent = first(shop)
    shop.team = TeamService(shop.database).create_team("theirs").team_id
    refused(shop, parent, NotFound)
    refused(shop, "job_none", NotFound)


def test_a_job_that_has_not_succeeded_has_no_curve(shop: Shop) -> None:
    queued, running, failed = shop.queued(), shop.claimed(), shop.claimed()
    shop.queue.fail(failed, PROBLEM)
    for job_id in (queued.id, running.job_id, failed.job_id, shop.jobs.cancel(shop.team, shop.queued().id).id):
        refused(shop, job_id, ParentNotFinished)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"given_rates": {"block.0": 0.5}}, "given plan"),
        ({"primesvt_version": "0.0.9"}, "0.0.9"),
        ({"curve": by_divergence().curve[:1]}, "no smaller model"),
        ({"curve": tuple(p.model_copy(update={"divergence": None}) for p in by_divergence().curve)}, "by accuracy"),
    ],
    ids=["plan", "version", "nothing", "paper"],
)
def test_a_run_of_which_no_other_budget_can_be_promised_is_refused(
    shop: Shop, fields: dict[str, Any], told: str
) -> None:
    refused(shop, first(shop, **fields), NotRetargetable, told)


def test_results_that_are_deleted_or_cannot_be_read_are_missed_at_once(shop: Shop) -> None:
    for name in ("report.json", reuse.FILE):
        parent = first(shop)
        with shop.database.session() as session:
            session.delete(session.get_one(ArtifactRow, (parent, name)))
        refused(shop, parent, ParentResultsGone, name)
    gone, damaged = first(shop), first(shop)
    shop.store.delete(f"artifacts/{gone}/report.json")
    refused(shop, gone, ParentResultsGone, "report")
    shop.store.put(f"artifacts/{damaged}/report.json", [b"{}"])
    refused(shop, damaged, ParentResultsGone, "cannot read")


def test_a_request_has_nothing_but_a_parent_and_a_drop(shop: Shop) -> None:
    parent = first(shop)
    for field in ("checkpoint_id", "dataset_id", "train_dataset_id", "plan"):
        refused(shop, parent, Invalid, field, **{field: {"mlp": 0.5} if field == "plan" else "upl_1"})
    drop = {"max_accuracy_drop": 0.02}
    specs: tuple[dict[str, Any], ...] = (
        {}, {"budget": {}}, {"budget": {**drop, "min_memory_saving": 0.5}}, {"budget": drop, "seed": 1},
        {"budget": {"max_accuracy_drop": 2}}, {"budget": {"max_accuracy_drop": None}}, {"budget": 3},
    )  # fmt: skip
    for spec in specs:
        refused(shop, parent, SpecError, spec=spec)


def test_inputs_must_still_be_there(shop: Shop) -> None:
    parent = first(shop)
    shop.set_upload(shop.jobs.get(shop.team, parent).dataset_id, state="expired")
    with pytest.raises(UploadNotReady):
        asked(shop, parent)
    assert budgets(shop, parent) == []


def test_results_stay_until_the_budgets_that_need_them_are_over(shop: Shop) -> None:
    parent = first(shop)
    child = asked(shop, parent)
    with pytest.raises(JobInUse, match=child.id):
        shop.jobs.delete(shop.team, parent)
    assert issubclass(JobInUse, Conflict)
    long_ago = now() - timedelta(days=20)
    shop.set(parent, finished_at=long_ago, used_at=long_ago)
    _keep_for(shop, days=10)
    assert len(shop.jobs.artifacts(shop.team, parent)) == 2
    shop.jobs.cancel(shop.team, child.id)
    _keep_for(shop, days=10)
    assert shop.jobs.artifacts(shop.team, parent) == []
    shop.jobs.delete(shop.team, parent)
    assert shop.jobs.get(shop.team, child.id).parent_id == parent


def _keep_for(shop: Shop, days: int) -> None:
    with shop.database.session() as session:
        session.get_one(TeamRow, shop.team).retention_days = days
    Retention(shop.database, shop.store).enforce()


def test_a_worker_is_told_of_results_that_went_all_the_same(shop: Shop) -> None:
    parent = first(shop)
    child = asked(shop, parent)
    with shop.database.session() as session:
        session.delete(session.get_one(ArtifactRow, (parent, reuse.FILE)))
    run = claimed(shop, child).parent
    assert run is not None
    assert {*run.files} == {"report.json"}


def test_a_budget_that_failed_is_asked_again(shop: Shop) -> None:
    parent = first(shop)
    child = asked(shop, parent, 0.02)
    shop.queue.fail(claimed(shop, child), PROBLEM)
    again = shop.jobs.retry(shop.team, child.id)
    assert (again.parent_id, again.retry_of, again.spec) == (parent, child.id, child.spec)
    assert [job for _, job, _ in budgets(shop, parent)] == [child.id, again.id]


def test_the_same_request_is_answered_alike_though_the_parent_is_gone(shop: Shop) -> None:
    parent = first(shop)
    child = shop.jobs.submit(shop.team, another(parent), "key")
    shop.jobs.cancel(shop.team, child.id)
    shop.jobs.delete(shop.team, parent)
    assert shop.jobs.submit(shop.team, another(parent), "key").id == child.id
    assert len(budgets(shop, parent)) == 1


def test_keys_of_requests_before_there_were_parents_mean_what_they_did(shop: Shop) -> None:
    new = shop.asked()
    assert {*new.document} == {"checkpoint_id", "dataset_id", "spec", "name", "train_dataset_id", "priority"}
    assert replace(new, parent_id="job_1").document["parent_id"] == "job_1"


def fitted(shop: Shop, claim: JobClaim, name: str, content: bytes = b"abc") -> str:
    """A large file that a job's child has made, stored as its worker stores it; returns its key."""
    key = shop.files.begin(claim, name)
    blob = shop.store.put(key, [content])
    shop.files.finish(claim, key, blob.sha256, blob.size)
    return key


def test_repairs_of_a_curve_are_kept_for_its_other_budgets_and_counted(shop: Shop) -> None:
    claim = shop.claimed()
    kept = fitted(shop, claim, "repaired-a.safetensors")
    tuned = fitted(shop, claim, "fine-tuned-a.safetensors")
    before = _stored(shop)
    root = finish(shop, claim)
    assert shop.files.left_over() == [tuned]
    artifacts = sum(one.size_bytes for one in shop.jobs.artifacts(shop.team, root))
    assert _stored(shop) - before == artifacts + len(b"abc")
    child = claimed(shop, asked(shop, root))
    own = fitted(shop, child, "repaired-b.safetensors")
    assert child.parent is not None
    assert [file.blob_key for file in child.parent.repairs] == [kept]
    second = finish(shop, child)
    last = claimed(shop, asked(shop, second)).parent
    assert last is not None
    assert [(file.name, file.blob_key) for file in last.repairs] == [
        ("repaired-a.safetensors", kept), ("repaired-b.safetensors", own),
    ]  # fmt: skip


def test_repairs_go_with_the_results_of_their_job(shop: Shop) -> None:
    deleted, expired = shop.claimed(), shop.claimed()
    keys = [fitted(shop, claim, "repaired-a.safetensors") for claim in (deleted, expired)]
    for claim in (deleted, expired):
        finish(shop, claim)
    shop.jobs.delete(shop.team, deleted.job_id)
    long_ago = now() - timedelta(days=20)
    shop.set(expired.job_id, finished_at=long_ago, used_at=long_ago)
    _keep_for(shop, days=10)
    for key in keys:
        with pytest.raises(BlobMissing):
            b"".join(shop.store.open(key))
    assert not {*keys} & {*shop.files.left_over()}


def _stored(shop: Shop) -> int:
    with shop.database.session() as session:
        return stored_bytes(session, shop.team)
