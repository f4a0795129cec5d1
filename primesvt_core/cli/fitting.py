"""Finding out what weights do not determine: wrong heads or time steps load without an error, and guess worse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import JsonValue
from torch import Tensor

from primesvt_core.errors import CheckpointError, SpecError
from primesvt_core.evaluation.accuracy import correct, pick_device
from primesvt_core.evaluation.evaluate import DEFAULT_BATCH
from primesvt_core.evaluation.splits import SplitImages, open_splits
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import Inspection, identify, inspect
from primesvt_core.intake.loading import build, load_state
from primesvt_core.spec import PreprocessingOverrides, SplitSizes

HEADS = range(1, 33)
TIME_STEPS = (1, 2, 3, 4, 5, 6, 8, 10, 16)
IMAGES = 200

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
    """

    num_heads: int | str | None
    time_steps: int
    others: tuple[tuple[str, Value], ...]
    accuracy: float

    @property
    def choice(self) -> tuple[object, ...]:
        """What tells it from others."""
        return self.num_heads, self.time_steps, self.others

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt inspect --json`` prints."""
        heads_and_steps = {"num_heads": self.num_heads, "time_steps": self.time_steps}
        return {**heads_and_steps, **dict(self.others), "accuracy": self.accuracy}


def fits(path: Path, data: Path, given: Mapping[str, Value], tick: Tick, *, container: str | None = None) -> list[Fit]:
    """Accuracy under every value of a field that has choices, number of heads that fits, and of time steps, best first.

    Each is varied with the others as in the best choice so far, until none is better; where heads may differ from stage
    to stage, those of one stage after the other, too. What the caller gives is not varied, nor are time steps of
    frames, which bring their own; of equals the one that would be assumed comes first.

    Args:
        path: checkpoint.
        data: labelled images.
        given: assumptions of the caller.
        tick: receives how many choices of how many have been tried.
        container: which weights of a file that has several.

    Raises:
        PrimeSVTError: if the checkpoint or the data cannot be read.
    """
    first = inspect(path, given, container=container)
    sizes = SplitSizes(search_images=IMAGES)
    images = open_splits(first, data, PreprocessingOverrides(), sizes, seed=0, batch_size=DEFAULT_BATCH)
    with TemporaryDirectory(prefix="primesvt-fits-") as scratch:
        trial = _Trial(first, load_state(first, Path(scratch) / "checkpoint.safetensors"), images, given, tick)
        trial.try_all([{}])
        best = None
        while best != trial.best:
            best = trial.best
            for name, hyperparameter in first.family.hyperparameters.items():
                if name not in given:
                    trial.try_all({name: value} for value in hyperparameter.choices)
            if _is_open(first, given, "num_heads"):
                _vary_heads(trial, first.family.hyperparameters["num_heads"].stages)
            if _is_open(first, given, "time_steps") and images.data.kind == "images":
                trial.try_all({"time_steps": number} for number in TIME_STEPS)
    return sorted(trial.found, key=lambda fit: -fit.accuracy)


def _vary_heads(trial: _Trial, stages: int) -> None:
    trial.try_all({"num_heads": number} for number in HEADS)
    for stage in range(stages if stages > 1 else 0):
        best = trial.best
        trial.try_all({"num_heads": _with_heads(best, stage, stages, number)} for number in HEADS)


def _is_open(inspection: Inspection, given: Mapping[str, Value], field: str) -> bool:
    return field in inspection.family.hyperparameters and field not in given


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
    ) -> None:
        self.first, self.state, self.images, self.given, self.tick = first, state, images, given, tick
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
            self.found.append(Fit(*key, self._accuracy(inspection)))
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

    def _accuracy(self, inspection: Inspection) -> float:
        model = build(inspection.family, inspection.config, self.state)
        images = replace(self.images, preprocessing=inspection.preprocessing)  # which may follow from the choice
        right = correct(model.to(pick_device("auto")), images.blocks(images.splits.search))
        return sum(right) / len(right)


def _choice(inspection: Inspection) -> tuple[int | str | None, int, tuple[tuple[str, Value], ...]]:
    """Heads, time steps, and the other fields that are tried: those that tensors do not tell."""
    config, fields = inspection.config, inspection.family.hyperparameters
    heads = getattr(config, "num_heads", None) if "num_heads" in fields else None
    others = (
        (each.field, getattr(config, each.field))
        for each in inspection.assumptions
        if fields[each.field].choices and each.source != "tensors"
    )
    return heads, config.time_steps, tuple(others)
