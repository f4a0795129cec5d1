"""Every family learns from its original: gradients reach its weights through the surrogates of its spikes."""

from __future__ import annotations

from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core.data import open_data
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build
from primesvt_core.method.finetuning import Course, Lesson, TrainingSet, fine_tune
from primesvt_core.pruning.groups import plan_for
from primesvt_core.pruning.surgery import prune, shapes_of
from primesvt_core.spec import FineTuning
from tests.conformance.test_family_pipeline import QUICK, checkpoint, smallest
from tests.support.goldens import FAMILY_KEYS

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = FineTuning(seconds=1.0, batch_size=4, learning_rate=1e-3, weight_decay=0.0)


@pytest.mark.parametrize(
    "family", [key if key in QUICK else pytest.param(key, marks=pytest.mark.thorough) for key in FAMILY_KEYS]
)
def test_a_pruned_model_learns_from_its_original(family: str, tmp_path: Path) -> None:
    golden = smallest(family)
    found = inspect(checkpoint(golden, tmp_path))
    groups = golden.family.groups(golden.config)
    scores = {group.name: [*map(float, range(group.size))] for group in groups}
    plan = plan_for({group.name: 0.5 for group in groups[:2]}, tuple(groups), scores)
    config, state = prune(golden.family, golden.config, golden.state, plan)
    model = build(found.family, config, state)
    shape, chance = (8, *golden.input.shape[1:]), np.random.default_rng(0)
    is_frames = golden.input.dim() == 5  # which hold counts of events
    samples = chance.integers(0, 3, shape).astype(np.float32) if is_frames else chance.random(shape, np.float32)
    np.savez(tmp_path / "data.npz", images=samples, labels=np.arange(8))
    lesson = Lesson(
        model=model, teacher=build(found.family, golden.config, golden.state),
        training=TrainingSet(
            data=open_data(tmp_path / "data.npz"), indices=range(8), preprocessing=found.preprocessing
        ),
        settings=SETTINGS, seed=0, course=Course(marks=(1, 2), keeps_statistics=True),
    )  # fmt: skip
    losses = fine_tune(lesson, tmp_path / "snapshot.safetensors", lambda _done, _total: None)
    assert len(losses) == 2
    assert all(map(isfinite, losses))
    assert shapes_of(model.state_dict()) == shapes_of(state)
    moved = {
        name: not torch.equal(parameter.detach().to(state[name].dtype), state[name])
        for name, parameter in model.named_parameters()
        if name not in golden.family.unused(golden.config)
    }
    assert sum(moved.values()) > len(moved) / 2, [name for name, is_moved in moved.items() if not is_moved]
    assert all(torch.equal(model.state_dict()[name], state[name]) for name in state if "running" in name)
