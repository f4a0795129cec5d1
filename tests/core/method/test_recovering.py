"""A candidate learns from the original within its time, and keeps what brought it nearer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from pydantic import JsonValue

from primesvt_core.errors import SpecError
from primesvt_core.intake.loading import build
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.finetuning import Lesson
from primesvt_core.method.learning import check_recoverable
from primesvt_core.method.recovered import Compared, Recovered
from primesvt_core.method.recovering import MARKS, Recovery, by_width, fan_in, marks
from primesvt_core.method.run import Run, begin
from primesvt_core.pipeline import Request, prepare
from primesvt_core.spec import parse
from primesvt_core.workspace.store import CELLS, SPEEDS
from tests.support import tiny
from tests.support.embedded import EXAMPLES

RATES = {"block.0.mlp.fc1": 0.75, "embedding": 0.5}
SPLITS: dict[str, JsonValue] = {"calibration_images": 96, "search_images": 60, "confirmation_images": 60}


def prepared(workspace: Path, policy: str = "allocate", **tuning: JsonValue) -> Run:
    spec = parse(
        {
            "budget": {"min_memory_saving": 0.1}, "repair": "closed_form", "criterion": "l2", "batch_size": 30,
            "policy": policy, "splits": SPLITS,
            "fine_tuning": {"seconds": 5.0, "batch_size": 32, "learning_rate": 1e-4, **tuning},
        }
    )  # fmt: skip
    request = Request(
        checkpoint=EXAMPLES / "spikformer-digits.pth.tar", data=EXAMPLES / "digits.npz", spec=spec,
        out=workspace, workspace=workspace,
    )  # fmt: skip
    return begin(prepare(request))


def never(_: Compared) -> bool:
    return False


def with_time_for(run: Run, steps: int, rates: dict[str, float] | None = None) -> Recovery:
    """As if the machine had been found to be so fast."""
    name = run.candidates.name(rates or RATES)
    run.candidates.workspace.learn({f"{SPEEDS}{name}": {"steps": steps, "seconds_a_step": 0.5}})
    return Recovery(run.divergences)


def weights(candidates: Candidates) -> dict[str, torch.Tensor]:
    return dict(candidates.build_pruned(RATES).state)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Recovered]:
    run = prepared(tmp_path_factory.mktemp("undisturbed"))
    return run, with_time_for(run, 12).tune(RATES, 5.0, never)


def test_what_it_has_learned_is_kept_where_it_is_nearer_to_the_original(undisturbed: tuple[Run, Recovered]) -> None:
    run, found = undisturbed
    assert (found.steps, found.planned, found.seconds) == (12, 12, 6.0)
    assert found.images == len(run.candidates.images.splits.calibration)
    assert len(found.losses) == MARKS
    assert found.is_kept is (found.after.divergence < found.before.divergence)
    assert found.compared == (found.after if found.is_kept else found.before)
    assert found.after.samples == len(run.divergences.images)
    repaired = run.candidates.repaired_state(RATES)[1]
    assert not same(dict(found.state), repaired)
    assert same(weights(run.candidates), dict(found.state) if found.is_kept else repaired)


def test_what_it_learns_from_is_of_no_other_split(undisturbed: tuple[Run, Recovered]) -> None:
    candidates = undisturbed[0].candidates
    assert candidates.training is not None
    learned, splits = set(candidates.training.indices), candidates.images.splits
    assert learned == set(splits.calibration)  # candidates are compared on the whole search split, which is small
    assert not learned & {*splits.search, *splits.confirmation}
    assert not candidates.learns_from_search


@pytest.mark.parametrize(("policy", "first"), [("allocate", 20), ("prioritized", 60)])
def test_images_of_the_search_split_that_compare_nothing_teach(
    policy: str, first: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("primesvt_core.method.training_data.COMPARED", 20)
    monkeypatch.setattr("primesvt_core.method.divergence.IMAGES", 20)
    run = prepared(tmp_path, policy=policy)
    splits, training = run.candidates.images.splits, run.candidates.training
    assert training is not None
    assert [*training.indices] == [*splits.calibration, *splits.search[first:]]
    assert len(run.divergences.images) == 20


def test_what_learns_is_the_last_part_or_all(undisturbed: tuple[Run, Recovered], tmp_path: Path) -> None:
    run, found = undisturbed
    whole = prepared(tmp_path, learns="all")
    other = with_time_for(whole, 12).tune(RATES, 5.0, never)
    before = run.candidates.repaired_state(RATES)[1]

    def moved(learned: Recovered) -> set[str]:
        return {name for name, value in learned.state.items() if not torch.equal(value, before[name])}

    assert moved(found) < moved(other)
    assert {name.split(".")[0] for name in moved(other) - moved(found)} == {"patch_embed"}


@pytest.mark.parametrize("stop_at", [pytest.param(1, marks=pytest.mark.thorough), 5])
def test_what_was_stopped_ends_as_undisturbed(stop_at: int, undisturbed: tuple[Run, Recovered], tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(message: str) -> None:
        if message.startswith(f"fine-tuning, step {stop_at} "):
            raise Stopped

    with pytest.raises(Stopped):
        with_time_for(prepared(tmp_path), 12).tune(RATES, 5.0, never, stop)
    again = prepared(tmp_path)
    assert same(dict(Recovery(again.divergences).tune(RATES, 5.0, never).state), dict(undisturbed[1].state))
    assert same(weights(again.candidates), weights(undisturbed[0].candidates))


def test_of_many_images_nothing_is_computed_before(
    undisturbed: tuple[Run, Recovered], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take more time than there is; what is learned is the same."""
    monkeypatch.setattr("primesvt_core.method.recovering.MOST_TAUGHT", 0)
    monkeypatch.setattr(Lesson, "with_begun", lambda _: pytest.fail("computed all images"))
    found = with_time_for(prepared(tmp_path), 12).tune(RATES, 5.0, never)
    assert same(dict(found.state), dict(undisturbed[1].state))


