"""The accuracy of a saved model on one split of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from primesvt_client.progress import Progress, Reporter, silent
from primesvt_core.data import DataSet, ValueRange, numbering
from primesvt_core.engines.metric import Metric
from primesvt_core.errors import DataError
from primesvt_core.evaluation.accuracy import Answers, Tick, answers, pick_device
from primesvt_core.evaluation.chance import chance_notes
from primesvt_core.evaluation.misnumbering import misnumbering_notes
from primesvt_core.evaluation.splits import BY_FAMILY, SplitImages, SplitName, open_as_they_are
from primesvt_core.families._base import Value
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import load
from primesvt_core.intake.provenance import Provenance
from primesvt_core.spec import ClassReading, PreprocessingOverrides, SplitSizes
from primesvt_core.types import Step

DEFAULT_BATCH = 50


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Accuracy of one model on one split."""

    accuracy: float
    correct: int
    samples: int
    split: str
    family: str
    variant: str
    data: str
    classes: tuple[str, ...]
    """Names in the order of the labels."""
    assumptions: tuple[Mapping[str, JsonValue], ...]
    preprocessing: Mapping[str, JsonValue]
    notes: tuple[str, ...]
    metric: str | None = None
    """Name of the caller's function that says what is right, from Python; None where the highest logit does."""

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt evaluate --json`` prints."""
        return asdict(self) | {
            "classes": list(self.classes), "assumptions": list(self.assumptions), "notes": list(self.notes)
        }  # fmt: skip


def evaluate(
    model: Path,
    data: Path | DataSet,
    *,
    split_name: SplitName = "auto",
    assumptions: Mapping[str, Value] | None = None,
    container: str | None = None,
    preprocessing: PreprocessingOverrides | None = None,
    value_range: ValueRange | None = None,
    sizes: SplitSizes | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    classes: ClassReading | None = None,
    report: Reporter = silent,
    metric: Metric | None = None,
) -> Evaluation:
    """Accuracy of an original or pruned model.

    ``auto`` is the confirmation split where ``data`` is the data set on which the model's promise was confirmed, so
    that the figure is the report's; for any other model or data set it is every image. ``rest`` are the images that
    are in no split. What is not given is taken from the pruned model's metadata. Right is what has the highest logit,
    unless ``metric`` says so.

    Raises:
        CheckpointError: if the model cannot be read.
        DataError: if the data set cannot be read, does not fit, or has no labels.
        SpecError: if this machine has no such device.
    """
    place = pick_device(device)
    inspection = inspect(model, assumptions, container=container)
    inspection.check_answered()
    own = inspection.provenance
    images = open_as_they_are(
        inspection,
        data,
        preprocessing or PreprocessingOverrides(),
        sizes or (own.splits if own else SplitSizes()),
        seed=own.seed if seed is None and own else seed or 0,
        batch_size=batch_size or (own.batch_size if own else DEFAULT_BATCH),
        classes=class_reading(classes or BY_FAMILY, own),
        value_range=value_range,
    )
    if not images.data.is_labelled:
        raise DataError(
            f"{images.data.name} has no labels: no accuracy can be measured on it; give labels", code="data_unlabelled"
        )
    if metric is not None:
        metric.digest(inspection.config.num_classes)  # which refuses one that is none
        images = replace(images, metric=metric)
    split_name = split_meant(split_name, images, own)
    chosen = indices_of(images, split_name)
    network = load(model, assumptions, container=container)
    said = answers(network.to(place), images.blocks(chosen), _counting(report, len(chosen), f"{split_name} images"))
    correct, samples = sum(said.right), len(said.right)
    return Evaluation(
        accuracy=correct / samples,
        correct=correct,
        samples=samples,
        split=split_name,
        family=inspection.family_key,
        variant=inspection.config.variant,
        data=images.data.name,
        classes=images.data.classes,
        assumptions=tuple(asdict(assumption) for assumption in inspection.assumptions),
        preprocessing=images.preprocessing.model_dump(mode="json"),
        notes=(*inspection.notes, *_notes(images, chosen, said, inspection.config.num_classes)),
        metric=None if metric is None else metric.name,
    )


def _counting(report: Reporter, total: int, note: str) -> Tick:
    return lambda done: report(Progress(step=Step.BASELINE, done=done, total=total, note=note))


def _notes(images: SplitImages, chosen: Sequence[int], said: Answers, outputs: int) -> Iterator[str]:
    """What is to be said of a data set, and of what a model with so many outputs says of the chosen images."""
    data = images.data
    labels = data.labels[np.asarray(chosen)]
    yield from data.notes
    yield from numbering(data, outputs)
    yield from misnumbering_notes(labels, np.array(said.classes), data.classes)
    if images.metric is None:  # what guessing reaches by another rule nobody knows
        yield from chance_notes(sum(said.right), labels, data.classes, outputs)


def split_meant(name: SplitName, images: SplitImages, own: Provenance | None) -> SplitName:
    """The split that ``auto`` means; any other is itself."""
    if name != "auto":
        return name
    confirmed_here = own is not None and own.data_fingerprint == images.data.fingerprint()
    return "confirmation" if confirmed_here else "all"


def class_reading(given: ClassReading, own: Provenance | None) -> ClassReading:
    """What the caller gave, and for the rest what the model was pruned with."""
    if own is None:
        return given
    return ClassReading(
        class_order=given.class_order or own.class_order,
        allow_fewer_classes=given.allow_fewer_classes or own.allow_fewer_classes,
    )


def indices_of(images: SplitImages, name: str) -> Sequence[int]:
    """The images of a split; ``all`` and ``rest`` are none of the three.

    Raises:
        DataError: if none is left.
    """
    if name == "all":
        return range(len(images.data))
    if name != "rest":
        indices: tuple[int, ...] = getattr(images.splits, name)
        return indices
    rest = images.splits.rest(len(images.data))
    if not rest:
        raise DataError(f"every image of {images.data.name} is in a split; there is no rest", code="data_empty")
    return rest
