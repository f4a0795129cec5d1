"""Accuracies after fewer time steps, from one pass."""

from __future__ import annotations

import torch
from torch import Tensor

from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.evaluation.accuracy import correct
from primesvt_core.evaluation.time_steps import correct_by_step, why_not_fewer
from primesvt_core.intake.loading import build
from primesvt_core.testing.engines import OneBlock
from primesvt_core.testing.models import tiny

DRAWN, STEPS = tiny(), 5


class Few:
    """Two blocks of images, the second one shorter, and which were asked for."""

    def __init__(self, labels: Tensor) -> None:
        self.labels, self.asked = labels, list[int]()

    def __len__(self) -> int:
        return 2

    def block(self, index: int) -> tuple[Tensor, Tensor]:
        self.asked.append(index)
        chance = torch.Generator().manual_seed(index)
        size = DRAWN.config.image_size
        x = 2 * torch.randn(8, DRAWN.config.in_channels, size, size, generator=chance)
        return (x, self.labels[:8]) if index == 0 else (x[:3], self.labels[8:])


def without_favourite() -> dict[str, Tensor]:
    """Weights by which no class is preferred after all time steps, so that images and time steps decide."""
    config = DRAWN.config.model_copy(update={"time_steps": STEPS})
    with torch.no_grad():
        logits = build(DRAWN.family, config, DRAWN.state)(Few(torch.zeros(11)).block(0)[0])
    return {**DRAWN.state, "head.bias": DRAWN.state["head.bias"] - logits.mean(0)}


def test_they_are_those_of_models_with_so_many_time_steps_from_one_pass() -> None:
    config = DRAWN.config.model_copy(update={"time_steps": STEPS})
    images, told, state = Few(torch.arange(11) % 3), list[int](), without_favourite()
    found = correct_by_step(build(DRAWN.family, config, state), images, told.append)
    assert images.asked == [0, 1]
    assert told == [8, 11]
    assert len(found) == STEPS
    for steps, right in enumerate(found, 1):
        shorter = DRAWN.config.model_copy(update={"time_steps": steps})
        assert right == correct(build(DRAWN.family, shorter, state), Few(images.labels))
    assert len({tuple(right) for right in found}) > 1  # or time would not matter


def test_of_frames_the_first_ones_are_seen() -> None:
    chance = torch.Generator().manual_seed(0)
    x = 2 * torch.randn(4, STEPS, DRAWN.config.in_channels, 16, 16, generator=chance)
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    found, labels = BlockEngine(model, OneBlock(x), kept_bytes=0).by_step(0)
    assert labels.tolist() == [0] * 4
    with torch.no_grad():
        wanted = [model(x[:, :steps]) for steps in range(1, STEPS + 1)]
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert not torch.allclose(found[0], found[-1], atol=1e-2)


def test_a_model_of_one_step_is_its_own_beginning() -> None:
    model = build(DRAWN.family, DRAWN.config, DRAWN.state)
    model.depends_on_batch = True
    image = (DRAWN.config.in_channels, DRAWN.config.image_size, DRAWN.config.image_size)
    assert why_not_fewer(model, image, 1) is None
    assert why_not_fewer(model, image, 2) is not None
