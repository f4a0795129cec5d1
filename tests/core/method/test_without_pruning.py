"""What loses no channel, and is stored in fewer bits or runs for fewer time steps, is a candidate like others."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import Tensor

from primesvt_core.intake.loading import build, load
from primesvt_core.method.candidates import UNPRUNED
from primesvt_core.method.storing import stored as as_stored
from primesvt_core.pipeline import Request, compress, prepare
from primesvt_core.report import publishing
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse
from primesvt_core.testing.models import FamilyModel, tiny

DRAWN, SAMPLES, CLASSES, SIDE = 600, 60, 3, 16
MEAN, STD = 0.5, 0.289
"""Of random pixels: a model that sees all of them positive hardly tells one image from another."""
Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model without a favourite class; random images, as many of each, that it takes for the same in int8."""
    folder, drawn = tmp_path_factory.mktemp("tiny"), tiny()
    images = np.random.default_rng(0).random((DRAWN, drawn.config.in_channels, SIDE, SIDE), np.float32)
    state = dict(drawn.state)
    classes = taken(drawn, state, images)
    state["head.bias"] = state["head.bias"] - classes.mean(0)
    labels = taken(drawn, state, images).argmax(1)
    rounded = taken(drawn, dict(as_stored(state, "int8").state), images).argmax(1)
    of_class = [np.nonzero(((labels == rounded) & (labels == number)).numpy())[0] for number in range(CLASSES)]
    chosen = np.concatenate([places[: SAMPLES // CLASSES] for places in of_class])
    assert len(chosen) == SAMPLES
    fields = {field: getattr(drawn.config, field) for field in drawn.family.hyperparameters}
    args = {**fields, "mean": (MEAN,), "std": (STD,)}
    torch.save({"model": state, "args": args}, folder / "tiny.pth")
    np.savez(folder / "tiny.npz", images=images[chosen], labels=labels.numpy()[chosen].astype(np.int64))
    return folder / "tiny.pth", folder / "tiny.npz"


def taken(drawn: FamilyModel, state: dict[str, Tensor], images: NDArray[np.float32]) -> Tensor:
    """Logits of a model with such weights."""
    with torch.no_grad():
        found: Tensor = build(drawn.family, drawn.config, state)((torch.from_numpy(images) - MEAN) / STD)
    return found


@pytest.fixture
def ask(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(publishing, "draw", lambda _report: {})
    checkpoint, data = files
    number = count()

    def asked(**fields: JsonValue) -> Request:
        common: dict[str, JsonValue] = {
            "rates": [0.9], "groups": ["block.*", "embedding"], "criterion": "l2", "repair": "none", "batch_size": 20,
            "splits": {"calibration_images": 6, "search_images": 12, "confirmation_images": 30},
        }  # fmt: skip
        folder = tmp_path / str(next(number))
        spec = parse({**common, **fields})
        return Request(checkpoint=checkpoint, data=data, spec=spec, out=folder, workspace=folder / "workspace")

    return asked


def delivered(request: Request) -> tuple[Report, Path]:
    return compress(request), request.out / "model.safetensors"


def test_there_is_one_only_where_it_is_not_the_original(ask: Ask) -> None:
    budget: dict[str, JsonValue] = {"max_accuracy_drop": 0.5}
    plain = prepare(ask(budget=budget))
    assert plain.whole is None
    assert plain.as_candidate({}) == {}
    rounded = prepare(ask(budget=budget, weights="int8"))
    whole = rounded.whole
    assert whole is not None
    assert whole == {group.name: 0.0 for group in rounded.network.groups}
    assert (rounded.name(whole), rounded.name({})) == (UNPRUNED, plain.name({}))
    assert rounded.stored_bytes(whole) < rounded.stored_bytes({}) == rounded.memory({})
    assert rounded.memory(whole) == rounded.memory({})
    few = prepare(ask(budget=budget, weights="int8", groups=["embedding"]))
    assert few.whole == whole
    assert all(few.kept(group.name, 0.0) == group.size for group in few.network.groups)
    shorter = prepare(ask(budget={**budget, "max_time_steps": 1}))
    assert shorter.whole is not None
    assert shorter.macs(shorter.whole) < shorter.macs({})
    assert shorter.build_pruned(shorter.whole).config.time_steps == 1
    same = prepare(ask(budget=budget, weights="float32"))
    assert same.whole is None


@pytest.mark.parametrize("preset", ["deep", "paper"])
def test_a_file_that_is_small_enough_without_pruning_is_not_pruned(preset: str, ask: Ask) -> None:
    rounded = prepare(ask(budget={"max_accuracy_drop": 0.5}, weights="int8"))
    most = rounded.stored_bytes(rounded.as_candidate({}))
    assert most < 0.6 * rounded.stored_before
    request = ask(budget={"max_accuracy_drop": 0.3, "max_stored_bytes": most}, weights="int8", preset=preset)
    report, model = delivered(request)
    assert (report.verdict, report.memory_saving) == ("met", 0.0)
    assert report.stored_bytes is not None
    assert report.stored_bytes <= most
    assert report.confirmation.held
    assert report.plan == {}
    assert any("No channel was removed" in note and "int8" in note for note in report.notes)
    exact, read = load(request.checkpoint).state_dict(), load(model).state_dict()
    weights = {name: float((exact[name] - read[name]).abs().max()) for name in exact if name.endswith("_conv.weight")}
    assert all(0 < difference < 0.01 for difference in weights.values())


@pytest.mark.parametrize("preset", ["deep", "paper"])
def test_operations_that_fewer_time_steps_save_are_not_pruned(preset: str, ask: Ask) -> None:
    macs = prepare(ask(budget={"max_accuracy_drop": 0.5})).macs_before
    budget: dict[str, JsonValue] = {"max_macs": int(0.6 * macs), "max_time_steps": 1}
    report, model = delivered(ask(budget=budget, preset=preset))
    assert (report.verdict, report.memory_saving, load(model).time_steps) == ("met", 0.0, 1)
    assert {limit.name: limit.kept for limit in report.limits} == {"max_macs": True, "max_time_steps": True}


def test_where_nothing_can_be_pruned_within_the_drop_it_is_delivered(ask: Ask) -> None:
    """Of the stream nothing but nine tenths may go, which leaves two channels."""
    budget: dict[str, JsonValue] = {"max_accuracy_drop": 0.3}
    report, _ = delivered(ask(budget=budget, weights="int8", preset="paper", groups=["embedding"]))
    assert (report.verdict, report.memory_saving) == ("met", 0.0)
    assert (report.stored_saving or 0.0) > 0.4


def test_sequences_begin_with_it(ask: Ask) -> None:
    report, _ = delivered(ask(budget={"max_accuracy_drop": 0.3}, weights="int8"))
    whole = [point for point in report.curve if point.rates and not any(point.rates.values())]
    assert [point.confirmed for point in whole] == [True]


def test_where_nothing_may_be_pruned_it_is_delivered(ask: Ask) -> None:
    report, _ = delivered(ask(budget={"max_accuracy_drop": 0.3}, weights="int8", excluded_groups=["*"], groups=["*"]))
    assert (report.verdict, report.memory_saving) == ("met", 0.0)
    assert (report.stored_saving or 0.0) > 0.4
