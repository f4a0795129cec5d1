"""What the recipes of this folder share: a training loop on tensors, and a checkpoint as public scripts save it.

Plain cross-entropy with smoothed labels, AdamW, one cycle of the learning rate. Spiking networks cost a pass for every
time step, so that a recipe may begin with one time step and finish with all of them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from primesvt_core.families import Family, FamilyConfig
from primesvt_core.layers.model import SpikingModel

Augment = Callable[[Tensor, torch.Generator], Tensor]
C = TypeVar("C", bound=FamilyConfig)

WEIGHT_DECAY = 0.02
SMOOTHING = 0.1


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Images ``(N, C, H, W)``, or frames ``(N, T, C, H, W)``, normalised, and the numbers of their classes."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a training.

    Attributes:
        passes: over the images; may be a fraction.
        rate: largest learning rate.
        time_steps: for which the model runs; None for its own.
        batch: images of a step.
    """

    passes: float
    rate: float
    time_steps: int | None = None
    batch: int = 50


def train(
    family: Family[C], config: C, samples: Samples, stages: tuple[Stage, ...], augment: Augment, seed: int
) -> SpikingModel:
    """Train a model of a config from scratch, stage by stage; tells every pass."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = family.build(config)
    for stage in stages:
        steps = stage.time_steps or config.time_steps
        staged = family.build(config.model_copy(update={"time_steps": steps}))
        staged.load_state_dict(model.state_dict())
        _run(staged, samples, stage, augment, generator)
        model.load_state_dict(staged.state_dict())
    return model.eval()


def _run(model: SpikingModel, samples: Samples, stage: Stage, augment: Augment, generator: torch.Generator) -> None:
    batch = min(stage.batch, len(samples))
    a_pass = len(samples) // batch
    total = max(2, round(stage.passes * a_pass))
    optimizer = torch.optim.AdamW(model.parameters(), lr=stage.rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage.rate, total_steps=total)
    model.train()
    began, lost = time.perf_counter(), 0.0
    for step, chosen in zip(range(1, total + 1), _drawn(len(samples), batch, generator), strict=False):
        loss = cross_entropy(model(augment(samples.x[chosen], generator)), samples.y[chosen], label_smoothing=SMOOTHING)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        lost += float(loss.detach())
        if step % a_pass == 0 or step == total:
            seconds = time.perf_counter() - began
            print(
                f"{model.time_steps} time steps, {step:,} of {total:,}: loss {lost / step:.3f}, {seconds:.0f} s",
                flush=True,
            )


def _drawn(count: int, batch: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Places of images, pass after pass, each in an order of its own."""
    while True:
        yield from torch.split(torch.randperm(count, generator=generator)[: count - count % batch], batch)


def accuracy(model: SpikingModel, samples: Samples, batch: int = 100) -> float:
    """Share of the images that ``model`` gets right."""
    with torch.inference_mode():
        right = [
            int((model(x).argmax(1) == y).sum())
            for x, y in zip(torch.split(samples.x, batch), torch.split(samples.y, batch), strict=True)
        ]
    return sum(right) / len(samples)


def shifted(images: Tensor, generator: torch.Generator, most: int = 2) -> Tensor:
    """All images moved by up to so many pixels each way."""
    down, right = torch.randint(-most, most + 1, (2,), generator=generator).tolist()
    return torch.roll(images, (down, right), (-2, -1))


def save(model: SpikingModel, args: Mapping[str, object], arch: str, path: Path) -> None:
    """Write a checkpoint in the layout of the public training scripts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "epoch": 1, "arch": arch, "state_dict": model.state_dict(), "version": 2, "args": argparse.Namespace(**args),
    }  # fmt: skip
    torch.save(content, path)


def parser(description: str | None, out: Path) -> argparse.ArgumentParser:
    """Options that every recipe has."""
    found = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    found.add_argument("--out", type=Path, default=out, help="folder for the checkpoint (default: %(default)s)")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--share", type=float, default=1.0, help="of every stage's passes, to try the recipe")
    return found


def shortened(stages: tuple[Stage, ...], share: float) -> tuple[Stage, ...]:
    """A share of the passes of every stage."""
    return tuple(
        Stage(passes=share * stage.passes, rate=stage.rate, time_steps=stage.time_steps, batch=stage.batch)
        for stage in stages
    )
