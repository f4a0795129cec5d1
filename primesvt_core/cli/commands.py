"""The library's commands: inspect, evaluate, compress; other modules have prune, retarget and export.

The distribution adds them to ``primesvt`` through the entry-point group ``primesvt.commands``. What computes is
imported when a command runs, by name: so ``--help`` answers at once, without torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import JsonValue
from rich.markup import escape
from rich.table import Table

from primesvt_client.commands.demanding import FailUnless, demand
from primesvt_client.console import err, out, print_json, progress_bars
from primesvt_client.options import (
    Checkpoint,
    Data,
    Device,
    Json,
    Reading,
    TrainData,
    takes_reading,
    takes_spec,
)
from primesvt_client.progress import Progress
from primesvt_client.shares import percent_text, points_text, rate_text
from primesvt_core import spec as specs
from primesvt_core.cli.choices import lists_choices
from primesvt_core.cli.numbers import numbered
from primesvt_core.errors import SpecError
from primesvt_core.types import Step

if TYPE_CHECKING:
    from primesvt_core.evaluation.evaluate import Evaluation
    from primesvt_core.report.schema import Report


SPLITS = ("auto", "all", "calibration", "search", "confirmation", "rest")
"""What ``--split`` may be."""

FITS_SHOWN = 8
"""Choices that ``inspect --data`` prints, the best ones; ``--json`` has all."""

TOLD = ("accuracy", "is_assumed")
"""What is said of a choice; all else is the choice."""

Resume = Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")]
Earlier = Annotated[
    list[Path] | None,
    typer.Option(
        "--reuse",
        help="Results folder of an earlier run: nothing that it computed of the same model on the same images is"
        " computed again.",
        show_default=False,
    ),
]


@takes_reading
def inspect(
    checkpoint: Checkpoint,
    reading: Reading,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Labelled images: try which heads, time steps and other choices fit the weights best. Of images"
            " without labels it says how they are read."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Inspect a checkpoint: family, config, assumptions, layers by size. Nothing of it is run."""
    _check_has_images(data, reading)
    look = import_module("primesvt_core.intake.inspect").inspect
    document = look(checkpoint, reading.assumptions, container=reading.container).to_json()
    if data is not None:
        document |= _fits(checkpoint, data, reading)
    if json:
        print_json(document)
        return
    out.print(f"[bold]{document['title']}[/]", end="")
    out.print(f" ({document['variant']}), {document['num_classes']} classes", markup=False)
    out.print(f"{document['parameters']:,} parameters, {document['parameter_bytes']:,} bytes of parameter memory")
    print_assumptions(document["assumptions"])
    for note in document["notes"]:
        out.print(f"  {note}", markup=False, soft_wrap=True)
    if "fits" in document:
        _print_data(document["data"].get("classes"), document["data"]["notes"])
    _print_fits(document.get("fits", ()), document.get("data", {}))
    table = Table(
        "layer", "channel group", "shape", "parameters", "bytes", title="layers, largest first", title_justify="left"
    )
    for layer in document["layers"]:
        shape = " x ".join(map(str, layer["shape"]))
        table.add_row(
            escape(layer["name"]),
            escape(layer["group"] or "-"),
            shape,
            f"{layer['parameters']:,}",
            f"{layer['parameter_bytes']:,}",
        )
    out.print(table)


def _print_fits(fits: Sequence[Mapping[str, JsonValue]], data: Mapping[str, JsonValue]) -> None:
    """The best choices, and that which other commands take, wherever it stands."""
    if not fits:
        return
    out.print(
        f"  tried on {data['tried_on']} images of {data['name']}, best first; a few points are chance:",
        markup=False,
        soft_wrap=True,
    )
    shown = [fit for place, fit in enumerate(fits) if place < FITS_SHOWN or fit["is_assumed"]]
    for fit in shown:
        tried = ", ".join(f"{name} = {value}" for name, value in fit.items() if name not in TOLD and value is not None)
        taken = " (what is assumed)" if fit["is_assumed"] else ""
        out.print(f"  with {tried}: accuracy {fit['accuracy']:.2%}{taken}", markup=False, soft_wrap=True)
    if len(shown) < len(fits):
        out.print(f"  and {len(fits) - len(shown)} more, which --json has", markup=False)


