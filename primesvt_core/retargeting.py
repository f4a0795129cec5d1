"""Another budget for a finished run: another point of its curve, without profiling or searching again.

Nothing that the run has computed is computed again. What several budgets on one confirmation split do to the error is
counted (`promise.family`): the bounds of all points of the curve hold together, so that no budget, however it was
chosen and however many there are, delivers what drops by more, with the confidence of the run.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from primesvt_client.progress import Reporter, silent
from primesvt_core.data import DataSet
from primesvt_core.engines.metric import Metric
from primesvt_core.errors import NotRetargetable
from primesvt_core.pipeline import Request, compress
from primesvt_core.report.finished import another_spec, finished_curve
from primesvt_core.report.schema import Report
from primesvt_core.spec import parse
from primesvt_core.workspace import reuse
from primesvt_core.workspace.sources import WORKSPACE, Sources, keep_sources, kept_sources
from primesvt_core.workspace.store import snapshots


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
        metric: of that run, if it had one of the caller's own.
        name: what the run is called, as in "the run in a folder", which it is if not given.
        budgets: that were asked for of its curve before, where more is known of that than its report says.
    """

    run: Path
    out: Path
    workspace: Path
    max_accuracy_drop: float | None = None
    max_disagreement: float | None = None
    checkpoint: Path | None = None
    data: Path | DataSet | None = None
    train_data: Path | DataSet | None = None
    metric: Metric | None = None
    name: str | None = None
    budgets: tuple[float, ...] | None = None


def retarget(request: RetargetRequest, report_to: Reporter = silent) -> Report:
    """Deliver another point of a finished run's curve.

    Args:
        request: of which run, for which budget, to where.
        report_to: receives the progress.

    Returns:
        The report of a compression; its ``family_of_budgets`` says what was asked for so far, and what is promised.

    Raises:
        NotRetargetable: if the run is not finished, its curve is none that bounds can hold for together, or its inputs
            are not at hand or others.
        PrimeSVTError: as `pipeline.compress` does.
    """
    report = _report_of(request.run)
    _check_metric(report, request.metric)
    curve = finished_curve(request.name or f"the run in {request.run}", report, request.budgets)
    cells = request.run / reuse.FILE
    if not cells.is_file():
        raise NotRetargetable(f"{request.run} has no {reuse.FILE}; give the --out folder of a finished run")
    known = kept_sources(request.run / WORKSPACE)
    checkpoint, data = request.checkpoint or known.checkpoint, request.data or known.data
    train_data = request.train_data or known.train_data
    if checkpoint is None or data is None:
        raise NotRetargetable(f"the run in {request.run} does not say where its checkpoint and its data lie; give both")
    asked = another_spec(report.spec.model_dump(mode="json"), request.max_accuracy_drop, request.max_disagreement)
    spec = parse(asked)
    _hand_over(request.run / WORKSPACE, request.workspace)
    found = compress(
        Request(
            checkpoint=checkpoint, data=data, spec=spec, out=request.out, workspace=request.workspace,
            train_data=train_data, cells=(cells,), curve=curve, metric=request.metric,
        ),
        report_to,
    )  # fmt: skip
    paths = (source if isinstance(source, Path) else None for source in (data, train_data))
    keep_sources(request.workspace, Sources(checkpoint, *paths))
    return found


def _check_metric(report: Report, metric: Metric | None) -> None:
    """Refuse a run that was judged by a function that is not at hand; whether it is the same is found by its cells."""
    if report.metric is not None and metric is None:
        raise NotRetargetable(
            f"the run was judged by {report.metric}, a function of Python: give it again (metric of primesvt.retarget)"
        )


def _report_of(run: Path) -> Report:
    try:
        return Report.model_validate_json((run / "report.json").read_bytes())
    except (OSError, ValidationError):
        raise NotRetargetable(f"{run} has no report.json of a finished compression; give its --out folder") from None


def _hand_over(earlier: Path, workspace: Path) -> None:
    """Copy the repairs that the earlier run has fitted: fitted anew they may round otherwise, and take minutes."""
    if not earlier.is_dir() or earlier == workspace:
        return
    workspace.mkdir(parents=True, exist_ok=True)
    for path in snapshots(earlier):
        if not (workspace / path.name).exists():
            shutil.copyfile(path, workspace / path.name)
