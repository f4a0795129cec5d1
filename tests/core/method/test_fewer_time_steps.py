"""A budget of time steps: the original over all of its own is compared with candidates over fewer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from primesvt_core.data import DataSet
from primesvt_core.errors import SpecError
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.intake.loading import build, load
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.cell_inputs import cell_inputs
from primesvt_core.method.run import begin
from primesvt_core.method.time_steps import time_steps
from primesvt_core.pipeline import Request, _goal, compress, prepare
from primesvt_core.promise.bounds import paired
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse
from primesvt_core.testing.models import TINY
from tests.support.embedded import EXAMPLES

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
FEWER = 2
RATES = {"block.0.mlp.fc1": 0.5}

Make = Callable[..., Candidates]


def request(folder: Path, data: Path | DataSet = DATA, **changes: object) -> Request:
    spec = {
        "budget": {"max_accuracy_drop": 0.2, "max_time_steps": FEWER}, "preset": "paper", "rates": [0.5],
        "groups": ["block.*.mlp.*"],
        "splits": {"search_images": 40, "confirmation_images": 120, "calibration_images": 20},
    }  # fmt: skip
    asked = parse({**spec, **changes})  # type: ignore[dict-item]
    return Request(checkpoint=CHECKPOINT, data=data, spec=asked, out=folder, workspace=folder / "workspace")


@pytest.fixture(scope="module")
def compressed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Path]:
    folder = tmp_path_factory.mktemp("fewer")
    return compress(request(folder)), folder


@pytest.fixture
def candidates(tmp_path: Path) -> Candidates:
    return prepare(request(tmp_path))


def test_what_is_delivered_runs_for_so_many_time_steps(compressed: tuple[Report, Path]) -> None:
    report, folder = compressed
    assert report.verdict == "met"
    assert report.memory_saving > 0
    assert report.config["time_steps"] == load(folder / "model.safetensors").time_steps == FEWER
    assert evaluate(folder / "model.safetensors", DATA).accuracy == report.pruned.accuracy
    assert any(f"runs for {FEWER} time steps and the original for 4" in note for note in report.notes)


def test_the_promise_compares_it_with_the_original_over_all_of_its_own(
    compressed: tuple[Report, Path], candidates: Candidates
) -> None:
    report, folder = compressed
    images = candidates.images.blocks(candidates.images.splits.confirmation)
    before, after = correct(candidates.original, images), correct(load(folder / "model.safetensors"), images)
    pair = paired(before, after)
    confirmation = report.confirmation
    assert (confirmation.lost, confirmation.won) == (pair.lost, pair.won)
    assert report.baseline.correct == sum(before)
    assert confirmation.drop_upper_bound <= 0.2
    tested = [point for point in report.curve if point.confirmed]
    assert [point.confirmed_drop for point in tested[-1:]] == [pair.drop]


def test_time_steps_end_where_the_delivered_model_does(compressed: tuple[Report, Path]) -> None:
    report, _ = compressed
    assert [each.accuracy_after is None for each in report.time_steps] == [False, False, True, True]
    assert report.time_steps[FEWER - 1].accuracy_after == report.pruned.accuracy
    assert report.time_steps[-1].accuracy_before == report.baseline.accuracy


def test_multiply_accumulates_are_those_of_fewer_time_steps(candidates: Candidates, tmp_path: Path) -> None:
    whole = prepare(request(tmp_path / "whole", budget={"max_accuracy_drop": 0.2}))
    assert candidates.macs({}) == whole.macs({}) == candidates.macs_before
    once = candidates.state["head.weight"].numel()  # of the mean over time
    assert (candidates.macs(RATES) - once) * 4 == (whole.macs(RATES) - once) * FEWER
    assert cell_inputs(candidates) == {**cell_inputs(whole), "time steps": FEWER}


@pytest.mark.parametrize("preset", ["paper", "deep"])
def test_the_search_counts_what_fewer_time_steps_lose(preset: str, tmp_path: Path) -> None:
    candidates = prepare(request(tmp_path, preset=preset, repair="none"))
    run = begin(candidates)
    images = candidates.images.blocks(run.split.images)
    wanted = sum(correct(candidates.original, images)) / run.split.total
    assert run.start().accuracy == (wanted if preset == "paper" else run.divergences.start().accuracy)
    pruned = candidates.build_pruned(RATES)
    assert pruned.config.time_steps == FEWER
    after = correct(build(candidates.family, pruned.config, pruned.state), images)
    assert run.split.evaluate(RATES).accuracy == sum(after) / run.split.total
    assert candidates.build_pruned({}).config.time_steps == 4


def test_a_divergence_counts_fewer_time_steps_once_however_many_groups_are_pruned(tmp_path: Path) -> None:
    candidates = prepare(request(tmp_path, preset="deep", repair="none"))
    divergences = begin(candidates).divergences
    (alone,) = divergences.measure([RATES], "none")
    assert 0 < divergences.of_fewer_steps < 2 * alone.divergence
    whole = prepare(request(tmp_path / "whole", preset="deep", repair="none", budget={"max_accuracy_drop": 0.2}))
    assert begin(whole).divergences.of_fewer_steps == 0.0


def test_the_original_reaches_no_target_over_all_its_time_steps(candidates: Candidates, tmp_path: Path) -> None:
    easy = {"max_accuracy_drop": 0.2, "min_memory_saving": 0.0, "max_time_steps": FEWER}
    asked = prepare(request(tmp_path / "easy", budget=easy))
    goal = _goal(asked, begin(asked).start())
    assert not goal.is_reached(asked.memory({}), asked.macs({}), {})
    assert goal.is_reached(asked.memory(RATES), asked.macs(RATES), RATES)
    assert not _goal(candidates, begin(candidates).start()).has_target


def test_as_many_time_steps_as_the_model_has_are_no_limit(tmp_path: Path) -> None:
    asked = prepare(request(tmp_path, budget={"max_accuracy_drop": 0.2, "max_time_steps": 4}))
    assert not asked.time_steps.is_shortened
    assert asked.unpruned is asked.original


def test_a_model_that_knows_no_fewer_time_steps_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Candidates, "no_fewer_steps", "mean computes a time step from later ones")
    with pytest.raises(SpecError, match=r"max_time_steps is 2.*family spikformer.*mean computes a time step"):
        prepare(request(tmp_path))


FRAMES = DataSet(
    name="events", kind="frames", classes=("a",), labels=np.zeros(1, np.int64),
    decode=lambda _: np.zeros((8, 1, 8, 8), np.float32), digest=lambda: "",
)  # fmt: skip
PICTURES = replace(FRAMES, kind="images")


@pytest.mark.parametrize(
    ("data", "most", "original", "of_candidates"),
    [(PICTURES, None, 2, 2), (PICTURES, 2, 2, 2), (PICTURES, 9, 2, 2), (PICTURES, 1, 2, 1), (FRAMES, None, 8, 8)],
)
def test_candidates_run_for_as_many_as_the_budget_allows(
    data: DataSet, most: int | None, original: int, of_candidates: int
) -> None:
    found = time_steps(TINY, data, most)
    assert (found.original, found.candidates) == (original, of_candidates)
    assert found.is_shortened is (of_candidates < original)
    assert found.shorter(TINY).time_steps == (of_candidates if found.is_shortened else TINY.time_steps)
    found.check("spikformer", None)


def test_frames_bring_time_steps_of_their_own() -> None:
    time_steps(TINY, FRAMES, 8).check("spikformer", "whatever")
    with pytest.raises(SpecError, match="events holds frames, which bring 8 time steps of their own"):
        time_steps(TINY, FRAMES, 7).check("spikformer", None)


def test_time_steps_alone_are_no_budget() -> None:
    with pytest.raises(SpecError, match="at least one of"):
        parse({"budget": {"max_time_steps": 2}})
    kept = parse({"budget": {"max_accuracy_drop": 0.03}}).model_dump(mode="json")
    assert "max_time_steps" not in kept["budget"]


def test_what_is_remembered_serves_a_run_that_was_stopped(candidates: Candidates, tmp_path: Path) -> None:
    counts = candidates.original_by_step()
    again = prepare(request(tmp_path))
    again.__dict__["original"] = SimpleNamespace(depends_on_batch=False)  # which nothing is computed with
    assert again.original_by_step() == counts
    assert counts[-1] == round(candidates.original_accuracy() * 120)
