"""Other budgets and given plans in the real service end as the commands do, to the last byte of the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.catalog.states import UploadKind
from app.jobs.states import JobState
from primesvt_client import ServerError
from primesvt_client.schemas.jobs import JobView
from tests.support.commands import primesvt
from tests.support.embedded import EXAMPLES, Service, needs_proc, service

pytestmark = [needs_proc, pytest.mark.slow, pytest.mark.thorough]

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
SPEC: dict[str, Any] = {
    "budget": {"max_accuracy_drop": 0.03}, "rates": [0.5, 0.9], "repair": "closed_form", "criterion": "l2",
    "groups": ["block.*"], "batch_size": 50,
    "splits": {"search_images": 50, "confirmation_images": 200, "calibration_images": 50},
}  # fmt: skip


@dataclass(frozen=True)
class Finished:
    """A finished job, and a folder with its artifacts."""

    here: Service
    job: JobView
    folder: Path

    def ended(self, job: JobView, name: str) -> Path:
        """The artifacts of a job, once it has succeeded."""
        over = self.here.until_over(job)
        assert over.state is JobState.SUCCEEDED, over.problem
        self.here.client.download(job.id, self.folder.parent / name)
        return self.folder.parent / name

    @property
    def inputs(self) -> tuple[str, str]:
        return self.job.checkpoint_id, self.job.dataset_id


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    folder = tmp_path_factory.mktemp("budgets")
    with service(folder / "data") as here:
        model, images = (
            here.example(CHECKPOINT.name, UploadKind.CHECKPOINT),
            here.example(DATA.name, UploadKind.DATASET),
        )
        job = here.client.submit(model, images, SPEC)
        found = Finished(here, job, folder / "first")
        found.ended(job, "first")
        yield found


def report_in(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def model_in(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_two_budgets_at_once_share_a_family_and_end_as_the_command_does(first: Finished, tmp_path: Path) -> None:
    client = first.here.client
    children = {drop: client.retarget(first.job.id, drop) for drop in (0.04, 0.06)}
    for place, (drop, child) in enumerate(children.items()):
        ours = first.ended(child, f"child-{drop}")
        done = primesvt(
            "retarget", first.folder, "--max-accuracy-drop", str(drop), "--checkpoint", CHECKPOINT, "--data", DATA,
            "--out", tmp_path / str(drop),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert model_in(ours) == model_in(tmp_path / str(drop))
        report, theirs = report_in(ours), report_in(tmp_path / str(drop))
        family = report.pop("family_of_budgets")
        assert family["budgets"] == [0.04, 0.06][: place + 1]
        assert {**family, "budgets": [drop]} == theirs.pop("family_of_budgets")
        for name in ("curve", "confirmation", "plan", "verdict", "pruned", "spec"):
            assert report[name] == theirs[name], name
        assert report["profile"] == []
    again = first.ended(client.retarget(children[0.04].id, 0.05), "grandchild")
    assert report_in(again)["family_of_budgets"]["budgets"] == [0.04, 0.06, 0.05]


def test_a_plan_ends_as_the_command_does_with_data_and_without(first: Finished, tmp_path: Path) -> None:
    plan, (model, images) = report_in(first.folder), first.inputs
    budget = {"budget": {"max_accuracy_drop": 0.1}, "splits": SPEC["splits"], "repair": "closed_form"}
    (tmp_path / "spec.json").write_text(json.dumps(budget))
    for name, job, options in (
        ("sliced", first.here.client.submit(model, None, {}, plan=plan), ()),
        ("repaired", first.here.client.submit(model, images, budget, plan=plan),
         ("--data", DATA, "--spec", tmp_path / "spec.json")),
    ):  # fmt: skip
        ours = first.ended(job, name)
        done = primesvt(
            "prune", CHECKPOINT, "--plan", first.folder / "report.json", *options, "--out", tmp_path / name
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert model_in(ours) == model_in(tmp_path / name)
        assert report_in(ours)["verdict"] == report_in(tmp_path / name)["verdict"]


def test_a_parent_is_kept_while_its_child_is_not_over(first: Finished) -> None:
    client = first.here.client
    child = client.retarget(first.job.id, 0.07)
    with pytest.raises(ServerError) as refusal:
        client.delete(first.job.id)
    assert refusal.value.problem.code == "job_in_use"
    assert first.here.until_over(child).state is JobState.SUCCEEDED


def test_of_a_disagreement_another_one_is_promised(first: Finished) -> None:
    parent = first.here.client.submit(*first.inputs, {**SPEC, "budget": {"max_disagreement": 0.1}})
    first.ended(parent, "unlabelled")
    with pytest.raises(ServerError, match="--max-disagreement"):
        first.here.client.retarget(parent.id, 0.08)
    child = first.here.client.retarget(parent.id, max_disagreement=0.08)
    report = json.loads((first.ended(child, "less") / "report.json").read_text())
    assert report["spec"]["budget"]["max_disagreement"] == 0.08
    assert report["family_of_budgets"]["first_budget"] == 0.1
    assert report["verdict"] == "met"
    assert report["confirmation"]["disagreement_upper_bound"] <= 0.08
