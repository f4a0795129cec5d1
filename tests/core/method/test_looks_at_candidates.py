"""Candidates on the confirmation split: seen in parts, in an order of which every beginning is like the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.evaluation.accuracy import correct
from primesvt_core.intake.loading import build
from primesvt_core.method.candidates import Candidates
from primesvt_core.pipeline import Request, prepare
from primesvt_core.promise.bounds import paired
from primesvt_core.promise.looks import look_counts
from primesvt_core.spec import parse
from primesvt_core.types import CurvePoint
from tests.support import tiny

IMAGES, BATCH = 2000, 40
RATES = {"block.0.mlp.fc1": 0.5}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("files")
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, folder / "tiny.pth")
    return folder / "tiny.pth", tiny.data_file(folder, IMAGES)


@pytest.fixture
def make(files: tuple[Path, Path], tmp_path: Path) -> Callable[..., Candidates]:
    def made(confirmation_images: int = 4000, workspace: str = "w") -> Candidates:
        spec = parse(
            {
                "preset": "paper", "budget": {"max_accuracy_drop": 0.03}, "batch_size": BATCH,
                "splits": {"confirmation_images": confirmation_images},
            }
        )  # fmt: skip
        checkpoint, data = files
        return prepare(
            Request(checkpoint=checkpoint, data=data, spec=spec, out=tmp_path, workspace=tmp_path / workspace)
        )

    return made


def point() -> CurvePoint:
    return CurvePoint(rates=RATES, accuracy=0.5, accuracy_drop=0.0, parameter_bytes=1, memory_saving=0.1)


def bits(candidates: Candidates, pruned: bool) -> list[bool]:
    """Of every image of the split, in its order, at once and by the sliced model itself."""
    found = candidates.build_pruned(RATES if pruned else {})
    model = build(candidates.family, found.config, found.state)
    return correct(model, candidates.images.blocks(candidates.images.splits.confirmation))


def parts(candidates: Candidates) -> set[str]:
    keys = [json.loads(line)["key"] for line in candidates.workspace.path("cells.jsonl").read_text().splitlines()]
    return {key.rpartition("/")[2] for key in keys if key.startswith("confirmation")}


def test_an_early_look_sees_the_first_images_of_the_order_and_computes_no_others(
    make: Callable[..., Candidates],
) -> None:
    candidates = make()
    order, samples = candidates.confirmation_order, len(candidates.images.splits.confirmation)
    assert look_counts(samples, candidates.confirmation_step) == (520, 1100)
    assert sorted(order) == [*range(samples)]
    before, after = bits(candidates, pruned=False), bits(candidates, pruned=True)
    assert candidates.judge(point(), 520) == paired([before[i] for i in order[:520]], [after[i] for i in order[:520]])
    assert parts(candidates) == {"0-520"}
    assert candidates.judge(point(), 1100) == paired(before, after)
    assert parts(candidates) == {"0-520", "520-1100"}
    assert candidates.confirmed_correct(RATES) == after


def test_a_test_knows_of_fewer_time_steps_once_it_has_seen_all_images(make: Callable[..., Candidates]) -> None:
    candidates = make()
    candidates.judge(point(), 520)
    assert candidates.confirmed_by_step(RATES) is None
    candidates.judge(point(), 1100)
    found = candidates.build_pruned(RATES)
    for steps, right in enumerate(candidates.confirmed_by_step(RATES) or [], 1):
        model = build(candidates.family, found.config.model_copy(update={"time_steps": steps}), found.state)
        assert correct(model, candidates.images.blocks(candidates.images.splits.confirmation)) == right
    assert candidates.confirmed_by_step(RATES) is not None
    assert candidates.confirmed_by_step({"block.0.mlp.fc1": 0.25}) is None


def test_of_the_original_it_is_known_without_a_test(make: Callable[..., Candidates]) -> None:
    candidates = make()
    by_step = candidates.confirmed_by_step({})
    assert by_step is not None
    assert by_step[-1] == bits(candidates, pruned=False)
    assert [sum(right) for right in by_step] == [*candidates.original_by_step()]


def test_tests_of_an_earlier_version_know_of_all_time_steps_alone(make: Callable[..., Candidates]) -> None:
    candidates = make()
    keys = [f"confirmation/{candidates.name(RATES)}/{part}" for part in ("0-520", "520-1100")]
    candidates.workspace.learn({key: "1" * count for key, count in zip(keys, (520, 580), strict=True)})
    assert candidates.confirmed_by_step(RATES) is None
    assert candidates.confirmed_correct(RATES) == [True] * 1100


def test_every_class_is_in_proportion_among_the_first_images(make: Callable[..., Candidates]) -> None:
    candidates = make()
    split = np.array(candidates.images.splits.confirmation)
    labels = candidates.images.data.labels[split[list(candidates.confirmation_order)]]
    whole = np.bincount(labels, minlength=tiny.CLASSES) / len(labels)
    for count in (520, 700):
        first = np.bincount(labels[:count], minlength=tiny.CLASSES)
        assert np.abs(first - count * whole).max() <= 2


def test_few_images_are_seen_at_once_in_the_order_of_the_split(make: Callable[..., Candidates]) -> None:
    candidates = make(600)
    assert candidates.confirmation_order == tuple(range(600))
    before, after = bits(candidates, pruned=False), bits(candidates, pruned=True)
    assert candidates.judge(point(), 600) == paired(before, after)


def test_a_model_whose_images_depend_on_their_batch_sees_all_of_them_at_once(
    make: Callable[..., Candidates], monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = make()
    monkeypatch.setattr(type(candidates.original), "depends_on_batch", True)
    assert candidates.confirmation_step == 1100
    assert candidates.confirmation_order == tuple(range(1100))
