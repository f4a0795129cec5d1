"""Fine-tuning: getting accuracy back with gradients, through surrogate gradients of the spikes.

AdamW with a cosine schedule; the original model's predictions teach beside the labels, or alone (distillation, Hinton
et al., arXiv 1503.02531). The state is kept at every mark of a course, and the order of images depends on seed and step
alone, so that a run that was killed goes on from its last mark and ends as an undisturbed one would.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, softmax

from primesvt_core.data import DataSet, Preprocessing, batches
from primesvt_core.errors import SpecError
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.last_part import LastPart, kept
from primesvt_core.spec import FineTuning
from primesvt_core.workspace.atomic import tensor_file

TEMPERATURE = 2.0
"""Softens both models' predictions in the distillation loss."""

TRIED_STEPS = 4
"""Steps by which the speed of a training is measured; the first, which sets things up, is left out."""


@dataclass(frozen=True, kw_only=True)
class TrainingSet:
    """Images to learn from; their labels are looked at where something else than the original teaches."""

    data: DataSet
    indices: Sequence[int]
    preprocessing: Preprocessing


@dataclass(frozen=True, kw_only=True)
class Course:
    """How long a model learns, and what of it.

    Attributes:
        marks: batches after which its state is kept, ascending; the last are all.
        factors: of the learning rate, by parameter; 1 of those that are not there.
        keeps_statistics: whether BatchNorms keep the means and variances that they have.
    """

    marks: tuple[int, ...]
    factors: Mapping[str, float] = field(default_factory=dict)
    keeps_statistics: bool = False

    @property
    def steps(self) -> int:
        """Batches in all."""
        return self.marks[-1]


