"""The command ``check-family``: whether a family of one's own is right."""

from __future__ import annotations

from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from primesvt_client.console import FAILED, out, print_json
from primesvt_client.options import Json, Reading, takes_identity

if TYPE_CHECKING:
    from primesvt_core.checking.run import Finding


@takes_identity
def check_family(
    file: Annotated[
        Path, typer.Argument(help="Python file that ends in FAMILY = Family(...); it is run.", show_default=False)
    ],
    checkpoint: Annotated[Path, typer.Option("--checkpoint", help="Checkpoint of that family.", show_default=False)],
    reading: Reading,
    json: Json = False,
) -> None:
    """Check a family of one's own: silenced = sliced, engine = reference, groups cover what they must. Exits with 1 if
    anything fails.
    """
    found: list[Finding] = []
    run = import_module("primesvt_core.checking.run")
    for finding in run.check_family(file, checkpoint, reading.assumptions, container=reading.container):
        found.append(finding)
        if not json:
            mark = "[green]ok    [/]" if finding.holds else "[red]FAILED[/]"
            out.print(f"{mark} {escape(finding.check)}: {escape(finding.detail)}", soft_wrap=True)
    failed = sum(not finding.holds for finding in found)
    if json:
        print_json({"holds": not failed, "checks": [asdict(finding) for finding in found]})
    elif failed:
        out.print(f"{failed} of {len(found)} checks failed: {file.name} is not right yet")
    else:
        out.print(f"all {len(found)} checks hold: models of {file.name} can be compressed")
    if failed:
        raise typer.Exit(FAILED)
