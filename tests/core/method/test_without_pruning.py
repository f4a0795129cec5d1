"""What loses no channel, and is stored in fewer bits or runs for fewer time steps, is a candidate like others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import JsonValue

from primesvt_core.intake.loading import load
from primesvt_core.method.candidates import UNPRUNED
from primesvt_core.pipeline import Request, compress, prepare
from primesvt_core.report import publishing
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse
from primesvt_core.testing.models import TINY
from tests.support import tiny

SAMPLES = 60
Ask = Callable[..., Request]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A tiny model, and images labelled with what it says of them, in classes of about the same number."""
    folder = tmp_path_factory.mktemp("tiny")
    state = dict(tiny.model(3).state_dict())
    pictures, _ = tiny.images(SAMPLES)
    x = torch.tensor(pictures).unsqueeze(1).float() / 255
    with torch.no_grad():
        model = tiny.model(3)
        logits = model(x)
        state["head.bias"] = state["head.bias"] - logits.mean(0)
        model.load_state_dict(state)
        labels = model(x).argmax(1).numpy()
    torch.save({"model": state, "args": {"T": TINY.time_steps, "num_heads": 2}}, folder / "tiny.pth")
    np.savez(folder / "tiny.npz", images=pictures, labels=labels.astype(np.int64))
    return folder / "tiny.pth", folder / "tiny.npz"


@pytest.fixture
def ask(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    monkeypatch.setattr(publishing, "draw", lambda _report: {})
    checkpoint, data = files

    def asked(**fields: JsonValue) -> Request:
        common: dict[str, JsonValue] = {
            "rates": [0.9], "groups": ["block.*", "embedding"], "criterion": "l2", "repair": "none", "batch_size": 20,
            "splits": {"calibration_images": 6, "search_images": 12, "confirmation_images": 30},
        }  # fmt: skip
        return Request(
            checkpoint=checkpoint, data=data, spec=parse({**common, **fields}), out=tmp_path / "out",
            workspace=tmp_path / "workspace",
        )  # fmt: skip

    return asked


def stored(ask: Ask) -> int:
    return prepare(ask(budget={"max_accuracy_drop": 0.5})).stored_before


def delivered(request: Request) -> tuple[Report, Path]:
    return compress(request), request.out / "model.safetensors"


def test_there_is_one_only_where_it_is_not_the_original(ask: Ask, tmp_path: Path) -> None:
    budget = {"max_accuracy_drop": 0.5}
    plain = prepare(ask(budget=budget))
    assert plain.whole is None
    assert plain.as_candidate({}) == {}
    rounded = prepare(replace(ask(budget=budget, weights="int8"), workspace=tmp_path / "int8"))
    whole = rounded.whole
    assert whole == {group.name: 0.0 for group in rounded.network.groups}
    assert (rounded.name(whole), rounded.name({})) == (UNPRUNED, plain.name({}))
    assert rounded.stored_bytes(whole) < rounded.stored_bytes({}) == rounded.memory({})
    assert rounded.memory(whole) == rounded.memory({})
    shorter = prepare(replace(ask(budget={**budget, "max_time_steps": 1}), workspace=tmp_path / "shorter"))
    assert shorter.whole is not None
    assert shorter.macs(shorter.whole) < shorter.macs({})
    assert shorter.build_pruned(shorter.whole).config.time_steps == 1
    same = prepare(replace(ask(budget=budget, weights="float32"), workspace=tmp_path / "same"))
    assert same.whole is None


@pytest.mark.parametrize("preset", ["deep", "paper"])
def test_a_file_that_is_small_enough_without_pruning_is_not_pruned(preset: str, ask: Ask) -> None:
    most = stored(ask) // 2
    request = ask(budget={"max_accuracy_drop": 0.3, "max_stored_bytes": most}, weights="int8", preset=preset)
    report, model = delivered(request)
    assert (report.verdict, report.memory_saving) == ("met", 0.0)
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
    report, model = delivered(replace(ask(budget=budget, preset=preset), workspace=ask(budget=budget).out / "w"))
    assert (report.verdict, report.memory_saving, load(model).time_steps) == ("met", 0.0, 1)
    assert {limit.name: limit.kept for limit in report.limits} == {"max_macs": True, "max_time_steps": True}


@pytest.mark.parametrize("preset", ["deep", "paper"])
def test_where_nothing_can_be_pruned_within_the_drop_it_is_delivered(preset: str, ask: Ask) -> None:
    report, _ = delivered(ask(budget={"max_accuracy_drop": 0.12}, weights="int8", preset=preset, groups=["embedding"]))
    assert (report.verdict, report.memory_saving) == ("met", 0.0)
    assert report.stored_saving > 0.5


def test_where_nothing_may_be_pruned_it_is_delivered(ask: Ask) -> None:
    report, _ = delivered(ask(budget={"max_accuracy_drop": 0.2}, weights="int8", excluded_groups=["*"], groups=["*"]))
    assert (report.verdict, report.memory_saving) == ("met", 0.0)
    assert report.stored_saving > 0.5
