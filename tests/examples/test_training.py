"""The recipes of the study's models: what they write is read as what it is, and learns."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from bench import study
from examples import train_fashion, train_nmnist, training
from primesvt_core.data import open_data
from primesvt_core.evaluation.evaluate import evaluate
from primesvt_core.families.spikformer import FAMILY
from primesvt_core.intake.inspect import inspect
from primesvt_core.testing.models import TINY
from tests.support import tiny

Run = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    def called(main: Callable[[], None], *options: str) -> None:
        monkeypatch.setattr(sys, "argv", ["recipe", "--out", str(tmp_path / "trained"), *options])
        main()

    return called


def test_a_model_learns_stage_by_stage() -> None:
    pictures, labels = tiny.images(90)
    samples = training.Samples(x=torch.tensor(pictures).unsqueeze(1).float() / 255, y=torch.tensor(labels))
    stages = (
        training.Stage(passes=6, rate=5e-3, time_steps=1, batch=15),
        training.Stage(passes=2, rate=2e-3, batch=15),
    )
    model = training.train(FAMILY, TINY, samples, stages, lambda x, _: x, seed=0)
    assert model.time_steps == TINY.time_steps
    assert training.accuracy(model, samples) > 0.8
    assert training.shortened(stages, 0.5)[0].passes == 3


def test_every_image_is_seen_once_a_pass() -> None:
    drawn = training._drawn(10, 3, torch.Generator().manual_seed(0))
    seen = torch.cat([next(drawn) for _ in range(3)])
    assert len({*seen.tolist()}) == 9


def archives(folder: Path, counts: dict[str, int]) -> Path:
    """Frames as N-MNIST's, random."""
    chance = np.random.default_rng(0)
    for part, count in counts.items():
        images = chance.integers(0, 4, (count, 4, 2, 34, 34)).astype(np.uint8)
        np.savez(folder / f"nmnist-frames-T4-{part}.npz", images=images, labels=np.arange(count) % 10)
    return folder


@pytest.mark.thorough
def test_the_event_model_is_trained_on_500_samples_and_the_others_are_kept(run: Run, tmp_path: Path) -> None:
    run(train_nmnist.main, "--data", str(archives(tmp_path, {"train": 520, "test": 40})), "--share", "0.001")
    found = inspect(tmp_path / "trained" / train_nmnist.CHECKPOINT)
    assert (found.family_key, found.config) == ("spikingformer", train_nmnist.CONFIG)
    assert len(open_data(tmp_path / "trained" / train_nmnist.REST)) == 60
    assert found.questions == {}
    assert (
        evaluate(
            tmp_path / "trained" / train_nmnist.CHECKPOINT, tmp_path / "trained" / train_nmnist.REST, split_name="all"
        ).samples
        == 60
    )


def idx(folder: Path, counts: dict[str, int]) -> Path:
    """Files as Fashion-MNIST's, random."""
    chance = np.random.default_rng(0)
    for part, count in counts.items():
        pixels = chance.integers(0, 255, (count, 28, 28)).astype(np.uint8)
        header = [np.array([0x803, count, 28, 28], ">i4").tobytes(), np.array([0x801, count], ">i4").tobytes()]
        for kind, body in (("images-idx3", pixels.tobytes()), ("labels-idx1", bytes(n % 10 for n in range(count)))):
            with gzip.open(folder / f"{part}-{kind}-ubyte.gz", "wb") as file:
                file.write(header[0 if kind.startswith("images") else 1] + body)
    return folder


@pytest.mark.thorough
def test_the_masked_model_is_trained_on_the_original_files(run: Run, tmp_path: Path) -> None:
    data = idx(tmp_path, {"train": 200, "t10k": 50})
    run(train_fashion.main, "--data", str(data), "--share", "0.2")
    found = inspect(tmp_path / "trained" / train_fashion.CHECKPOINT)
    assert (found.family_key, found.config) == ("sdtv1", train_fashion.CONFIG)
    assert (found.preprocessing.mean, found.preprocessing.std) == ((train_fashion.MEAN,), (train_fashion.STD,))
    assert found.questions == {}


def test_the_study_knows_both_with_budgets_of_their_own() -> None:
    subjects = {subject.name: subject for subject in study.SUBJECTS}
    assert subjects["nmnist"].checkpoint.name == train_nmnist.CHECKPOINT
    assert subjects["nmnist"].data.name == train_nmnist.REST
    assert subjects["fashion-sdt"].checkpoint.name == train_fashion.CHECKPOINT
    drops = {plan.subject.name: plan.spec.budget.max_accuracy_drop for plan in study.plans() if plan.way == "deep"}
    assert (drops["nmnist"], drops["fashion-sdt"], drops["cifar10"]) == (0.05, 0.03, 0.03)
