"""Models meet data: a data set in its splits, and the accuracy of a saved model on one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from primesvt_core.data import (
    Batch,
    DataSet,
    Preprocessing,
    Splits,
    batches,
    check_classes,
    numbering,
    open_data,
    split,
)
from primesvt_core.errors import DataError
from primesvt_core.evaluation import correct, pick_device
from primesvt_core.families._base import Value
from primesvt_core.intake import Inspection, inspect, load
from primesvt_core.progress import Progress, Reporter, silent
from primesvt_core.spec import PreprocessingOverrides, SplitSizes
from primesvt_core.types import Step

SplitName = Literal["auto", "all", "calibration", "search", "confirmation", "rest"]
DEFAULT_BATCH = 50


@dataclass(frozen=True, kw_only=True)
class SplitImages:
    """A data set as a model sees it: preprocessed, in batches, by split."""

    data: DataSet
    preprocessing: Preprocessing
    sizes: SplitSizes
    seed: int
    batch_size: int

    @cached_property
    def splits(self) -> Splits:
        """The same for the same data set, sizes and seed.

        Raises:
            DataError: if there are too few images.
        """
        return split(self.data.labels, self.sizes, self.seed)

    def batches(self, indices: Sequence[int]) -> Iterator[Batch]:
        """Images and labels at ``indices``, in that order."""
        return batches(self.data, indices, self.preprocessing, self.batch_size)


def lay_out(
    inspection: Inspection,
    path: Path,
    overrides: PreprocessingOverrides,
    sizes: SplitSizes,
    *,
    seed: int,
    batch_size: int,
) -> SplitImages:
    """Open a data set, check that it fits the model, and say how it is split.

    Raises:
        DataError: naming the file or the classes that do not fit.
    """
    data = open_data(path)
    check_classes(data, inspection.config.num_classes)
    preprocessing = inspection.preprocessing.overridden(overrides)
    images = SplitImages(data=data, preprocessing=preprocessing, sizes=sizes, seed=seed, batch_size=batch_size)
    _check_channels(inspection, images)
    return images


def _check_channels(inspection: Inspection, images: SplitImages) -> None:
    """Try one image, so that a misfit is an error about the data rather than one from the depths of a convolution."""
    shape = next(images.batches([0])).images.shape
    wanted = inspection.config.in_channels
    if shape[-3] != wanted:
        raise DataError(
            f"{images.data.name} has {shape[-3]} channels an image, but the model takes {wanted};"
            " use the data set that the model was trained for",
            code="data_channels",
        )


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
    assumptions: tuple[Mapping[str, JsonValue], ...]
    preprocessing: Mapping[str, JsonValue]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """What ``primesvt evaluate --json`` prints."""
        return {**asdict(self), "assumptions": list(self.assumptions), "notes": list(self.notes)}


def evaluate(
    model: Path,
    data: Path,
    *,
    split_name: SplitName = "auto",
    assumptions: Mapping[str, Value] | None = None,
    container: str | None = None,
    preprocessing: PreprocessingOverrides | None = None,
    sizes: SplitSizes | None = None,
    seed: int | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    report: Reporter = silent,
) -> Evaluation:
    """Accuracy of an original or pruned model.

    ``auto`` is the confirmation split where ``data`` is the data set on which the model's promise was confirmed, so
    that the figure is the report's; for any other model or data set it is every image. ``rest`` are the images that
    are in no split. What is not given is taken from what the pruned model says of itself.

    Raises:
        CheckpointError: if the model cannot be read.
        DataError: if the data set cannot be read or does not fit.
        SpecError: if this machine has no such device.
    """
    place = pick_device(device)
    inspection = inspect(model, assumptions, container=container)
    own = inspection.provenance
    images = lay_out(
        inspection,
        data,
        preprocessing or PreprocessingOverrides(),
        sizes or (own.splits if own else SplitSizes()),
        seed=own.seed if seed is None and own else seed or 0,
        batch_size=batch_size or (own.batch_size if own else DEFAULT_BATCH),
    )
    if split_name == "auto":
        confirmed_here = own is not None and own.data_fingerprint == images.data.fingerprint()
        split_name = "confirmation" if confirmed_here else "all"
    chosen = _indices(images, split_name)
    network = load(model, assumptions, container=container)

    def tick(done: int) -> None:
        report(Progress(step=Step.BASELINE, done=done, total=len(chosen), note=f"{split_name} images"))

    right = correct(network.to(place), images.batches(chosen), tick)
    return Evaluation(
        accuracy=sum(right) / len(right),
        correct=sum(right),
        samples=len(right),
        split=split_name,
        family=inspection.family_key,
        variant=inspection.config.variant,
        data=images.data.name,
        assumptions=tuple(asdict(assumption) for assumption in inspection.assumptions),
        preprocessing=images.preprocessing.model_dump(mode="json"),
        notes=numbering(images.data, inspection.config.num_classes),
    )


def _indices(images: SplitImages, name: str) -> Sequence[int]:
    if name == "all":
        return range(len(images.data))
    if name != "rest":
        found: tuple[int, ...] = getattr(images.splits, name)
        return found
    rest = images.splits.rest(len(images.data))
    if not rest:
        raise DataError(f"every image of {images.data.name} is in a split; there is no rest", code="data_empty")
    return rest