def by_epochs(settings: FineTuning, images: int) -> Course:
    """So many epochs, of which each ends with a mark."""
    each = math.ceil(images / settings.batch_size)
    return Course(marks=tuple(each * (epoch + 1) for epoch in range(settings.epochs)))


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Who learns from whom, from what, and how.

    Attributes:
        model: the pruned model, in eval mode before and after.
        teacher: the original, in eval mode.
        training: what to learn from.
        settings: learning rate, weight decay, batch size, share of distillation.
        seed: of the order of images.
        course: how long.
        taught: the teacher's logits ``(images, classes)`` of all that there is to learn from; computed batch by batch
            where it is None.
        part: what of the model learns; all of it where it is None.
        begun: ``(T, images, C, ...)``: the value that the part begins with, of all that there is to learn from;
            likewise.
    """

    model: SpikingModel
    teacher: SpikingModel
    training: TrainingSet
    settings: FineTuning
    seed: int
    course: Course
    taught: Tensor | None = None
    part: LastPart | None = None
    begun: Tensor | None = None

    @property
    def device(self) -> torch.device:
        """On which the model learns."""
        return next(self.model.parameters()).device

    @property
    def learning(self) -> dict[str, nn.Parameter]:
        """The parameters that learn, by their names."""
        part = self.part
        return {name: one for name, one in self.model.named_parameters() if part is None or part.uses(name)}

    def optimizer(self) -> torch.optim.AdamW:
        """Of the parameters that learn, those with one factor together."""
        by_factor: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.learning.items():
            by_factor.setdefault(self.course.factors.get(name, 1.0), []).append(parameter)
        groups = [{"params": found, "factor": factor} for factor, found in by_factor.items()]
        return torch.optim.AdamW(groups, lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay)

    def set_rates(self, optimizer: torch.optim.Optimizer, step: int) -> None:
        """Those of one step."""
        rate = self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / self.course.steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]

    def batches(self, first: int) -> Iterator[tuple[Tensor, Tensor, NDArray[np.int64]]]:
        """Images, labels and places among the training images, of every step from one on, without an end."""
        size, indices = self.settings.batch_size, np.asarray(self.training.indices)
        each = math.ceil(len(indices) / size)
        epoch, skipped = divmod(first, each)
        while True:
            places = np.random.default_rng((self.seed, epoch)).permutation(len(indices))[skipped * size :]
            data, preprocessing = self.training.data, self.training.preprocessing
            for at, batch in enumerate(batches(data, indices[places], preprocessing, size)):
                images, labels = (torch.from_numpy(x).to(self.device) for x in (batch.images, batch.labels))
                yield images, labels, places[at * size : (at + 1) * size]
            epoch, skipped = epoch + 1, 0

    def begin(self) -> None:
        """Let the model learn, as far as it should."""
        self.model.train()
        if self.course.keeps_statistics:
            for module in self.model.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):  # which torch has no other name for
                    module.eval()

    def loss(self, images: Tensor, labels: Tensor, places: NDArray[np.int64]) -> Tensor:
        """Of one batch."""
        share, logits = self.settings.distillation, self._logits(images, places)
        of_labels = cross_entropy(logits, labels) if share < 1 else logits.new_zeros(())
        if share == 0:
            return of_labels
        taught = softmax(self._taught(images, places) / TEMPERATURE, dim=1)
        learned = log_softmax(logits / TEMPERATURE, dim=1)
        return (1 - share) * of_labels + share * TEMPERATURE**2 * kl_div(learned, taught, reduction="batchmean")

    def with_begun(self) -> Lesson:
        """The same with the value that the part begins with, computed once, always in the same batches."""
        if self.part is None:
            return self
        training, part, model, size = self.training, self.part, self.model, self.settings.batch_size
        every = batches(training.data, np.asarray(training.indices), training.preprocessing, size)
        values = (part.before(model, torch.from_numpy(batch.images).to(self.device)).cpu() for batch in every)
        return replace(self, begun=kept(values, len(training.indices)))

    def _logits(self, images: Tensor, places: NDArray[np.int64]) -> Tensor:
        if self.part is None:
            return cast("Tensor", self.model(images))
        if self.begun is None:
            return self.part.behind(self.model, self.part.before(self.model, images))
        begun = self.begun[:, torch.from_numpy(places)].to(self.device, next(self.model.parameters()).dtype)
        return self.part.behind(self.model, begun)

    def _taught(self, images: Tensor, places: NDArray[np.int64]) -> Tensor:
        if self.taught is not None:
            return self.taught[torch.from_numpy(places)].to(self.device)
        with torch.no_grad():
            return cast("Tensor", self.teacher(images))

    def learn(
        self, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor, places: NDArray[np.int64], step: int
    ) -> float:
        """One step; returns its loss."""
        self.set_rates(optimizer, step)
        loss = self.loss(images, labels, places)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        return float(loss.detach())


Tick = Callable[[int, int], None]
"""Receives the batches done, and how many there are."""


def fine_tune(
    lesson: Lesson, snapshot: Path, tick: Tick, is_enough: Callable[[], bool] = lambda: False
) -> tuple[float, ...]:
    """Train a model in place and return the mean loss from mark to mark.

    Args:
        lesson: who learns from whom.
        snapshot: file that holds the state at the last mark; made here.
        tick: receives the batches done, and how many there are.
        is_enough: asked at every mark; the training ends there if it is.

    Raises:
        SpecError: if the loss is no number any more.
    """
    model, course = lesson.model, lesson.course
    optimizer = lesson.optimizer()
    losses = _restore(snapshot, model, optimizer)
    done = course.marks[len(losses) - 1] if losses else 0
    stream = lesson.batches(done)
    for mark in course.marks[len(losses) :]:
        if losses and is_enough():
            break
        total = 0.0
        lesson.begin()
        for step, batch in enumerate(islice(stream, mark - done), done):
            total += lesson.learn(optimizer, *batch, step)
            tick(step + 1, course.steps)
        model.eval()
        if not math.isfinite(total):
            raise SpecError("the loss of the fine-tuning is no number any more: lower the learning rate")
        losses, done = (*losses, total / (mark - done)), mark
        _save(snapshot, model, optimizer, losses)
    return losses


def seconds_a_step(lesson: Lesson) -> float:
    """How long a step takes, measured on a copy of the model.

    Raises:
        SpecError: if no gradient reaches a weight of the model.
    """
    trial = replace(lesson, model=copy.deepcopy(lesson.model))
    optimizer, seconds = trial.optimizer(), []
    trial.begin()
    for step, batch in enumerate(islice(trial.batches(0), TRIED_STEPS)):
        began = time.perf_counter()
        trial.learn(optimizer, *batch, min(step, trial.course.steps - 1))
        seconds.append(time.perf_counter() - began)
    reached = [parameter.grad is not None for parameter in trial.learning.values()]
    if 2 * sum(reached) < len(reached):
        raise SpecError(
            f"gradients reach {sum(reached):,} of this model's {len(reached):,} parameters: its neurons have no"
            " surrogate gradient, so that it cannot be fine-tuned"
        )
    return sorted(seconds[1:])[len(seconds[1:]) // 2]


def _save(path: Path, model: SpikingModel, optimizer: torch.optim.Optimizer, losses: Sequence[float]) -> None:
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": value for name, value in moments.items()}
    tensors["losses"] = torch.tensor(losses, dtype=torch.float64)
    with tensor_file(path) as temporary:
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, temporary)


def _restore(path: Path, model: SpikingModel, optimizer: torch.optim.Optimizer) -> tuple[float, ...]:
    """Go on from a snapshot, if there is one of the same parameters; returns the losses of the marks it holds."""
    if not path.exists():
        return ()
    tensors = load_file(path)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer/"):
            _, index, entry = name.split("/")
            moments.setdefault(int(index), {})[entry] = value
    learning = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    shapes = {index: parameter.shape for index, parameter in enumerate(learning)}
    if any(shapes.get(index) != found["exp_avg"].shape for index, found in moments.items()):
        return ()  # of a version by which others learned
    model.load_state_dict({n.removeprefix("model/"): x for n, x in tensors.items() if n.startswith("model/")})
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return tuple(tensors["losses"].tolist())
