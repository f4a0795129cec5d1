"""Finding out what weights do not determine: wrong heads or time steps load without an error, and guess worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import JsonValue
from torch import Tensor

from primesvt_core.data import DataSet
from primesvt_core.errors import CheckpointError, SpecError
from primesvt_core.evaluation.accuracy import Answers, answers, pick_device
from primesvt_core.evaluation.chance import chance_notes
from primesvt_core.evaluation.evaluate import DEFAULT_BATCH
from primesvt_core.evaluation.misnumbering import misnumbering_notes
from primesvt_core.evaluation.splits import BY_FAMILY, SplitImages, open_as_they_are
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import Inspection, identify, inspect
from primesvt_core.intake.loading import build, load_state
from primesvt_core.spec import ClassReading, PixelReading, PreprocessingOverrides, SplitSizes

HEADS = range(1, 33)
TIME_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 16)
IMAGES = 200
SIZE = "image_size"
AS_IT_IS = PixelReading()
NO_LABELS = "There are no labels: which choices fit the weights cannot be tried."

Tick = Callable[[int, int], None]
"""Receives how many choices of how many have been tried."""


@dataclass(frozen=True)
class Fit:
    """One choice, and how many of the same images it is right on.

    Attributes:
        num_heads: of every stage, or of each, separated by commas.
        time_steps: T.
        others: fields of which the family says what they may be, with their values.
        accuracy: on the images.
        taken: what each image is taken for.
        is_assumed: whether it is what other commands take.
    """

    num_heads: int | str | None
    time_steps: int
    others: tuple[tuple[str, Value], ...]
    accuracy: float
    taken: tuple[int, ...]
    is_assumed: bool = False

    @property
    def choice(self) -> tuple[object, ...]:
        """What tells it from others."""
        return self.num_heads, self.time_steps, self.others

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt inspect --json`` prints."""
        heads_and_steps = {"num_heads": self.num_heads, "time_steps": self.time_steps}
        return {**heads_and_steps, **dict(self.others), "accuracy": self.accuracy, "is_assumed": self.is_assumed}


@dataclass(frozen=True)
class Fits:
    """Every choice that was tried, best first, and the data set that it was tried on.

    Attributes:
        data: the data set.
        choices: that were tried.
        notes: on the data set, and where even the best choice is near chance.
        images: on how many of its images they were tried.
    """

    data: DataSet
    choices: tuple[Fit, ...]
    notes: tuple[str, ...]
    images: int = 0

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt inspect --json`` prints."""
        classes: list[JsonValue] | None = [*self.data.classes] if self.data.is_labelled else None
        data: dict[str, JsonValue] = {
            "name": self.data.name,
            "samples": len(self.data),
            "is_labelled": self.data.is_labelled,
            "classes": classes,
            "notes": [*self.notes],
            "tried_on": self.images,
        }
        return {"data": data, "fits": [fit.to_json() for fit in self.choices]}


def fits(
    path: Path,
    data: Path,
    given: Mapping[str, Value],
    tick: Tick,
    *,
    container: str | None = None,
    classes: ClassReading = BY_FAMILY,
    pixels: PixelReading = AS_IT_IS,
) -> Fits:
    """Accuracy under every value of a field that has choices, number of heads that fits, and of time steps, best first.

    Each is varied with the others as in the best choice so far, until none is better; where heads may differ from stage
    to stage, those of one stage after the other, too; image sizes that weights do not tell, with the data's own. What
    the caller gives is not varied, nor are time steps of frames, which bring their own; of equals the one that would be
    assumed comes first.

    Args:
        path: checkpoint.
        data: labelled images; of others nothing is tried.
        given: assumptions of the caller.
        tick: receives how many choices of how many have been tried.
        container: which weights of a file that has several.
        classes: which class has which number.
        pixels: how the data set becomes what the model takes.

    Raises:
        PrimeSVTError: if the checkpoint or the data cannot be read.
    """
    first = inspect(path, given, container=container)
    sizes = SplitSizes(search_images=IMAGES)
    images = open_as_they_are(
        first, data, pixels.preprocessing, sizes, seed=0, batch_size=DEFAULT_BATCH, classes=classes,
        value_range=pixels.value_range,
    )  # fmt: skip
    if not images.data.is_labelled:
        return Fits(images.data, (), (*images.data.notes, NO_LABELS))
    with TemporaryDirectory(prefix="primesvt-fits-") as scratch:
        state = load_state(first, Path(scratch) / "checkpoint.safetensors")
        trial = _Trial(first, state, images, given, tick, pixels.preprocessing)
        trial.try_all([{}])
        best = None
        while best != trial.best:
            best = trial.best
            for name, hyperparameter in first.family.hyperparameters.items():
                if name not in given:
                    trial.try_all({name: value} for value in hyperparameter.choices)
            if _is_open(first, given, SIZE):
                trial.try_all({SIZE: side} for side in _own_side(images.data))
            if _is_open(first, given, "num_heads"):
                _vary_heads(trial, first.family.hyperparameters["num_heads"].stages)
            if _is_open(first, given, "time_steps") and images.data.kind == "images":
                trial.try_all({"time_steps": number} for number in TIME_STEPS)
    choices = tuple(sorted(trial.found, key=lambda fit: -fit.accuracy))
    notes = (*images.data.notes, *_doubts(images, first.config.num_classes, choices))
    return Fits(images.data, choices, notes, images=len(images.splits.search))


def _own_side(data: DataSet) -> Iterator[int]:
    """The side of the data's images or frames, if they are square."""
    shape = data.decode(0).shape
    height, width = shape[:2] if data.kind == "images" else shape[-2:]
    if height == width:
        yield height


