"""The command ``label-list``: what would have to be labelled to know the accuracy drop of a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from primesvt_client.console import err, out, print_json
from primesvt_client.options import Json
from primesvt_core.errors import SpecError
from primesvt_core.report.schema import DifferingImage, Report


def label_list(
    run: Annotated[
        Path, typer.Argument(help="Results folder of a compression with --max-disagreement.", show_default=False)
    ],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="File to write, one name a line; printed if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """List the images whose labels would tell the accuracy drop: those that the pruned model predicts otherwise."""
    if out_file is not None and out_file.exists():
        raise SpecError(f"{out_file} exists; give another file for --out")
    report = _report_of(run)
    images = report.differing_images
    lines = [*map(name_of, images)]
    if out_file is not None:
        out_file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    if json:
        print_json([image.model_dump(mode="json") for image in images])
        return
    for line in lines if out_file is None else ():
        out.print(line, markup=False, soft_wrap=True)
    err.print(
        f"{len(images):,} of {report.confirmation.samples:,} confirmation images are predicted otherwise than by the"
        " original; on all others no accuracy can be lost"
    )


def name_of(image: DifferingImage) -> str:
    """The name of an image's file; of arrays its place, from 0."""
    return str(image.index) if image.name is None else image.name


def _report_of(run: Path) -> Report:
    """The report of a run that promised a disagreement.

    Raises:
        SpecError: if it has none, or promised something else.
    """
    try:
        report = Report.model_validate_json((run / "report.json").read_bytes())
    except (OSError, ValidationError):
        raise SpecError(f"{run} has no report.json of a finished compression; give its --out folder") from None
    if not report.by_disagreement:
        raise SpecError(
            f"the run in {run} had labels, and promised an accuracy: no image has to be labelled. Images are listed of"
            " runs with --max-disagreement"
        )
    return report
