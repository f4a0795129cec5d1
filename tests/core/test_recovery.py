"""Whole runs whose candidates learn by time: what they test and deliver, and that they end the same when resumed."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from pydantic import JsonValue

from primesvt_client.progress import Progress
from primesvt_core.method.aims import TIMES
from primesvt_core.method.given_plan import GivenPlan
from primesvt_core.method.recovering import marks
from primesvt_core.pipeline import Request, compress
from primesvt_core.planned import PruneRequest, prune
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse
from primesvt_core.types import Step
from primesvt_core.workspace.reuse import FILE
from primesvt_core.workspace.store import CELLS, SPEEDS, snapshots
from tests.support.embedded import EXAMPLES

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
SPLITS: dict[str, JsonValue] = {"calibration_images": 96, "search_images": 60, "confirmation_images": 400}
TUNING: dict[str, JsonValue] = {
    "seconds": 10_000.0, "epochs": 4, "distillation": 1.0, "batch_size": 32, "learning_rate": 1e-3,
}  # fmt: skip
"""Time without end, so that epochs bound the steps, on whatever machine."""


def request(folder: Path, tuning: dict[str, JsonValue] | None = None, **fields: JsonValue) -> Request:
    spec = parse(
        {
            "budget": {"max_accuracy_drop": 0.05}, "rates": [0.5, 0.9], "repair": "closed_form", "criterion": "l2",
            "groups": ["block.*.mlp.*", "embedding"], "batch_size": 40, "splits": SPLITS,
            "fine_tuning": tuning or TUNING, **fields,
        }
    )  # fmt: skip
    return Request(checkpoint=CHECKPOINT, data=DATA, spec=spec, out=folder, workspace=folder / "workspace")


class Stopped(Exception):
    """As if the process had been killed."""


def stop_while_it_learns(progress: Progress) -> None:
    if progress.step is Step.FINE_TUNE and progress.note.startswith("fine-tuning, step 1 "):
        raise Stopped


def cells(folder: Path) -> dict[str, JsonValue]:
    lines = map(json.loads, (folder / "workspace" / CELLS).read_text().splitlines())
    return {line["key"]: line["value"] for line in lines}


@pytest.fixture(scope="module")
def resumed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    """A run that was stopped while its first candidate learned, and went on."""
    folder = tmp_path_factory.mktemp("resumed")
    with pytest.raises(Stopped):
        compress(request(folder), stop_while_it_learns)
    return compress(request(folder)), folder


@pytest.mark.thorough
def test_deeper_candidates_learn_and_are_tested_after_those_that_do_not(resumed: tuple[Report, Path]) -> None:
    report, folder = resumed
    learned = [key for key in cells(folder) if key.startswith(SPEEDS)]
    assert 1 <= len(learned) <= len(TIMES)
    assert len(snapshots(folder / "workspace")) == len(learned)
    assert report.verdict == "met"
    tuned = report.fine_tuning
    assert tuned is not None
    assert tuned.recovery is not None
    assert tuned.images == report.data.calibration_images
    found = tuned.recovery
    assert not found.labels
    assert 1 <= found.steps <= found.planned_steps == 12  # four epochs of 89 images, 32 at a time
    assert found.kept is (found.after.divergence < found.before.divergence)
    delivered = next(point for point in report.curve if point.memory_saving == report.memory_saving)
    if found.kept:
        assert delivered.divergence == pytest.approx(found.after.divergence)
    assert delivered.confirmed
    assert report.confirmation.drop_upper_bound <= 0.05
    assert "fine_tune" in report.timings


@pytest.mark.thorough
def test_a_run_that_was_stopped_ends_as_an_undisturbed_one(resumed: tuple[Report, Path], tmp_path: Path) -> None:
    """With the steps that it had time for, as the run that was stopped had found them."""
    report, folder = resumed
    (tmp_path / "workspace").mkdir()
    known = {key: value for key, value in cells(folder).items() if key.startswith(SPEEDS)}
    lines = [json.dumps({"key": key, "value": value}) + "\n" for key, value in known.items()]
    (tmp_path / "workspace" / CELLS).write_text("".join(lines))
    shutil.copy(folder / "workspace" / "inputs.json", tmp_path / "workspace")
    again = compress(request(tmp_path))
    without = {"timings", "model_sha256"}
    assert again.model_dump(exclude=without) == report.model_dump(exclude=without)
    assert again.model_sha256 == report.model_sha256
    assert (tmp_path / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


@pytest.mark.thorough
def test_the_steps_of_one_run_are_no_other_runs(resumed: tuple[Report, Path]) -> None:
    with gzip.open(resumed[1] / FILE, "rt") as file:
        kept = file.read()
    assert "confirmation-closed_form" in kept
    assert SPEEDS not in kept


@pytest.mark.parametrize("wanted", [0.5, pytest.param(0.97, marks=pytest.mark.thorough)])
def test_a_given_plan_is_recovered_to_an_accuracy(wanted: float, tmp_path: Path) -> None:
    asked = request(tmp_path, {**TUNING, "recover_to": wanted}, budget={"min_memory_saving": 0.0})
    plan = GivenPlan(name="rates.yaml", rates={"block.0.mlp.fc1": 0.9, "embedding": 0.5})
    report = prune(PruneRequest(checkpoint=CHECKPOINT, plan=plan, spec=asked.spec, out=tmp_path, data=DATA))
    assert isinstance(report, Report)
    assert report.fine_tuning is not None
    found = report.fine_tuning.recovery
    assert found is not None
    assert found.recover_to == wanted
    assert report.pruned.accuracy is not None
    assert found.recovered is (report.pruned.accuracy >= wanted)
    if wanted == 0.5:  # which it has, by estimate, at the first look
        assert found.recovered
        assert found.proven
        assert found.steps == marks(found.planned_steps)[0]


@pytest.mark.thorough
def test_with_a_target_the_best_learns_until_it_loses_little_enough(tmp_path: Path) -> None:
    budget: JsonValue = {"max_accuracy_drop": 0.1, "min_memory_saving": 0.3}
    report = compress(request(tmp_path, budget=budget))
    assert report.verdict == "met"
    assert report.memory_saving >= 0.3
    assert report.fine_tuning is not None
    assert report.fine_tuning.recovery is not None
    found = report.fine_tuning.recovery
    assert found.steps == marks(found.planned_steps)[0]


@pytest.mark.thorough
def test_a_search_by_accuracy_has_its_best_learn(tmp_path: Path) -> None:
    asked = request(
        tmp_path, preset="paper", repair="none", budget={"max_accuracy_drop": 0.1, "min_memory_saving": 0.2}
    )
    report = compress(asked)
    assert report.fine_tuning is not None
    assert report.fine_tuning.recovery is not None
    found = report.fine_tuning.recovery
    assert found.kept is (found.after.divergence < found.before.divergence)
    assert found.planned_steps == 12
