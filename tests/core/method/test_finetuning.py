"""Fine-tuning learns, repeats itself, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from primesvt_core.data import Preprocessing, open_data
from primesvt_core.families import FAMILIES
from primesvt_core.families.spikformer import FAMILY
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.finetuning import TrainingSet, fine_tune
from primesvt_core.pruning.groups import kept_count
from primesvt_core.pruning.surgery import prune, shapes_of
from primesvt_core.spec import FineTuning
from primesvt_core.types import Plan
from tests.support import tiny

SETTINGS = FineTuning(epochs=3, learning_rate=0.01, batch_size=20, distillation=0.0)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    data = open_data(tiny.data_file(tmp_path_factory.mktemp("tiny")))
    side = Preprocessing(resize=tiny.SIDE, crop=tiny.SIDE, interpolation="bilinear")
    return TrainingSet(data=data, indices=range(len(data)), preprocessing=side)


def nobody(_done: int, _total: int) -> None:
    pass


def tuned(
    training: TrainingSet, snapshot: Path, settings: FineTuning = SETTINGS, tick: Callable[[int, int], None] = nobody
) -> tuple[SpikingModel, tuple[float, ...]]:
    model = tiny.model()
    losses = fine_tune(model, tiny.model(seed=1), training, settings, 0, snapshot, tick)
    return model, losses


def same(one: SpikingModel, other: SpikingModel) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.fixture(scope="module")
def undisturbed(
    training: TrainingSet, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SpikingModel, tuple[float, ...]]:
    return tuned(training, tmp_path_factory.mktemp("undisturbed") / "s.safetensors")


def test_the_loss_falls_and_the_model_is_in_eval_mode(undisturbed: tuple[SpikingModel, tuple[float, ...]]) -> None:
    model, losses = undisturbed
    assert len(losses) == SETTINGS.epochs
    assert losses[-1] < losses[0]
    assert not model.training
    assert not same(model, tiny.model())


def test_the_same_seed_gives_the_same_weights(
    training: TrainingSet, undisturbed: tuple[SpikingModel, tuple[float, ...]], tmp_path: Path
) -> None:
    model, losses = tuned(training, tmp_path / "s.safetensors")
    assert losses == undisturbed[1]
    assert same(model, undisturbed[0])


@pytest.mark.parametrize("stop_at", [1, 7, 13])
def test_a_stopped_training_ends_as_an_undisturbed_one(
    stop_at: int, training: TrainingSet, undisturbed: tuple[SpikingModel, tuple[float, ...]], tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 3 * 6
        if done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(training, tmp_path / "s.safetensors", tick=stop)
    ticks: list[int] = []
    model, losses = tuned(training, tmp_path / "s.safetensors", tick=lambda done, _: ticks.append(done))
    finished_epochs = (stop_at - 1) // 6
    assert ticks == [*range(6 * finished_epochs + 1, 19)]
    assert losses == undisturbed[1]
    assert same(model, undisturbed[0])


def test_another_seed_shows_the_images_in_another_order(
    training: TrainingSet, undisturbed: tuple[SpikingModel, tuple[float, ...]], tmp_path: Path
) -> None:
    model = tiny.model()
    losses = fine_tune(model, tiny.model(seed=1), training, SETTINGS, 1, tmp_path / "s.safetensors", nobody)
    assert losses != undisturbed[1]


def test_distillation_changes_what_is_learned(
    training: TrainingSet, undisturbed: tuple[SpikingModel, tuple[float, ...]], tmp_path: Path
) -> None:
    settings = SETTINGS.model_copy(update={"distillation": 0.5})
    model, losses = tuned(training, tmp_path / "s.safetensors", settings)
    assert losses != undisturbed[1]
    assert not same(model, undisturbed[0])


def test_a_pruned_model_keeps_its_shapes_and_gets_better(training: TrainingSet, tmp_path: Path) -> None:
    plan = Plan({group.name: tuple(range(kept_count(group, 0.5))) for group in tiny.groups() if group.parts == 1})
    assert plan.kept
    config, state = prune(FAMILY, tiny.CONFIG, tiny.model().state_dict(), plan)
    model = build(FAMILIES.load("spikformer"), config, state)
    losses = fine_tune(model, tiny.model(), training, SETTINGS, 0, tmp_path / "s.safetensors", nobody)
    assert shapes_of(model.state_dict()) == shapes_of(state)
    assert shapes_of(state) != shapes_of(tiny.model().state_dict())
    assert losses[-1] < losses[0]


def test_the_teacher_learns_nothing(training: TrainingSet, tmp_path: Path) -> None:
    teacher = tiny.model(seed=1)
    settings = SETTINGS.model_copy(update={"distillation": 0.9, "epochs": 1})
    fine_tune(tiny.model(), teacher, training, settings, 0, tmp_path / "s.safetensors", nobody)
    assert same(teacher, tiny.model(seed=1))
    assert not teacher.training
