"""Another budget for a finished run: another point of its curve, what is computed for it, and what is promised."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primesvt_core.errors import BudgetUnprovable, NotRetargetable
from primesvt_core.evaluation.time_steps import correct_by_step
from primesvt_core.promise.family import joint_confidence
from primesvt_core.report.schema import Report
from primesvt_core.retargeting import RetargetRequest, retarget
from primesvt_core.types import Verdict
from tests.support.commands import primesvt
from tests.support.embedded import EXAMPLES
from worker import protocol
from worker.child import Channel, carry_out

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
SPEC = {
    "budget": {"max_accuracy_drop": 0.03}, "rates": [0.5, 0.9], "repair": "closed_form", "criterion": "l2",
    "groups": ["block.*"], "batch_size": 50,
    "splits": {"search_images": 50, "confirmation_images": 200, "calibration_images": 50},
}  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, by the command, so that it knows where its inputs are."""
    folder = tmp_path_factory.mktemp("retargeting")
    (folder / "spec.json").write_text(json.dumps(SPEC))
    done = primesvt(
        "compress", CHECKPOINT, "--data", DATA, "--spec", folder / "spec.json", "--out", folder / "first"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "first"


def report_in(folder: Path) -> Report:
    return Report.model_validate_json((folder / "report.json").read_text())


def rates_of(report: Report, *, tested: bool) -> list[dict[str, float]]:
    """Of the points of the curve, or of those alone that were tested."""
    return [point.rates for point in report.curve if point.rates and (point.confirmed is not None or not tested)]


def ask(run: Path, drop: float, out: str, **others: Any) -> Report:
    folder = run.parent / out
    asked = RetargetRequest(run=run, max_accuracy_drop=drop, out=folder, workspace=folder / "workspace", **others)
    return retarget(asked)


@pytest.fixture(scope="module")
def second(first: Path) -> tuple[Path, list[int]]:
    """Another budget, and how many images were computed for its tests, test by test."""
    computed: list[int] = []

    def counting(model: Any, images: Any, tick: Any) -> Sequence[Sequence[bool]]:
        computed.append(len(images.indices))
        return correct_by_step(model, images, tick)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("primesvt_core.method.candidates.correct_by_step", counting)
        ask(first, 0.04, "second")
    return first.parent / "second", computed


def test_another_budget_takes_a_point_of_the_curve_by_its_joint_bound(
    first: Path, second: tuple[Path, list[int]]
) -> None:
    before, report = report_in(first), report_in(second[0])
    points = rates_of(before, tested=False)
    assert rates_of(report, tested=False) == points
    family = report.family_of_budgets
    assert family is not None
    assert (family.candidates, family.first_budget, family.budgets) == (len(points), 0.03, (0.04,))
    assert family.candidate_confidence == joint_confidence(0.95, len(points))
    assert family.error_spent == pytest.approx(0.1)
    assert report.verdict is Verdict.MET
    assert report.confirmation.held
    assert report.accuracy_drop is not None
    assert report.accuracy_drop <= report.confirmation.drop_upper_bound <= 0.04
    for point in report.curve:
        assert point.confirmed is None or point.confirmed == ((point.drop_upper_bound or 0.0) <= 0.04)
    assert report.profile == ()
    assert "the bounds of all" in " ".join(report.notes)
    assert f"all {len(points)} points hold together" in " ".join(report.notes)


def test_nothing_is_computed_twice(first: Path, second: tuple[Path, list[int]]) -> None:
    known = rates_of(report_in(first), tested=True)
    new = [rates for rates in rates_of(report_in(second[0]), tested=True) if rates not in known]
    assert new
    assert second[1] == [200] * len(new)


def test_a_worker_s_child_makes_the_same_file_and_is_told_of_the_budgets_before(
    first: Path, second: tuple[Path, list[int]], tmp_path: Path
) -> None:
    fetched = tmp_path / "parent"
    fetched.mkdir()
    for name in ("report.json", "cells.jsonl.gz"):
        shutil.copy(first / name, fetched)
    task = protocol.RetargetRequest(
        checkpoint=CHECKPOINT, data=DATA, train_data=None, workspace=tmp_path / "workspace", out=tmp_path / "out",
        run=fetched, name="the job job_1", max_accuracy_drop=0.04, budgets=(0.05, 0.02),
    )  # fmt: skip
    found = carry_out(task, Channel(io.StringIO()))
    assert isinstance(found, protocol.CompressResult)
    ours, theirs = ((folder / "model.safetensors").read_bytes() for folder in (tmp_path / "out", second[0]))
    assert ours == theirs
    family = report_in(tmp_path / "out").family_of_budgets
    assert family is not None
    assert (family.first_budget, family.budgets) == (0.03, (0.05, 0.02, 0.04))
    assert "the job job_1" in " ".join(report_in(tmp_path / "out").notes)


@pytest.mark.thorough
def test_a_budget_after_that_one_belongs_to_the_same_family(second: tuple[Path, list[int]]) -> None:
    done = primesvt(
        "retarget", second[0], "--max-accuracy-drop", "0.06", "--out", second[0].parent / "third", "--json"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    family, before = document["family_of_budgets"], report_in(second[0]).family_of_budgets
    assert before is not None
    assert family == {**before.model_dump(mode="json"), "budgets": [0.04, 0.06]}
    assert "profiling" not in done.stderr
    again = primesvt("retarget", second[0], "--max-accuracy-drop", "0.06", "--out", second[0].parent / "third")
    assert (again.returncode, "is not empty" in again.stderr) == (2, True)


@pytest.mark.thorough
def test_the_report_of_a_finished_run_is_a_plan(first: Path) -> None:
    done = primesvt("prune", CHECKPOINT, "--plan", first / "report.json", "--out", first.parent / "pruned", "--json")
    assert done.returncode == 0, done.stderr
    document, report = json.loads(done.stdout), report_in(first)
    assert {group["name"]: group["size_after"] for group in document["groups"] if group["rate"]} == {
        group.name: group.size_after for group in report.groups if group.rate
    }
    assert document["pruned"]["parameter_bytes"] == report.pruned.parameter_bytes
    assert document["pruned"]["macs"] == report.pruned.macs


def test_what_the_images_cannot_prove_beside_all_the_other_points_is_refused(first: Path) -> None:
    """200 images prove 1.5 points of one candidate, and less of each of several."""
    with pytest.raises(BudgetUnprovable):
        ask(first, 0.0155, "unprovable")


def changed(first: Path, name: str, **fields: Any) -> Path:
    """The first run, its report with other fields."""
    folder = first.parent / name
    folder.mkdir()
    shutil.copy(first / "cells.jsonl.gz", folder)
    document = json.loads((first / "report.json").read_text())
    document["spec"] |= fields.pop("spec", {})
    (folder / "report.json").write_text(json.dumps(document | fields))
    return folder


def test_runs_whose_points_cannot_be_promised_together_are_refused_by_name(first: Path) -> None:
    curve = [
        {**point, "divergence": None} for point in json.loads((first / "report.json").read_text())["curve"]
    ]  # fmt: skip
    for name, fields, told in (
        ("paper", {"curve": curve}, "goes by accuracy"),
        ("nothing", {"curve": curve[:1]}, "found no smaller model"),
        ("given", {"given_rates": {"a": 0.5}}, "carried out a given plan"),
        ("tuned", {"spec": {"fine_tuning": {"epochs": 1}}}, "fine-tunes"),
        ("recovered", {"spec": {"fine_tuning": {"seconds": 60.0}}}, "fine-tunes"),
        ("floor", {"spec": {"budget": {"min_accuracy": 0.9}}}, "had min_accuracy"),
    ):
        with pytest.raises(NotRetargetable, match=told):
            ask(changed(first, name, **fields), 0.06, f"{name}-out", checkpoint=CHECKPOINT, data=DATA)


def test_runs_that_are_not_at_hand_or_of_other_inputs_are_refused_by_name(first: Path, tmp_path: Path) -> None:
    with pytest.raises(NotRetargetable, match=r"has no report\.json"):
        ask(tmp_path, 0.06, "x")
    moved = changed(first, "moved")
    with pytest.raises(NotRetargetable, match="does not say where its checkpoint and its data lie"):
        ask(moved, 0.06, "moved-out")
    with pytest.raises(NotRetargetable, match="had another data set"):
        ask(moved, 0.06, "other-data", checkpoint=CHECKPOINT, data=other_data(tmp_path))
    with pytest.raises(NotRetargetable, match="had another seed"):
        ask(changed(first, "seeded", spec={"seed": 1}), 0.06, "seeded-out", checkpoint=CHECKPOINT, data=DATA)
    (moved / "cells.jsonl.gz").unlink()
    with pytest.raises(NotRetargetable, match=r"has no cells\.jsonl\.gz"):
        ask(moved, 0.06, "no-cells", checkpoint=CHECKPOINT, data=DATA)


def other_data(folder: Path) -> Path:
    """The digits, one pixel of one of them another."""
    with np.load(DATA) as digits:
        found = {name: digits[name].copy() for name in digits.files}
    found["images"].flat[0] ^= 1
    np.savez(folder / "other.npz", **found)
    return folder / "other.npz"
