"""Images that the method learns from: what calibrates criteria and repairs, and what fine-tuning learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from primesvt_core.data import DataSet, check_same_classes, in_proportion
from primesvt_core.engines import Images
from primesvt_core.errors import SpecError
from primesvt_core.evaluation.splits import SplitImages, open_for
from primesvt_core.intake.inspect import Inspection
from primesvt_core.method.candidates import Candidates
from primesvt_core.method.divergence import IMAGES as COMPARED
from primesvt_core.method.finetuning import TrainingSet
from primesvt_core.method.repairing import NONE
from primesvt_core.policies import POLICIES, CurvePolicy
from primesvt_core.spec import CompressionSpec

Source = Path | DataSet | None
"""Where the training data are, themselves, or that there are none."""


LEAST_IMAGES = 32
"""That a model learns from by time: fewer it would learn by heart."""


def training_set(
    inspection: Inspection, images: SplitImages, source: Source, spec: CompressionSpec
) -> TrainingSet | None:
    """What fine-tuning learns from; None without fine-tuning.

    That is the training data where it is given, otherwise the search split, or, of what learns by time and is judged on
    the search split, the calibration split and what candidates are not compared on of the search split.

    Raises:
        SpecError: if these are too few, have no labels that are looked at, or none that may be learned from.
    """
    if not spec.fine_tuning.is_asked:
        return None
    found = TrainingSet(data=images.data, indices=images.splits.search, preprocessing=images.preprocessing)
    if spec.fine_tuning.is_timed:
        found = replace(found, indices=(*images.splits.calibration, *_never_compared(images, spec)))
    if source is not None:
        data = _opened(inspection, source, spec)
        found = replace(found, data=data, indices=range(len(data)))
    if spec.fine_tuning.has_labels:
        _check_labelled(found.data)
        if source is not None:
            check_same_classes(found.data, images.data)
    if spec.fine_tuning.is_timed and len(found.indices) < LEAST_IMAGES:
        given = ("the splits that are learned from", "training data")
        name, wanted = given if source is None else (found.data.name, "more of them")
        raise SpecError(
            f"fine-tuning by time would learn from {len(found.indices):,} images of {name}, at least {LEAST_IMAGES} are"
            f" needed: give {wanted}, or leave it out"
        )
    return found


def _never_compared(images: SplitImages, spec: CompressionSpec) -> Sequence[int]:
    """Those of the search split on which candidates are not compared: a policy that goes by divergence needs few."""
    return images.splits.search[COMPARED:] if isinstance(POLICIES.load(spec.policy), CurvePolicy) else ()


def _check_labelled(data: DataSet) -> None:
    if not data.is_labelled:
        raise SpecError(
            f"fine-tuning learns from labels, which {data.name} does not have; give training data that has them"
            " (--train-data), have the original alone teach (--fine-tune-seconds), or leave fine-tuning out",
            code="data_unlabelled",
        )


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
    if source is not None and not (spec.fine_tuning.is_asked or spec.repair != NONE or candidates.criterion.needs):
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