def _doubts(images: SplitImages, outputs: int, choices: Sequence[Fit]) -> tuple[str, ...]:
    """Notes where guessing reaches what the best choice does, and where that takes classes for each other."""
    labels, taken = images.data.labels[np.asarray(images.splits.search)], np.array(choices[0].taken)
    correct, names = int((labels == taken).sum()), images.data.classes
    return (
        *misnumbering_notes(labels, taken, names),
        *chance_notes(correct, labels, names, outputs, tried=len(choices)),
    )


def _vary_heads(trial: _Trial, stages: int) -> None:
    trial.try_all({"num_heads": number} for number in HEADS)
    for stage in range(stages if stages > 1 else 0):
        best = trial.best
        trial.try_all({"num_heads": _with_heads(best, stage, stages, number)} for number in HEADS)


def _is_open(inspection: Inspection, given: Mapping[str, Value], field: str) -> bool:
    told = any(each.field == field and each.source == "tensors" for each in inspection.assumptions)
    return field in inspection.family.hyperparameters and field not in given and not told


def _with_heads(fit: Fit, stage: int, stages: int, number: int) -> str:
    """The heads of ``fit`` with those of one stage replaced."""
    heads = str(fit.num_heads).split(",")
    heads = heads * stages if len(heads) == 1 else heads
    return ",".join((*heads[:stage], str(number), *heads[stage + 1 :]))


class _Trial:
    """Tries choices of one checkpoint on the same images, each once."""

    def __init__(
        self,
        first: Inspection,
        state: Mapping[str, Tensor],
        images: SplitImages,
        given: Mapping[str, Value],
        tick: Tick,
        overrides: PreprocessingOverrides,
    ) -> None:
        self.first, self.state, self.images, self.given, self.tick = first, state, images, given, tick
        self.overrides = overrides
        self.found: list[Fit] = []

    @property
    def best(self) -> Fit:
        """The most accurate one so far; of equals the first."""
        return max(self.found, key=lambda fit: fit.accuracy)

    def try_all(self, choices: Iterable[Mapping[str, Value]]) -> None:
        """Every choice that the shapes allow and that was not tried, the rest as in the best one so far."""
        start = self._known(self.best) if self.found else {}
        tried = {fit.choice for fit in self.found}
        allowed = {}
        for choice in choices:
            inspection = self._inspected({**self.given, **start, **choice})
            if inspection is not None and (key := _choice(inspection)) not in tried:
                allowed[key] = inspection
        total = len(self.found) + len(allowed)
        for key, inspection in allowed.items():
            said = self._answers(inspection)
            accuracy = sum(said.right) / len(said.right)
            self.found.append(Fit(*key, accuracy, said.classes, is_assumed=not self.found))  # the first is asked so
            self.tick(len(self.found), total)

    def _known(self, fit: Fit) -> dict[str, Value]:
        known: dict[str, Value] = {"time_steps": fit.time_steps, **dict(fit.others)}
        if fit.num_heads is not None:
            known["num_heads"] = fit.num_heads
        return {name: value for name, value in known.items() if name in self.first.family.hyperparameters}

    def _inspected(self, known: Mapping[str, Value]) -> Inspection | None:
        """The checkpoint under other assumptions, if it allows them."""
        try:
            return identify(self.first.checkpoint, known)
        except (CheckpointError, SpecError):
            return None

    def _answers(self, inspection: Inspection) -> Answers:
        model = build(inspection.family, inspection.config, self.state)
        preprocessing = inspection.preprocessing.overridden(self.overrides)  # the former may follow from the choice
        images = replace(self.images, preprocessing=preprocessing)
        return answers(model.to(pick_device("auto")), images.blocks(images.splits.search))


def _choice(inspection: Inspection) -> tuple[int | str | None, int, tuple[tuple[str, Value], ...]]:
    """Heads, time steps, and the other fields that are tried: those that tensors do not tell."""
    config, fields = inspection.config, inspection.family.hyperparameters
    heads = getattr(config, "num_heads", None) if "num_heads" in fields else None
    others = (
        (each.field, getattr(config, each.field))
        for each in inspection.assumptions
        if (fields[each.field].choices or each.field == SIZE) and each.source != "tensors"
    )
    return heads, config.time_steps, tuple(others)
