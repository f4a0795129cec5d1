"""Another budget for a finished run: another point of its curve, without profiling or searching again.

Nothing that the run has computed is computed again. What several budgets on one confirmation split do to the error is
counted (`promise.family`): the bounds of all points of the curve hold together, so that no budget, however it was
chosen and however many there are, delivers what drops by more, with the confidence of the run.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from primesvt_client.progress import Reporter, silent
from primesvt_client.spec import parse_as
from primesvt_core.data import DataSet
from primesvt_core.errors import SpecError
from primesvt_core.method.finished_curve import FinishedCurve, check_finished
from primesvt_core.pipeline import Request, compress
from primesvt_core.report.schema import Report
from primesvt_core.spec import Budget, parse
from primesvt_core.types import CurvePoint
from primesvt_core.workspace import reuse
from primesvt_core.workspace.sources import Sources, keep_sources, kept_sources
from primesvt_core.workspace.store import snapshots

WORKSPACE = "workspace"
"""Folder below a run's results in which the command line keeps what the run remembers."""


@dataclass(frozen=True, kw_only=True)
class RetargetRequest:
    """Which finished run, and which other budget.

    Attributes:
        run: results folder of a finished compression, or of another budget of one.
        out: folder for the results.
        workspace: folder for what this run remembers.
        max_accuracy_drop: that is allowed now, of a run that promised an accuracy drop.
        max_disagreement: that is allowed now, of a run that promised a disagreement.
        checkpoint: of the finished run; where its workspace says if not given.
        data: likewise.
        train_data: likewise, if it had any.
    """

    run: Path
    out: Path
    workspace: Path
    max_accuracy_drop: float | None = None
    max_disagreement: float | None = None
    checkpoint: Path | None = None
    data: Path | DataSet | None = None
    train_data: Path | DataSet | None = None


def retarget(request: RetargetRequest, report_to: Reporter = silent) -> Report:
    """Deliver another point of a finished run's curve.

    Args:
        request: of which run, for which budget, to where.
        report_to: receives the progress.

    Returns:
        The report of a compression; its ``family_of_budgets`` says what was asked for so far, and what is promised.

    Raises:
        SpecError: if the run is not finished, its curve is none that bounds can hold for together, or its inputs are
            not at hand or others.
        PrimeSVTError: as `pipeline.compress` does.
    """
    report = _report_of(request.run)
    curve = _curve_of(request.run, report)
    cells = request.run / reuse.FILE
    if not cells.is_file():
        raise SpecError(f"{request.run} has no {reuse.FILE}; give the --out folder of a finished run")
    known = kept_sources(request.run / WORKSPACE)
    checkpoint, data = request.checkpoint or known.checkpoint, request.data or known.data
    train_data = request.train_data or known.train_data
    if checkpoint is None or data is None:
        raise SpecError(f"the run in {request.run} does not say where its checkpoint and its data lie; give both")
    document: dict[str, Any] = report.spec.model_dump(mode="json")
    document.pop("accept_unproven", None)
    budget = another_budget(report.spec.budget, request.max_accuracy_drop, request.max_disagreement)
    spec = parse({**document, "budget": budget.model_dump(mode="json", exclude_none=True)})
    _hand_over(request.run / WORKSPACE, request.workspace)
    found = compress(
        Request(
            checkpoint=checkpoint, data=data, spec=spec, out=request.out, workspace=request.workspace,
            train_data=train_data, cells=(cells,), curve=curve,
        ),
        report_to,
    )  # fmt: skip
    paths = (source if isinstance(source, Path) else None for source in (data, train_data))
    keep_sources(request.workspace, Sources(checkpoint, *paths))
    return found


def another_budget(first: Budget, max_accuracy_drop: float | None, max_disagreement: float | None = None) -> Budget:
    """What a finished run is asked for: another drop, of models for the time steps that its points run for.

    Raises:
        SpecError: if it is neither a drop of a run that promised one, nor a disagreement of a run that promised that.
    """
    if (max_accuracy_drop is None) == (max_disagreement is None):
        raise SpecError("give one other budget: --max-accuracy-drop, or --max-disagreement")
    if first.by_disagreement != (max_disagreement is not None):
        of_run, option = (
            ("a disagreement", "--max-disagreement")
            if first.by_disagreement
            else ("an accuracy", "--max-accuracy-drop")
        )
        raise SpecError(
            f"the run promised {of_run}, by which its points were found and tested: give {option}, or compress again"
        )
    document = {
        "max_accuracy_drop": max_accuracy_drop, "max_disagreement": max_disagreement,
        "max_time_steps": first.max_time_steps,
    }  # fmt: skip
    return parse_as(Budget, {name: value for name, value in document.items() if value is not None})


def _report_of(run: Path) -> Report:
    try:
        return Report.model_validate_json((run / "report.json").read_bytes())
    except (OSError, ValidationError):
        raise SpecError(f"{run} has no report.json of a finished compression; give its --out folder") from None


def _curve_of(run: Path, report: Report) -> FinishedCurve:
    """The curve of a finished run.

    Raises:
        SpecError: naming why no other point of it can be promised.
    """
    name, family = str(run), report.family_of_budgets
    if report.given_rates is not None:
        raise SpecError(f"the run in {run} carried out a given plan, which is one point; compress instead")
    if report.spec.fine_tuning.is_asked:
        raise SpecError(f"the run in {run} fine-tunes what it delivers, which has to be done anew; compress instead")
    if report.spec.budget.min_accuracy is not None:
        raise SpecError(
            f"the run in {run} had min_accuracy, so that its points depend on what its original reaches on the"
            " confirmation images; compress instead"
        )
    points = tuple(
        CurvePoint(
            rates=point.rates, accuracy=1 - point.loss if point.accuracy is None else point.accuracy,
            accuracy_drop=point.loss,
            parameter_bytes=point.parameter_bytes, memory_saving=point.memory_saving, divergence=point.divergence,
        )
        for point in report.curve
        if point.rates
    )  # fmt: skip
    check_finished(name, points)
    return FinishedCurve(
        name=name,
        points=points,
        images=report.compared_images or report.data.search_images,
        first_budget=family.first_budget if family else report.confirmation.allowed_loss,
        budgets=family.budgets if family else (),
        by_disagreement=report.by_disagreement,
    )


def _hand_over(earlier: Path, workspace: Path) -> None:
    """Copy the repairs that the earlier run has fitted: fitted anew they may round otherwise, and take minutes."""
    if not earlier.is_dir() or earlier == workspace:
        return
    workspace.mkdir(parents=True, exist_ok=True)
    for path in snapshots(earlier):
        if not (workspace / path.name).exists():
            shutil.copyfile(path, workspace / path.name)