def _check_has_images(data: Path | None, reading: Reading) -> None:
    if data is None and (reading.classes, reading.pixels) != (specs.ClassReading(), specs.PixelReading()):
        raise SpecError(
            "--class-order, --allow-fewer-classes, --value-range, --mean, --std, --resize and --crop say how images are"
            " read; give --data"
        )


def print_assumptions(assumptions: Iterable[Mapping[str, JsonValue]]) -> None:
    """What weights alone do not determine; what the tensors tell after all is no assumption."""
    for assumption in assumptions:
        if assumption["source"] != "tensors":
            assumed = f"  assumed {assumption['field']} = {assumption['value']} (from the {assumption['source']})"
            out.print(assumed, markup=False)


def _fits(checkpoint: Path, data: Path, reading: Reading) -> dict[str, JsonValue]:
    with progress_bars(baseline="trying what fits") as report:

        def tick(done: int, total: int) -> None:
            report(Progress(step=Step.BASELINE, done=done, total=total))

        fits = import_module("primesvt_core.cli.fitting").fits
        found = fits(
            checkpoint, data, reading.assumptions, tick, container=reading.container, classes=reading.classes,
            pixels=reading.pixels,
        )  # fmt: skip
    document: dict[str, JsonValue] = found.to_json()
    return document


def _print_data(classes: Sequence[str] | None, notes: Sequence[str]) -> None:
    """Which class has which number, unless there are no labels, and what was found in the data set."""
    if classes is not None:
        out.print(f"  {len(classes):,} classes: {numbered(classes)}", markup=False, soft_wrap=True)
    for note in notes:
        out.print(f"  {note}", markup=False, soft_wrap=True)