def test_its_steps_follow_from_its_time_and_are_remembered(tmp_path: Path) -> None:
    run = prepared(tmp_path)
    found = Recovery(run.divergences).tune(RATES, 0.2, lambda _: True)
    lines = [json.loads(line) for line in (tmp_path / CELLS).read_text().splitlines()]
    [speed] = [line["value"] for line in lines if line["key"].startswith(SPEEDS)]
    assert found.planned == speed["steps"] >= 1
    assert found.steps == marks(found.planned)[0]  # at the first mark it was enough
    assert found.seconds == pytest.approx(found.steps * speed["seconds_a_step"])
    assert Recovery(prepared(tmp_path).divergences).tune(RATES, 1e6, lambda _: True).planned == found.planned


def test_epochs_bound_the_steps(tmp_path: Path) -> None:
    run = prepared(tmp_path, epochs=2, seconds=1000.0, distillation=1.0)
    assert Recovery(run.divergences).tune(RATES, 1000.0, lambda _: True).planned == 6  # three batches an epoch


def test_what_brings_it_no_nearer_is_not_kept(tmp_path: Path) -> None:
    run = prepared(tmp_path, learning_rate=3.0)
    found = with_time_for(run, 2).tune(RATES, 5.0, never)
    assert not found.is_kept
    assert found.compared == found.before
    assert same(weights(run.candidates), run.candidates.repaired_state(RATES)[1])


def test_marks_are_even_and_end_with_the_last_step() -> None:
    assert marks(60) == (10, 20, 30, 40, 50, 60)
    assert marks(2) == (1, 2)
    assert marks(1) == (1,)
    assert marks(7)[-1] == 7


def test_layers_that_lost_inputs_learn_faster(undisturbed: tuple[Run, Recovered]) -> None:
    candidates = undisturbed[0].candidates
    pruned = candidates.build_pruned({"block.0.mlp.fc1": 0.75})
    factors = by_width(candidates.original, build(candidates.family, pruned.config, pruned.state))
    assert factors["block.0.mlp.fc2_linear.weight"] == pytest.approx(2.0)  # a quarter of its inputs is left
    assert factors["block.0.mlp.fc1_linear.weight"] == 1.0
    assert fan_in((8, 4, 3, 3)) == 36


@pytest.mark.parametrize(("wanted", "refused"), [(0.5, False), (0.9999, True)])
def test_an_accuracy_that_the_original_does_not_have_is_refused(
    wanted: float, refused: bool, undisturbed: tuple[Run, Recovered]
) -> None:
    candidates = undisturbed[0].candidates
    assert candidates.original_accuracy() < 0.9999
    settings = candidates.spec.fine_tuning.model_copy(update={"recover_to": wanted})
    before = candidates.spec
    candidates.spec = before.model_copy(update={"fine_tuning": settings})
    try:
        if refused:
            with pytest.raises(SpecError, match=r"the original model reaches 9\d\.\d\d%"):
                check_recoverable(candidates)
        else:
            check_recoverable(candidates)
    finally:
        candidates.spec = before


def test_too_few_images_to_learn_from_are_refused(tmp_path: Path) -> None:
    spec = parse({"budget": {"min_memory_saving": 0.1}, "fine_tuning": {"seconds": 5.0}})
    path = tmp_path / "tiny.pth"
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, path)
    request = Request(checkpoint=path, data=tiny.data_file(tmp_path), spec=spec, out=tmp_path, workspace=tmp_path / "w")
    with pytest.raises(SpecError, match="12 images of the splits that are learned from, at least 32 are needed"):
        prepare(request)
    few = replace(request, train_data=tiny.data_file(_folder(tmp_path / "few"), 20), workspace=tmp_path / "v")
    with pytest.raises(SpecError, match=r"20 images of tiny\.npz"):
        prepare(few)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
