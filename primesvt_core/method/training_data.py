"""Images that the method learns from: what calibrates criteria and repairs, and what fine-tuning learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from primesvt_core.data import DataSet, check_same_classes, in_proportion
from primesvt_core.engines import Images
from primesvt_core.errors import SpecError
from primesvt_core.evaluation.splits import SplitImages, open_for
from primesvt_core.intake.inspect import Inspection
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.finetuning import TrainingSet
from primesvt_core.method.repairing import NONE
from primesvt_core.spec import CompressionSpec

Source = Path | DataSet | None
"""Where the training data are, themselves, or that there are none."""


def training_set(inspection: Inspection, images: SplitImages, source: Source, spec: CompressionSpec) -> TrainingSet:
    """What fine-tuning learns from: the training data where it is given, otherwise the search split.

    Raises:
        SpecError: if it has no labels.
    """
    data = images.data if source is None else _opened(inspection, source, spec)
    if not data.is_labelled:
        raise SpecError(
            f"fine-tuning learns from labels, which {data.name} does not have; give training data that has them"
            " (--train-data), or leave fine-tuning out",
            code="data_unlabelled",
        )
    if source is None:
        return TrainingSet(data=data, indices=images.splits.search, preprocessing=images.preprocessing)
    check_same_classes(data, images.data)
    return TrainingSet(data=data, indices=range(len(data)), preprocessing=images.preprocessing)


def _opened(inspection: Inspection, source: Path | DataSet, spec: CompressionSpec) -> DataSet:
    return open_for(
        inspection, source, spec.class_reading, "train", pixels=spec.pixel_reading,
        may_lack_labels=spec.budget.by_disagreement,
    )  # fmt: skip


def check_training_data(candidates: Candidates, source: Source) -> None:
    """Refuse training data that nothing would look at.

    Raises:
        SpecError: with what would.
    """
    spec = candidates.spec
    if source is not None and not (spec.fine_tuning.epochs or spec.repair != NONE or candidates.criterion.needs):
        raise SpecError(
            f"nothing looks at the training data {source.name}: it is for fine-tuning, for repairs, and for criteria"
            " that look at images; ask for one of them, or leave it out"
        )


@dataclass(frozen=True, kw_only=True)
class CalibrationSet:
    """What criteria and repairs look at, where it comes from, and what its data set notes, if that is another one."""

    images: Images
    source: tuple[str, ...]
    notes: tuple[str, ...] = ()
    is_labelled: bool = True


def calibration_set(
    inspection: Inspection, images: SplitImages, source: Source, spec: CompressionSpec
) -> CalibrationSet:
    """As many of the training data as calibrate, where it is given, every class in proportion; otherwise that split."""
    if source is None:
        return CalibrationSet(
            images=images.blocks(images.splits.calibration), source=("calibration split",),
            is_labelled=images.data.is_labelled,
        )  # fmt: skip
    data = _opened(inspection, source, spec)
    check_same_classes(data, images.data)
    if data.fingerprint() == images.data.fingerprint():
        raise SpecError(
            f"the training data {source.name} are the images that the result is confirmed on, which nothing"
            " may learn from; give others, or leave it out"
        )
    count = min(images.sizes.calibration_images, len(data))
    chosen = sorted(in_proportion(data.labels, images.seed)[:count].tolist())
    return CalibrationSet(
        images=replace(images, data=data).blocks(chosen),
        source=("training data", data.fingerprint(), str(count)),
        notes=data.notes,
        is_labelled=data.is_labelled,
    )
