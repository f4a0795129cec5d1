"""Fine-tuning learns, repeats itself, and goes on where it was stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from primesvt_core.data import Preprocessing, open_data
from primesvt_core.errors import SpecError
from primesvt_core.families import FAMILIES
from primesvt_core.families.spikformer import FAMILY
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.layers.neurons import neurons
from primesvt_core.method.finetuning import Course, Lesson, TrainingSet, by_epochs, fine_tune, seconds_a_step
from primesvt_core.method.last_part import last_part
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


def lesson(
    model: SpikingModel,
    training: TrainingSet,
    settings: FineTuning = SETTINGS,
    seed: int = 0,
    course: Course | None = None,
    teacher: SpikingModel | None = None,
) -> Lesson:
    return Lesson(
        model=model, teacher=teacher or tiny.model(seed=1), training=training, settings=settings, seed=seed,
        course=course or by_epochs(settings, len(training.indices)),
    )  # fmt: skip


def tuned(
    training: TrainingSet,
    snapshot: Path,
    settings: FineTuning = SETTINGS,
    tick: Callable[[int, int], None] = nobody,
    course: Course | None = None,
) -> tuple[SpikingModel, tuple[float, ...]]:
    model = tiny.model()
    return model, fine_tune(lesson(model, training, settings, course=course), snapshot, tick)


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
    losses = fine_tune(lesson(tiny.model(), training, seed=1), tmp_path / "s.safetensors", nobody)
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
    losses = fine_tune(lesson(model, training, teacher=tiny.model()), tmp_path / "s.safetensors", nobody)
    assert shapes_of(model.state_dict()) == shapes_of(state)
    assert shapes_of(state) != shapes_of(tiny.model().state_dict())
    assert losses[-1] < losses[0]


def test_the_teacher_learns_nothing(training: TrainingSet, tmp_path: Path) -> None:
    teacher = tiny.model(seed=1)
    settings = SETTINGS.model_copy(update={"distillation": 0.9, "epochs": 1})
    fine_tune(lesson(tiny.model(), training, settings, teacher=teacher), tmp_path / "s.safetensors", nobody)
    assert same(teacher, tiny.model(seed=1))
    assert not teacher.training


UNLABELLED = SETTINGS.model_copy(update={"distillation": 1.0})
WITHIN_EPOCHS = Course(marks=(4, 8, 11), keeps_statistics=True)
"""Of six batches each: marks lie within them."""


@pytest.fixture(scope="module")
def by_steps(training: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[SpikingModel, tuple[float, ...]]:
    return tuned(training, tmp_path_factory.mktemp("steps") / "s.safetensors", UNLABELLED, course=WITHIN_EPOCHS)


def test_without_labels_a_model_comes_nearer_to_its_teacher(
    training: TrainingSet, by_steps: tuple[SpikingModel, tuple[float, ...]], tmp_path: Path
) -> None:
    model, losses = by_steps
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    labels = training.data.labels[::-1].copy()
    other = replace(training, data=replace(training.data, labels=labels))
    again, of_others = tuned(other, tmp_path / "s.safetensors", UNLABELLED, course=WITHIN_EPOCHS)
    assert of_others == losses
    assert same(again, model)


def test_statistics_of_batch_norms_are_kept(by_steps: tuple[SpikingModel, tuple[float, ...]]) -> None:
    before, after = tiny.model().state_dict(), by_steps[0].state_dict()
    kept = [name for name in before if "running" in name]
    assert kept
    assert all(torch.equal(before[name], after[name]) for name in kept)
    assert any(not torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("stop_at", [3, 6, 10])
def test_what_was_stopped_within_an_epoch_ends_as_undisturbed(
    stop_at: int, training: TrainingSet, by_steps: tuple[SpikingModel, tuple[float, ...]], tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        assert total == 11
        if done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(training, tmp_path / "s.safetensors", UNLABELLED, stop, WITHIN_EPOCHS)
    ticks: list[int] = []
    model, losses = tuned(
        training, tmp_path / "s.safetensors", UNLABELLED, lambda done, _: ticks.append(done), WITHIN_EPOCHS
    )
    assert ticks == [*range({3: 1, 6: 5, 10: 9}[stop_at], 12)]
    assert losses == by_steps[1]
    assert same(model, by_steps[0])


def test_it_ends_at_the_mark_at_which_it_is_enough(training: TrainingSet, tmp_path: Path) -> None:
    def taught(answers: list[bool]) -> SpikingModel:
        model = tiny.model()
        one = lesson(model, training, UNLABELLED, course=Course(marks=(2, 4, 6)))
        losses = fine_tune(one, tmp_path / "s.safetensors", nobody, lambda: answers.pop(0))
        assert len(losses) == 2
        assert answers == []
        assert not model.training
        return model

    ended = taught([False, True])
    assert same(taught([True]), ended)  # one that is resumed is looked at where it ended


def test_a_factor_is_of_the_learning_rate(training: TrainingSet, tmp_path: Path) -> None:
    """AdamW's first step is the learning rate in size, whatever the gradient is."""
    before = tiny.model()
    name = next(name for name, parameter in before.named_parameters() if parameter.dim() > 1)
    settings = UNLABELLED.model_copy(update={"learning_rate": 1e-3, "weight_decay": 0.0})
    after, _ = tuned(training, tmp_path / "s.safetensors", settings, course=Course(marks=(1,), factors={name: 4.0}))
    moved = {
        n: float((a - b).detach().abs().max())
        for (n, a), b in zip(after.named_parameters(), before.parameters(), strict=True)
    }
    assert moved[name] == pytest.approx(4e-3, rel=0.01)
    assert max(size for n, size in moved.items() if n != name) == pytest.approx(1e-3, rel=0.01)


