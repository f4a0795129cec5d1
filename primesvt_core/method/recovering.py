"""Fine-tuning by time: a few candidates learn from the original until they lose little enough, or the time is over.

They are judged on the images by which candidates are compared, of which they learn nothing, and keep what they have
learned only where it brings them nearer to the original there. How many steps the time is enough for is measured once
and remembered, so that a run that is resumed ends as an undisturbed one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite, sqrt
from time import perf_counter
from typing import cast

import torch
from pydantic import JsonValue
from torch import Tensor

from primesvt_core.engines import Images
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.engines.predictions import predictions
from primesvt_core.errors import SpecError
from primesvt_core.families._base import FamilyConfig
from primesvt_core.intake.loading import build
from primesvt_core.layers.model import SpikingModel
from primesvt_core.method.candidates import LONG_SECONDS
from primesvt_core.method.divergence import Divergences
from primesvt_core.method.finetuning import Course, Lesson, by_epochs, fine_tune, seconds_a_step
from primesvt_core.method.last_part import LastPart, last_part
from primesvt_core.method.recovered import Compared, Recovered
from primesvt_core.method.repairing import NONE
from primesvt_core.method.storing import stored
from primesvt_core.types import Rates
from primesvt_core.workspace.store import SNAPSHOT, SPEEDS

MOST_TAUGHT = 4096
"""Training images of which all that does not change is computed once, before anything is learned: the original's
predictions, and the value that the last part begins with."""

MARKS = 6
"""Times that a candidate is looked at while it learns, the last at the end."""


@dataclass(frozen=True, kw_only=True)
class _Pace:
    """How many steps one candidate learns, and how fast."""

    steps: int
    seconds_a_step: float


class Recovery:
    """Has candidates of one run learn.

    Args:
        divergences: candidates beside the original.
    """

    def __init__(self, divergences: Divergences) -> None:
        self.divergences, self.candidates = divergences, divergences.candidates
        self.settings = self.candidates.spec.fine_tuning

    def tune(
        self,
        rates: Rates,
        seconds: float,
        is_enough: Callable[[Compared], bool],
        note: Callable[[str], None] = lambda _: None,
    ) -> Recovered:
        """Have one candidate learn, and keep for the confirmation what it has learned if it is nearer for it.

        Args:
            rates: of the candidate.
            seconds: for which it may learn, looking at it included.
            is_enough: whether a candidate that is so near loses little enough.
            note: receives messages.
        """
        candidates = self.candidates
        before = self._before(rates)
        saving = candidates.saving(candidates.memory(rates))
        note(f"fine-tuning a candidate that saves {saving:.1%}: {before.divergence:.4f} nats")
        config, state = candidates.repaired_state(rates)
        lesson = self._lesson(build(candidates.family, config, state).to(candidates.device))
        name = candidates.name(rates)
        began = perf_counter()
        lesson = lesson.with_begun() if len(lesson.training.indices) <= MOST_TAUGHT else lesson
        pace = self._pace(name, lesson, config, seconds, perf_counter() - began)
        lesson = replace(lesson, course=replace(lesson.course, marks=marks(pace.steps)), taught=self._taught)
        try:
            losses = fine_tune(
                lesson, candidates.workspace.path(SNAPSHOT.format(name)), _telling(pace, note),
                lambda: is_enough(self._after(lesson.model, config)),
            )  # fmt: skip
        except SpecError:  # it has learned nothing of use
            losses, after = (), before
        else:
            after = self._after(lesson.model, config)
            losses, after = (losses, after) if isfinite(after.divergence) else ((), before)
        steps = lesson.course.marks[len(losses) - 1] if losses else 0
        tuned = {name: value.detach().cpu().to(state[name].dtype) for name, value in lesson.model.state_dict().items()}
        is_better = self.settings.has_labels or after.divergence < before.divergence
        found = candidates.recovered[name] = Recovered(
            state=tuned, images=len(lesson.training.indices), steps=steps, planned=pace.steps,
            seconds=steps * pace.seconds_a_step, losses=losses, before=before, after=after,
            is_kept=bool(losses) and is_better,
        )  # fmt: skip
        note(f"fine-tuned for {steps:,} steps: {after.divergence:.4f} nats")
        return found

    def _before(self, rates: Rates) -> Compared:
        if self.candidates.spec.repair == NONE:
            return self.divergences.measure([rates], NONE)[0]
        return self.divergences.best_form(rates)[1]

    def _lesson(self, model: SpikingModel) -> Lesson:
        candidates = self.candidates
        assert candidates.training is not None  # noqa: S101  # which `prepare` has set
        factors = by_width(candidates.original, model) if self.settings.layer_rates == "by_width" else {}
        is_repaired = candidates.spec.repair != NONE
        course = Course(marks=(1,), factors=factors, keeps_statistics=is_repaired)
        return Lesson(
            model=model, teacher=candidates.original, training=candidates.training, settings=self.settings,
            seed=candidates.spec.seed, course=course, part=self._part if is_repaired else None,
        )  # fmt: skip

    @cached_property
    def _part(self) -> LastPart | None:
        """What of repaired models learns, the same of all; None: all of it, as of those that see whole batches."""
        original = self.candidates.original
        if self.settings.learns == "all" or original.depends_on_batch:
            return None
        positions = self.candidates.network.geometry.positions
        costs = {name: original.get_parameter(name).numel() * times for name, times in positions.items()}
        return last_part(original.graph, costs)

    @cached_property
    def _taught(self) -> Tensor | None:
        """The original's logits of all training images, in their order; None where there are too many of them, or
        where they depend on the batch.

        Always in the same batches, so that a run that is resumed is taught the same to the last digit.
        """
        candidates = self.candidates
        assert candidates.training is not None  # noqa: S101  # which `prepare` has set
        indices = candidates.training.indices
        if len(indices) > MOST_TAUGHT or candidates.original.depends_on_batch:
            return None
        images = replace(candidates.images, data=candidates.training.data).blocks(indices)
        return torch.cat(self._logits(candidates.original, images)).cpu()

    def _pace(self, name: str, lesson: Lesson, config: FamilyConfig, seconds: float, spent: float) -> _Pace:
        """Measured once, and remembered; so much of the seconds is spent."""

        def measure() -> JsonValue:
            preparing = spent + _seconds_of(lambda: self._taught)  # nothing, once another candidate has needed it
            looking = _seconds_of(lambda: self._after(lesson.model, config))
            each = seconds_a_step(replace(lesson, taught=self._taught))
            steps = max(1, int(max(seconds - preparing - MARKS * looking, seconds / 2) / each))
            if self.settings.epochs:
                steps = min(steps, by_epochs(self.settings, len(lesson.training.indices)).steps)
            return {"steps": steps, "seconds_a_step": each}

        known = cast("dict[str, float]", self.candidates.workspace.recall(f"{SPEEDS}{name}", measure))
        return _Pace(steps=int(known["steps"]), seconds_a_step=float(known["seconds_a_step"]))

    def _after(self, model: SpikingModel, config: FamilyConfig) -> Compared:
        """A sliced model beside the original, as it will be stored."""
        candidates = self.candidates
        state = stored({name: x.detach().cpu() for name, x in model.state_dict().items()}, candidates.precision).state
        delivered = build(candidates.family, config, state).to(candidates.device)
        right: list[bool] = []
        nats: list[float] = []
        for block, (original, logits) in enumerate(zip(self._original, self._logits(delivered), strict=True)):
            found = predictions(original, logits, self._watched.block(block)[1], self.candidates.images.metric)
            right += found.right
            nats += found.divergence
        pairs = [*zip(self.divergences.original.right, right, strict=True)]
        return Compared(
            divergence=sum(nats) / len(nats),
            accuracy=sum(right) / len(right),
            lost=sum(was and not now for was, now in pairs),
            won=sum(now and not was for was, now in pairs),
            samples=len(right),
        )

    @cached_property
    def _original(self) -> list[Tensor]:
        """The original's logits on the images by which candidates are compared, block by block."""
        return self._logits(self.candidates.original)

    @cached_property
    def _watched(self) -> Images:
        return self.candidates.images.blocks(self.divergences.images)

    def _logits(self, model: SpikingModel, images: Images | None = None) -> list[Tensor]:
        """What a model says of images, block by block; of those by which candidates are compared if none are given."""
        images = images or self._watched
        if model.depends_on_batch:  # which engines take apart
            with torch.inference_mode():
                return [model(images.block(block)[0].to(self.candidates.device)) for block in range(len(images))]
        engine = BlockEngine(model, images, kept_bytes=0)
        return [engine.logits(block, [])[0].clone() for block in range(len(images))]


def marks(steps: int) -> tuple[int, ...]:
    """Batches after which a candidate is looked at that learns from so many."""
    return tuple(sorted({-(-steps * part // MARKS) for part in range(1, MARKS + 1)}))


def by_width(original: SpikingModel, pruned: SpikingModel) -> dict[str, float]:
    """Factors of the learning rate, by parameter: the root of how many times more inputs the layer had."""
    whole = {name: parameter.shape for name, parameter in original.named_parameters()}
    return {
        name: sqrt(fan_in(whole[name]) / fan_in(parameter.shape))
        for name, parameter in pruned.named_parameters()
        if name in whole and parameter.dim() > 1
    }


def fan_in(shape: Sequence[int]) -> int:
    """Weights of one filter."""
    found = 1
    for size in shape[1:]:
        found *= size
    return found


def _telling(pace: _Pace, note: Callable[[str], None]) -> Callable[[int, int], None]:
    def tick(done: int, total: int) -> None:
        left = (total - done) * pace.seconds_a_step
        soon = f", about {left:.0f} s left" if left >= LONG_SECONDS else ""
        note(f"fine-tuning, step {done:,} of {total:,}{soon}")

    return tick


def _seconds_of(work: Callable[[], object]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began
