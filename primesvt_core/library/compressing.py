"""Compressing, pruning by a given plan, and other budgets of a finished run, from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from primesvt_client.progress import Reporter, silent
from primesvt_core.library.asking import FOR_COMPRESSION, FOR_PRUNING, SpecSource, spec_document
from primesvt_core.library.metrics import metric_from
from primesvt_core.library.options import CompressionOptions, PruningOptions
from primesvt_core.library.running import OtherBudget, Run, compressed, pruned, retargeted
from primesvt_core.library.sources import maybe_opened, opened
from primesvt_core.method.given_plan import GivenPlan, plan_of, read_plan
from primesvt_core.report.schema import Report
from primesvt_core.report.sliced import SlicedReport

if TYPE_CHECKING:
    from primesvt_core.engines.metric import Rule
    from primesvt_core.library.sources import Data

Plan = str | Path | Report | Mapping[str, Any]
"""Rates to prune at: a finished run's report or its file, or rates by channel group or pattern or their file."""


def compress(
    checkpoint: str | Path,
    data: Data,
    out: str | Path,
    *,
    spec: SpecSource | None = None,
    train_data: Data | None = None,
    metric: Rule | None = None,
    resume: bool = False,
    reuse: Sequence[str | Path] = (),
    on_progress: Reporter = silent,
    **options: Unpack[CompressionOptions],
) -> Report:
    """Shrink a model within a budget, and prove on unseen images that it keeps what the budget says.

    Args:
        checkpoint: in any format that PrimeSVT reads; nothing of it is run.
        data: labelled evaluation images: a path, a torch ``Dataset`` of ``(image, label)``, or a ``DataLoader`` of one.
            Without labels if ``max_disagreement`` is the budget.
        out: folder for the model, the report and the figures; new or empty.
        spec: constraint spec, a YAML or JSON file or its document; ``options`` override it.
        train_data: images that calibrate repairs and criteria, and that fine-tuning learns from.
        metric: a function of the logits ``(num_classes,)`` and the label of one image that says whether it is right,
            in place of the highest logit. The promise is then of the share of images of which it says so.
        resume: go on with the run that was stopped in ``out``.
        reuse: folders of earlier runs: nothing that they computed of the same model and images is computed again.
        on_progress: called with a `Progress` after every unit of work; it may raise `Cancelled` to stop the run, which
            ``resume`` goes on with.
        options: fields of the constraint spec.

    Returns:
        The report, as in ``report.json``; the model is ``out/model.safetensors``. A budget that cannot be met is no
        error but a verdict of the report.

    Raises:
        TypeError: if there is no such option.
        PrimeSVTError: if the checkpoint, the data, the spec or the metric is wrong.
    """
    document = spec_document("compress", options, FOR_COMPRESSION, spec)
    document.setdefault("budget", {})
    run = Run(
        out=Path(out), resume=resume, train_data=maybe_opened(train_data), earlier=[*map(Path, reuse)],
        metric=metric_from(metric), report_to=on_progress,
    )  # fmt: skip
    return compressed(Path(checkpoint), opened(data), document, run)


def prune(
    checkpoint: str | Path,
    plan: Plan,
    out: str | Path,
    *,
    data: Data | None = None,
    spec: SpecSource | None = None,
    train_data: Data | None = None,
    metric: Rule | None = None,
    resume: bool = False,
    reuse: Sequence[str | Path] = (),
    on_progress: Reporter = silent,
    **options: Unpack[PruningOptions],
) -> Report | SlicedReport:
    """Prune a checkpoint by a given plan, without a search.

    Args:
        checkpoint: in any format that PrimeSVT reads.
        plan: rates to prune at: the report of a finished run or its file, or rates by channel group or pattern
            (``*``, ``?``) or their YAML or JSON file.
        out: folder for the results; new or empty.
        data: labelled images: the model is repaired, what it loses is measured, and limits of accuracy are confirmed.
            Without them it is sliced by weights alone, and nothing is known of its accuracy.
        spec: as for `compress`.
        train_data: likewise.
        metric: likewise.
        resume: likewise.
        reuse: likewise.
        on_progress: likewise.
        options: fields of the constraint spec, but those of a search.

    Returns:
        With data a `Report`, whose verdict says whether the limits of accuracy are met; without a `SlicedReport`. The
        pruned model is delivered whatever it loses.

    Raises:
        TypeError: if there is no such option.
        PrimeSVTError: if the checkpoint, the plan, the data or the spec is wrong, or they do not fit.
    """
    document = spec_document("prune", options, FOR_PRUNING, spec)
    document["budget"] = document.get("budget") or {"min_memory_saving": 0.0}
    run = Run(
        out=Path(out), resume=resume, train_data=maybe_opened(train_data), earlier=[*map(Path, reuse)],
        metric=metric_from(metric), report_to=on_progress,
    )  # fmt: skip
    return pruned(Path(checkpoint), _plan(plan), maybe_opened(data), document, run)


def retarget(
    run: str | Path,
    out: str | Path,
    *,
    max_accuracy_drop: float | None = None,
    max_disagreement: float | None = None,
    checkpoint: str | Path | None = None,
    data: Data | None = None,
    train_data: Data | None = None,
    metric: Rule | None = None,
    resume: bool = False,
    on_progress: Reporter = silent,
) -> Report:
    """Deliver another point of a finished run's curve, for another budget; nothing is computed twice.

    Args:
        run: folder of the results of `compress` with the preset deep.
        out: folder for the results; new or empty.
        max_accuracy_drop: that is allowed now.
        max_disagreement: in its place, of a run that promised one.
        checkpoint: of that run, if it is not where it was.
        data: of that run, likewise; to be given if it was a Python object.
        train_data: likewise, if there was any.
        metric: of that run, if it had one.
        resume: go on with what was stopped in ``out``.
        on_progress: as for `compress`.

    Returns:
        The report; its ``family_of_budgets`` says what was asked for so far, and what is promised of all.

    Raises:
        NotRetargetable: if nothing can be promised of another point, or the inputs are not at hand or others.
        PrimeSVTError: as `compress` does.
    """
    budget = OtherBudget(
        max_accuracy_drop=max_accuracy_drop, max_disagreement=max_disagreement,
        checkpoint=None if checkpoint is None else Path(checkpoint), data=maybe_opened(data),
    )  # fmt: skip
    asked = Run(
        out=Path(out), resume=resume, train_data=maybe_opened(train_data), metric=metric_from(metric),
        report_to=on_progress,
    )  # fmt: skip
    return retargeted(Path(run), budget, asked)


def _plan(given: Plan) -> GivenPlan:
    if isinstance(given, str | Path):
        return read_plan(Path(given))
    document = given.model_dump(mode="json") if isinstance(given, Report) else given
    return plan_of(document, "that was given")
