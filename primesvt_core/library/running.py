"""Runs whose results go to a folder, for the command line and for Python: a search, a given plan, another budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primesvt_client.progress import Reporter
from primesvt_core import spec as specs
from primesvt_core.data import DataSet
from primesvt_core.engines.metric import Metric
from primesvt_core.errors import SpecError
from primesvt_core.method.given_plan import GivenPlan, asked_with
from primesvt_core.pipeline import Request, compress
from primesvt_core.planned import PruneRequest, prune
from primesvt_core.report.schema import Report
from primesvt_core.report.sliced import SlicedReport
from primesvt_core.retargeting import RetargetRequest, retarget
from primesvt_core.workspace.results import cells_of, cleared_if_refused, workspace_below
from primesvt_core.workspace.sources import Sources, keep_sources
from primesvt_core.workspace.store import kept_preset


@dataclass(frozen=True, kw_only=True)
class Run:
    """What runs have in common.

    Attributes:
        out: folder for the results; its workspace is below it.
        resume: whether to go on with the run in it.
        train_data: where it is, or itself.
        earlier: results folders of earlier runs.
        metric: what counts as right, where that is not the highest logit.
        report_to: receives the progress.
    """

    out: Path
    report_to: Reporter
    resume: bool = False
    train_data: Path | DataSet | None = None
    earlier: Sequence[Path] = ()
    metric: Metric | None = None


def compressed(checkpoint: Path, data: Path | DataSet, document: Mapping[str, Any], run: Run) -> Report:
    """Compress; see `primesvt_core.pipeline.compress`."""
    cells, is_new = cells_of(run.earlier), not run.out.exists()
    workspace = workspace_below(run.out, run.resume)
    spec = specs.parse({**_kept_preset(workspace, run), **document})
    request = Request(
        checkpoint=checkpoint, data=data, spec=spec, out=run.out, workspace=workspace, train_data=run.train_data,
        cells=cells, metric=run.metric,
    )  # fmt: skip
    with cleared_if_refused(workspace, with_parent=is_new, resume=run.resume):
        report = compress(request, run.report_to)
        keep_sources(workspace, Sources(checkpoint, *map(_place, (data, run.train_data))))
    return report


def pruned(
    checkpoint: Path, plan: GivenPlan, data: Path | DataSet | None, document: Mapping[str, Any], run: Run
) -> Report | SlicedReport:
    """Prune by a plan; see `primesvt_core.planned.prune`."""
    cells, is_new = cells_of(run.earlier), not run.out.exists()
    workspace = workspace_below(run.out, run.resume)
    if data is None and run.resume:
        raise SpecError("without --data nothing takes long enough to be resumed; leave out --resume")
    asked = asked_with(plan, {**_kept_preset(workspace, run), **document}, has_data=data is not None)
    request = PruneRequest(
        checkpoint=checkpoint, plan=plan, spec=specs.parse(asked), out=run.out, data=data, workspace=workspace,
        train_data=run.train_data, cells=cells, metric=run.metric,
    )  # fmt: skip
    clearing = cleared_if_refused(workspace, with_parent=is_new, resume=run.resume)
    with nullcontext() if data is None else clearing:
        return prune(request, run.report_to)


@dataclass(frozen=True, kw_only=True)
class OtherBudget:
    """Another budget, and where the inputs of the finished run are if not where they were."""

    max_accuracy_drop: float | None = None
    max_disagreement: float | None = None
    checkpoint: Path | None = None
    data: Path | DataSet | None = None


def retargeted(finished: Path, budget: OtherBudget, run: Run) -> Report:
    """Deliver another point of a finished run's curve; see `primesvt_core.retargeting.retarget`."""
    workspace, is_new = workspace_below(run.out, run.resume), not run.out.exists()
    request = RetargetRequest(
        run=finished, out=run.out, workspace=workspace, train_data=run.train_data, metric=run.metric, **vars(budget)
    )
    with cleared_if_refused(workspace, with_parent=is_new, resume=run.resume):
        return retarget(request, run.report_to)


def _kept_preset(workspace: Path, run: Run) -> dict[str, str]:
    """What ran, where a run goes on, whatever the default is now."""
    preset = kept_preset(workspace) if run.resume else None
    return {} if preset is None else {"preset": preset}


def _place(source: Path | DataSet | None) -> Path | None:
    return source if isinstance(source, Path) else None
