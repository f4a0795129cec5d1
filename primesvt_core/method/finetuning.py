"""Fine-tuning: getting accuracy back with gradients, through surrogate gradients of the spikes.

AdamW with a cosine schedule; the original model's predictions may teach beside the labels (distillation, Hinton et al.,
arXiv 1503.02531). Every epoch ends with a snapshot, and the order of images depends on seed and epoch alone, so that a
run that was killed goes on from its last epoch and ends as an undisturbed one would.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from primesvt_core.data import DataSet, Preprocessing, batches
from primesvt_core.layers.model import SpikingModel
from primesvt_core.spec import FineTuning
from primesvt_core.workspace.atomic import tensor_file

TEMPERATURE = 2.0
"""Softens both models' predictions in the distillation loss."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Labelled images to learn from."""

    data: DataSet
    indices: Sequence[int]
    preprocessing: Preprocessing


def fine_tune(
    model: SpikingModel,
    teacher: SpikingModel,
    training: TrainingSet,
    settings: FineTuning,
    seed: int,
    snapshot: Path,
    tick: Callable[[int, int], None],
) -> tuple[float, ...]:
    """Train ``model`` in place and return the mean loss of every epoch.

    Args:
        model: the pruned model, in eval mode before and after.
        teacher: the original, in eval mode.
        training: what to learn from.
        settings: epochs, learning rate, weight decay, batch size, share of distillation.
        seed: of the order of images.
        snapshot: file that holds the state after the last finished epoch; made here.
        tick: receives the batches done, and how many there are.
    """
    steps = math.ceil(len(training.indices) / settings.batch_size)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    losses = _restore(snapshot, model, optimizer)
    for epoch in range(len(losses), settings.epochs):
        order = np.random.default_rng((seed, epoch)).permutation(training.indices)
        total = 0.0
        model.train()
        for step, batch in enumerate(batches(training.data, order, training.preprocessing, settings.batch_size)):
            _set_rate(optimizer, settings, (epoch * steps + step) / (settings.epochs * steps))
            images, labels = (torch.from_numpy(x).to(_device(model)) for x in (batch.images, batch.labels))
            loss = _loss(model, teacher, images, labels, settings.distillation)
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()
            total += float(loss.detach())
            tick(epoch * steps + step + 1, settings.epochs * steps)
        model.eval()
        losses = (*losses, total / steps)
        _save(snapshot, model, optimizer, losses)
    return losses


def _device(model: SpikingModel) -> torch.device:
    return next(model.parameters()).device


def _set_rate(optimizer: torch.optim.Optimizer, settings: FineTuning, progress: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def _loss(model: SpikingModel, teacher: SpikingModel, images: Tensor, labels: Tensor, share: float) -> Tensor:
    logits = model(images)
    loss = cross_entropy(logits, labels)
    if share == 0:
        return loss
    with torch.no_grad():
        taught = softmax(teacher(images) / TEMPERATURE, dim=1)
    learned = log_softmax(logits / TEMPERATURE, dim=1)
    return (1 - share) * loss + share * TEMPERATURE**2 * kl_div(learned, taught, reduction="batchmean")


def _save(path: Path, model: SpikingModel, optimizer: torch.optim.Optimizer, losses: Sequence[float]) -> None:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in moments.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    with tensor_file(path) as temporary:
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, temporary)


def _restore(path: Path, model: SpikingModel, optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """Go on from a snapshot, if there is one; returns the losses of the epochs it holds."""
    if not path.exists():
        return ()
    tensors = load_file(path)
    model.load_state_dict({n.removeprefix("model/"): x for n, x in tensors.items() if n.startswith("model/")})
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, entry = name.split("/")
            moments.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return tuple(tensors["losses"].tolist())
