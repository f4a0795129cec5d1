"""The command ``export``: a model as a file, or a folder, for other software."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue

from primesvt_client.console import out, print_json
from primesvt_client.options import Json, Reading, scalar, takes_reading
from primesvt_core.cli.choices import lists_choices
from primesvt_core.cli.commands import SPLITS, print_assumptions
from primesvt_core.errors import SpecError
from primesvt_core.spec import ClassReading

if TYPE_CHECKING:
    from primesvt_core.exporters._reporting import ExportReport


@lists_choices
@takes_reading
def export(
    model: Annotated[
        Path,
        typer.Argument(help="Model that PrimeSVT pruned, or any checkpoint that inspect takes.", show_default=False),
    ],
    out_path: Annotated[Path, typer.Option("--out", help="File to write; of standalone a folder.", show_default=False)],
    reading: Reading,
    kind: Annotated[
        str,
        typer.Option(
            "--to",
            help="onnx: for onnxruntime and whatever reads ONNX; standalone: a folder with a program and its weights,"
            " for torch alone; integer: int8 weights and integer thresholds, for FPGA flows; official: the public names"
            " with args, at the model's widths; masked: the same at the original's widths, silent where channels are"
            " gone.",
        ),
    ] = "onnx",
    original: Annotated[
        Path | None,
        typer.Option(
            "--original",
            help="Checkpoint that the model was pruned from: masked needs it, onnx times it.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Images on which the export is checked, and of which accuracies are told where they have labels; drawn"
            " ones unless given.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[str, typer.Option(help=f"Of --data: {', '.join(SPLITS)}; as evaluate has them.")] = "auto",
    images: Annotated[int, typer.Option("--images", min=1, help="Of --data, at most.")] = 1000,
    frames: Annotated[
        bool | None,
        typer.Option(
            "--frames/--no-frames",
            help="Whether the model takes frames of events, (batch, T, C, H, W); as --data has it, or where it takes"
            " two channels, unless given.",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "--option",
            help="Choice of a format, NAME=VALUE; may be given several times. docs/device.md has them.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Write a model for other software; it is read back and compared before it is offered."""
    if data is None and (reading.classes, reading.pixels.value_range) != (ClassReading(), None):
        raise SpecError("--class-order, --allow-fewer-classes and --value-range say how images are read; give --data")
    if split not in SPLITS:
        raise SpecError(f"--split {split}: use {', '.join(SPLITS)}")
    exporting = import_module("primesvt_core.exporting")
    checked_on = None if data is None else exporting.CheckData(
        source=data, split=split, most=images, classes=reading.classes, value_range=reading.pixels.value_range,
    )  # fmt: skip
    request = exporting.ExportRequest(
        model=model, target=kind, out=out_path, original=original, assumptions=reading.assumptions,
        container=reading.container, preprocessing=reading.pixels.preprocessing,
        options=_options(option or []), data=checked_on, has_frames=frames,
    )  # fmt: skip
    report: ExportReport = exporting.export(request)
    if json:
        print_json(report.model_dump(mode="json"))
        return
    _print(report, out_path)


def _options(entries: list[str]) -> dict[str, JsonValue]:
    found: dict[str, JsonValue] = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not equals:
            raise SpecError(f"--option {entry}: write NAME=VALUE")
        found[name] = scalar(value)
    return found


def _print(report: ExportReport, out_path: Path) -> None:
    """What was written, and what its check found, figure by figure."""
    print_assumptions(report.model.assumptions)
    for note in report.notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    out.print(f"written: {out_path}", markup=False, soft_wrap=True)
    for file in report.files:
        out.print(f"  {file.name}: {file.bytes:,} bytes", markup=False, soft_wrap=True)
    check = report.check.model_dump(mode="json")
    out.print(f"checked: {check.pop('compared')}", markup=False, soft_wrap=True)
    for note in check.pop("notes"):
        out.print(f"  {note}", markup=False, soft_wrap=True)
    for name, value in check.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                out.print(f"  {_plain(name)}: {_figure(one)}", markup=False, soft_wrap=True)


def _figure(value: JsonValue) -> str:
    """A figure, or several of one thing, for people."""
    if isinstance(value, dict):
        return ", ".join(f"{_plain(name)} {_figure(one)}" for name, one in value.items())
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _plain(name: str) -> str:
    return name.replace("_", " ")
