"""The command ``retarget``: another point of a finished run's curve."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from primesvt_client.console import print_json, progress_bars
from primesvt_client.options import Json
from primesvt_core.cli.commands import Resume, clearing, print_result, workspace_below

if TYPE_CHECKING:
    from primesvt_core.report.schema import Report


def retarget(
    run: Annotated[
        Path, typer.Argument(help="Results folder of a finished compression (preset deep).", show_default=False)
    ],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the results.", show_default=False)],
    max_accuracy_drop: Annotated[
        float | None,
        typer.Option(
            "--max-accuracy-drop",
            help="Largest accuracy drop that is allowed now. 0.02 is 2 points.",
            show_default=False,
        ),
    ] = None,
    max_disagreement: Annotated[
        float | None,
        typer.Option(
            "--max-disagreement",
            help="Largest disagreement that is allowed now, of a run that promised one. 0.05 is 5 %.",
            show_default=False,
        ),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint of that run, if it is not where it was.", show_default=False)
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Data of that run, if they are not where they were.", show_default=False)
    ] = None,
    train_data: Annotated[
        Path | None, typer.Option(help="Training data of that run, likewise.", show_default=False)
    ] = None,
    resume: Resume = False,
    json: Json = False,
) -> None:
    """Deliver another point of a finished run's curve, for another budget; nothing is computed twice."""
    workspace, is_new = workspace_below(out_dir, resume), not out_dir.exists()
    retargeting = import_module("primesvt_core.retargeting")
    request = retargeting.RetargetRequest(
        run=run, max_accuracy_drop=max_accuracy_drop, max_disagreement=max_disagreement, out=out_dir,
        workspace=workspace, checkpoint=checkpoint, data=data, train_data=train_data,
    )  # fmt: skip
    with clearing(workspace, with_parent=is_new, resume=resume), progress_bars(search="taking the curve") as report_to:
        report: Report = retargeting.retarget(request, report_to)
    if json:
        print_json(report.model_dump(mode="json"))
        return
    print_result(report, out_dir)