def test_what_is_before_the_last_part_stays_as_it_is(
    training: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taught(folder: str) -> SpikingModel:
        model = tiny.model()
        weights = {name: weight.numel() for name, weight in model.named_parameters() if weight.dim() > 1}
        part = last_part(model.graph, weights)
        assert part is not None
        one = replace(lesson(model, training, UNLABELLED, course=WITHIN_EPOCHS), part=part).with_begun()
        assert (one.begun is None) == (folder == "anew")
        fine_tune(one, tmp_path / f"{folder}.safetensors", nobody)
        both = zip(model.named_parameters(), tiny.model().parameters(), strict=True)
        moved = {name for (name, after), before in both if not torch.equal(after, before)}
        assert moved < {*one.learning} < {name for name, _ in model.named_parameters()}
        assert {name for name, weight in one.learning.items() if weight.dim() > 1} <= moved
        return model

    once = taught("once")
    monkeypatch.setattr("primesvt_core.method.last_part.MOST_BYTES", 0)
    assert same(taught("anew"), once)


def test_a_snapshot_of_other_parameters_is_not_gone_on_from(training: TrainingSet, tmp_path: Path) -> None:
    def taught(snapshot: Path) -> SpikingModel:
        model = tiny.model()
        weights = {name: weight.numel() for name, weight in model.named_parameters() if weight.dim() > 1}
        one = replace(lesson(model, training, UNLABELLED, course=WITHIN_EPOCHS), part=last_part(model.graph, weights))
        fine_tune(one, snapshot, nobody)
        return model

    tuned(training, tmp_path / "whole.safetensors", UNLABELLED, course=WITHIN_EPOCHS)
    assert same(taught(tmp_path / "whole.safetensors"), taught(tmp_path / "fresh.safetensors"))


def test_its_speed_is_measured_on_a_copy(training: TrainingSet) -> None:
    model = tiny.model()
    assert seconds_a_step(lesson(model, training, UNLABELLED, course=Course(marks=(1,)))) > 0
    assert same(model, tiny.model())
    assert not model.training


def test_a_loss_that_is_no_number_is_refused(training: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="lower the learning rate"):
        tuned(training, tmp_path / "s.safetensors", SETTINGS.model_copy(update={"learning_rate": 1e30}))
    assert not (tmp_path / "s.safetensors").exists()


class Blind(torch.nn.Module):
    """A neuron without a surrogate gradient."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x >= 1).to(x)


def test_neurons_without_a_surrogate_are_refused(training: TrainingSet) -> None:
    model = tiny.model()
    for name, _ in [*neurons(model)]:
        parent, _, leaf = name.rpartition(".")
        setattr(model.get_submodule(parent), leaf, Blind())
    with pytest.raises(SpecError, match=r"gradients reach 2 of this model's \d+ parameters"):
        seconds_a_step(lesson(model, training, UNLABELLED, course=Course(marks=(1,))))
