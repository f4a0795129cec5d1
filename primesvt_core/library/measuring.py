"""Looking at models and measuring them, from Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from primesvt_client.progress import Reporter, silent
from primesvt_core.evaluation import evaluate as measuring
from primesvt_core.evaluation.evaluate import Evaluation
from primesvt_core.evaluation.splits import SplitName
from primesvt_core.intake import inspect as intake
from primesvt_core.intake.inspect import Inspection
from primesvt_core.library.asking import reading
from primesvt_core.library.metrics import metric_from
from primesvt_core.library.options import ReadingOptions
from primesvt_core.library.sources import opened

if TYPE_CHECKING:
    from primesvt_core.engines.metric import Rule
    from primesvt_core.library.sources import Data


def inspect(
    checkpoint: str | Path, *, container: str | None = None, **assumptions: bool | int | float | str
) -> Inspection:
    """Identify a checkpoint without running it: family, config, what had to be assumed, layers by size.

    Args:
        checkpoint: original or pruned, in any format that PrimeSVT reads.
        container: which weights of a file that has several (``state_dict_ema``); as they were trained unless given.
        assumptions: config fields that weights do not determine: ``time_steps``, ``num_heads``, ``image_size`` ...

    Returns:
        What was found; its ``facts()`` have layers, groups and sizes, and ``to_json()`` is what the command prints.

    Raises:
        CheckpointError: if the file is refused, of no known family, or does not fit its family.
        SpecError: if an assumption is unknown or does not fit.
    """
    return intake.inspect(Path(checkpoint), assumptions, container=container)


def evaluate(
    model: str | Path,
    data: Data,
    *,
    split: SplitName = "auto",
    metric: Rule | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    on_progress: Reporter = silent,
    **options: Unpack[ReadingOptions],
) -> Evaluation:
    """Measure the accuracy of an original or pruned model.

    Args:
        model: checkpoint, in any format that PrimeSVT reads.
        data: labelled images: a path, a torch ``Dataset`` of ``(image, label)``, or a ``DataLoader`` of one.
        split: ``all``, ``calibration``, ``search``, ``confirmation``, ``rest`` (images of no split), or ``auto``: the
            confirmation split if the model was compressed on this data set, otherwise all.
        metric: a function of the logits ``(num_classes,)`` and the label of one image that says whether it is right,
            in place of the highest logit.
        batch_size: images at a time.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        on_progress: called with a `Progress` after every block of images; it may raise `Cancelled`.
        options: fields of the constraint spec that say how inputs are read.

    Raises:
        TypeError: if there is no such option.
        PrimeSVTError: if the model, the data, an option or the metric is wrong.
    """
    read = reading("evaluate", options)
    return measuring.evaluate(
        Path(model),
        opened(data),
        split_name=split,
        assumptions=read.assumptions,
        container=read.container,
        preprocessing=read.pixels.preprocessing,
        value_range=read.pixels.value_range,
        batch_size=batch_size,
        device=device,
        classes=read.classes,
        report=on_progress,
        metric=metric_from(metric),
    )