@takes_reading
def evaluate(
    model: Checkpoint,
    data: Data,
    reading: Reading,
    split: Annotated[
        str,
        typer.Option(
            help="auto, all, calibration, search, confirmation, or rest (images of no split). auto: the confirmation"
            " split if the model was compressed on this data set, otherwise all."
        ),
    ] = "auto",
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time.")] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure the accuracy of an original or pruned model."""
    if split not in SPLITS:
        raise SpecError(f"--split {split}: use {', '.join(SPLITS)}")
    with progress_bars(baseline="measuring") as report:
        found: Evaluation = import_module("primesvt_core.evaluation.evaluate").evaluate(
            model,
            data,
            split_name=split,
            assumptions=reading.assumptions,
            container=reading.container,
            batch_size=batch_size,
            device=device,
            classes=reading.classes,
            preprocessing=reading.pixels.preprocessing,
            value_range=reading.pixels.value_range,
            report=report,
        )
    if json:
        print_json(found.to_json())
        return
    out.print(f"[bold]{found.accuracy:.2%}[/] ({found.correct:,} of {found.samples:,}, {_split_words(found.split)})")
    print_assumptions(found.assumptions)
    _print_data(found.classes, found.notes)


def _split_words(split: str) -> str:
    described = {"all": "all images", "rest": "images that are in no split"}
    return described.get(split, f"the {split} split; --split all takes every image")


@lists_choices
@takes_spec
def compress(
    checkpoint: Checkpoint,
    data: Data,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the results.", show_default=False)],
    document: dict[str, JsonValue],
    train_data: TrainData = None,
    resume: Resume = False,
    earlier: Earlier = None,
    fail_unless: FailUnless = None,
    json: Json = False,
) -> None:
    """Shrink a model within a budget; writes the model, the report and the figures to --out."""
    if not resume:  # what goes on has the preset that it had
        specs.parse(document)  # before torch is loaded
    running = import_module("primesvt_core.library.running")
    with resumable(), progress_bars() as report_to:
        run = running.Run(out=out_dir, resume=resume, train_data=train_data, earlier=earlier or (), report_to=report_to)
        report: Report = running.compressed(checkpoint, data, document, run)
    if json:
        print_json(report.model_dump(mode="json"))
    else:
        print_result(report, out_dir)
    demand(report.verdict, fail_unless)


def print_result(report: Report, out_dir: Path) -> None:
    """The result in a few lines."""
    held = report.confirmation
    out.print(f"\n[bold]verdict: {report.verdict.value}[/]")
    out.print(report.meaning, markup=False, soft_wrap=True)
    print_assumptions([assumption.model_dump() for assumption in report.assumptions])
    _print_data(report.data.classes if report.data.is_labelled else None, report.notes)
    table = Table("", "original", "pruned", "change")
    before, after = report.baseline, report.pruned
    _add_accuracy(table, report)
    table.add_row(
        "parameter memory",
        f"{before.parameter_bytes:,}",
        f"{after.parameter_bytes:,}",
        f"{change(-report.memory_saving)}%",
    )
    if before.macs and after.macs is not None:
        table.add_row(
            "multiply-accumulates", f"{before.macs:,}", f"{after.macs:,}", f"{change(after.macs / before.macs - 1)}%"
        )
    _add_inference(table, report)
    stored, saved = report.stored_bytes, report.stored_saving
    if stored is not None and saved is not None and stored != after.parameter_bytes:
        table.add_row("stored parameters", f"{before.parameter_bytes:,}", f"{stored:,}", f"{change(-saved)}%")
    table.add_row(
        "file",
        f"{before.file_bytes:,}",
        f"{after.file_bytes:,}",
        f"{change(after.file_bytes / before.file_bytes - 1)}%",
    )
    out.print(table)
    if not report.is_original:
        bound, most = held.disagreement_upper_bound, points_text(held.drop_upper_bound)
        promised = (
            f"drop is at most {most}"
            if bound is None
            else f"disagreement, which no drop of accuracy exceeds, is at most {percent_text(bound)}"
        )
        out.print(
            f"on {held.samples:,} images that the search never saw the true {promised} with"
            f" {rate_text(held.confidence)} confidence",
            soft_wrap=True,
        )
    out.print(f"report: {out_dir / 'report.html'}", markup=False, soft_wrap=True)


def _add_accuracy(table: Table, report: Report) -> None:
    """Accuracies where labels tell them, and the disagreement where that is promised."""
    before, after = report.baseline.accuracy, report.pruned.accuracy
    if before is not None and after is not None:
        table.add_row("accuracy", f"{before:.2%}", f"{after:.2%}", f"{change(after - before)} points")
    if report.disagreement is not None:
        table.add_row("predicted otherwise than by the original", "", f"{report.disagreement:.2%}", "")


def _add_inference(table: Table, report: Report) -> None:
    """Peak memory by the schedule with which the pruned model needs less, and what spikes make it compute."""
    before, after = report.baseline.inference_memory_bytes, report.pruned.inference_memory_bytes
    if before and after:
        old, new = (getattr(one, after.better) for one in (before, after))
        table.add_row(f"inference memory ({after.better})", f"{old:,}", f"{new:,}", f"{change(new / old - 1)}%")
    spikes_before, spikes_after = report.baseline.synaptic_operations, report.pruned.synaptic_operations
    if spikes_before and spikes_after is not None:
        counts = (f"{round(spikes_before):,}", f"{round(spikes_after):,}")
        table.add_row("synaptic operations", *counts, f"{change(spikes_after / spikes_before - 1)}%")


def change(share: float) -> str:
    """Hundredths with their sign; nothing is no loss."""
    return f"{round(100 * share, 2) + 0.0:+.2f}"


@contextmanager
def resumable() -> Iterator[None]:
    """Say how to go on after Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        err.print("\nrun the same command again with --resume to go on")
        raise
