"""Candidates over fewer time steps than the original that they are compared with."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from primesvt_core.engines import Engine, open_engine
from primesvt_core.engines.predictions import predictions
from primesvt_core.engines.shorter import ShorterEngine
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.pruning.patches import Patch, patched, silencing
from primesvt_core.testing.models import tiny
from primesvt_core.types import Plan

DRAWN = tiny()
LABELS = torch.tensor([0, 1, 2])
PRUNED = silencing(DRAWN.groups, Plan({"block.0.mlp.fc1": tuple(range(16))}))
FURTHER = silencing(DRAWN.groups, Plan({"block.0.mlp.fc1": tuple(range(16)), "stem.0": (0, 1)}))
WEIGHTS = "block.0.mlp.fc1_linear.weight"
SAME = Patch(tensors={WEIGHTS: DRAWN.state[WEIGHTS]})


class Two:
    """Two blocks of images, and which were asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def __len__(self) -> int:
        return 2

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        self.asked.append(index)
        return DRAWN.input + index, LABELS


def made(steps: int) -> SpikingModel:
    return build(DRAWN.family, DRAWN.config.model_copy(update={"time_steps": steps}), DRAWN.state)


def logits(model: SpikingModel, patch: Patch, block: int) -> Tensor:
    with torch.inference_mode(), patched(model, patch):
        found: Tensor = model(DRAWN.input + block)
    return found


def opened(images: Two, *, as_written: bool = False) -> Engine:
    return open_engine(made(4), images, as_written=as_written, shorter=made(1))


@pytest.mark.parametrize("as_written", [False, True])
def test_only_the_original_runs_over_all_time_steps(as_written: bool) -> None:
    engine, patches = opened(Two(), as_written=as_written), [PRUNED, Patch(), SAME, FURTHER]
    assert isinstance(engine, ShorterEngine)
    for block in (1, 0):
        original = logits(made(4), Patch(), block)
        for patch, found in zip(patches, engine.evaluate(block, patches), strict=True):
            wanted = predictions(original, logits(made(1 if patch.touched else 4), patch, block), LABELS)
            assert found.classes == wanted.classes
            assert found.divergence == pytest.approx(wanted.divergence, abs=1e-5)
        engine.rebase(PRUNED)
    assert max(engine.evaluate(0, [SAME])[0].divergence) > 1e-3  # or fewer time steps would cost nothing
    assert engine.evaluate(0, [Patch()])[0].divergence == (0.0, 0.0, 0.0)


def test_the_original_is_computed_once_a_block() -> None:
    images = Two()
    engine = opened(images)
    for _ in range(3):
        engine.evaluate(0, [Patch()])
    assert images.asked == [0]
    engine.evaluate(0, [PRUNED])
    engine.evaluate(0, [FURTHER])
    assert images.asked == [0, 0]
