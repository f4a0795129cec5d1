"""How a job is told apart and made again."""

from __future__ import annotations

import shlex
from dataclasses import replace

from app.catalog.states import UploadKind
from app.jobs.records import NewJob
from app.web.job.identity import identity
from primesvt_client.states import Priority
from tests.support.dashboard import Dashboard, sample_report


def test_the_command_submits_the_job_again(board: Dashboard) -> None:
    team = board.team()
    checkpoint = board.ready(team, UploadKind.CHECKPOINT, "-it's mine; $(rm).pth")
    data = board.ready(team, UploadKind.DATASET, "d.npz")
    spec = {"budget": {"max_accuracy_drop": 0.025}, "seed": 3}
    new = NewJob(checkpoint_id=checkpoint.id, dataset_id=data.id, spec=spec, name="A job", priority=Priority.HIGH)
    job = board.services.jobs.submit(team.id, new)
    found = identity(job, {checkpoint.id: checkpoint, data.id: data}, None)
    assert shlex.split(found.command) == [
        "primesvt", "submit", "./-it's mine; $(rm).pth", "--data", "d.npz", "--max-accuracy-drop", "0.025",
        "--seed", "3", "--priority", "high", "--name", "A job",
    ]  # fmt: skip
    assert (found.files, dict(found.versions)) == ((), {})
    told = {one.what: one.digest for one in identity(job, {checkpoint.id: checkpoint}, sample_report()).digests}
    assert told["Delivered model"] == "b" * 64
    gone = identity(job, {}, sample_report())
    assert "CHECKPOINT" in gone.command
    assert {one.what: one.digest for one in gone.digests}["Checkpoint"] == "a" * 64


def test_another_budget_a_plan_and_a_spec_that_needs_a_file(board: Dashboard) -> None:
    job = board.queued(board.team(), "one")
    child = replace(job, parent_id="job_0", spec={"budget": {"max_disagreement": 0.02}})
    words = shlex.split(identity(child, {}, None).command)
    assert words[:6] == ["primesvt", "submit", "--parent", "job_0", "--max-disagreement", "0.02"]
    plan = replace(job, plan={"a": 0.5}, dataset_id="", spec={**job.spec, "groups": ["block.*"]})
    found = identity(plan, {}, None)
    assert found.files == ("plan.json", "spec.json")
    assert "--data" not in found.command
    assert "--plan plan.json --spec spec.json" in found.command


def test_a_registered_data_set_is_given_by_its_id(board: Dashboard) -> None:
    team = board.team()
    checkpoint, data = board.ready(team, UploadKind.CHECKPOINT, "a.pth"), board.registered([team.id])
    new = NewJob(checkpoint_id=checkpoint.id, dataset_id=data, spec={"budget": {"max_accuracy_drop": 0.03}})
    job = board.services.jobs.submit(team.id, new)
    uploads = {checkpoint.id: checkpoint, data: board.services.catalog.get(team.id, data)}
    assert f"--data {data}" in identity(job, uploads, None).command
