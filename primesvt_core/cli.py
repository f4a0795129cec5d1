"""The library's commands: inspect, evaluate, compress.

What computes is imported when a command runs, by name: so ``--help`` answers at once, and the service's command line,
which offers these commands too, does not load torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import JsonValue
from rich.table import Table

from primesvt_core import spec as specs
from primesvt_core.console import out, print_json, progress_bars
from primesvt_core.errors import SpecError

if TYPE_CHECKING:
    from primesvt_core.assessment import Evaluation
    from primesvt_core.report import Report

app = typer.Typer(
    name="primesvt",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Shrink pre-trained Spiking Vision Transformers within an accuracy and memory budget.",
)

Checkpoint = Annotated[
    Path, typer.Argument(help="Checkpoint: .pth, .pth.tar, .pt or .safetensors.", show_default=False)
]
Data = Annotated[
    Path,
    typer.Option(
        "--data",
        help="Labelled evaluation data: ImageFolder folder, .zip or .tar; .npz; IDX files; CIFAR's python archive.",
        show_default=False,
    ),
]
TimeSteps = Annotated[int | None, typer.Option("--time-steps", min=1, help="T, if the checkpoint does not say.")]
Heads = Annotated[int | None, typer.Option("--heads", min=1, help="Attention heads, if the checkpoint does not say.")]
Assume = Annotated[
    list[str] | None, typer.Option("--assume", help="Any other config field that weights cannot tell: FIELD=VALUE.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]


@app.command()
def inspect(
    checkpoint: Checkpoint,
    time_steps: TimeSteps = None,
    heads: Heads = None,
    assume: Assume = None,
    json: Json = False,
) -> None:
    """Say what a checkpoint is: family, config, what had to be assumed, layers by size. Nothing of it is run."""
    found = import_module("primesvt_core.intake").inspect(checkpoint, assumptions(time_steps, heads, assume))
    document = found.to_json()
    if json:
        print_json(document)
        return
    out.print(f"[bold]{document['title']}[/] ({document['variant']}), {document['num_classes']} classes")
    out.print(f"{document['parameters']:,} parameters, {document['parameter_bytes']:,} bytes of parameter memory")
    for assumption in document["assumptions"]:
        out.print(f"  assumed {assumption['field']} = {assumption['value']} (from the {assumption['source']})")
    for note in document["notes"]:
        out.print(f"  {note}")
    table = Table(
        "layer", "channel group", "shape", "parameters", "bytes", title="layers, largest first", title_justify="left"
    )
    for layer in document["layers"]:
        shape = " x ".join(map(str, layer["shape"]))
        table.add_row(
            layer["name"], layer["group"] or "-", shape, f"{layer['parameters']:,}", f"{layer['parameter_bytes']:,}"
        )
    out.print(table)


@app.command()
def evaluate(
    model: Checkpoint,
    data: Data,
    split: Annotated[
        str,
        typer.Option(
            help="auto, all, calibration, search or confirmation. auto: the confirmation split if the model was"
            " compressed on this data set, otherwise all."
        ),
    ] = "auto",
    time_steps: TimeSteps = None,
    heads: Heads = None,
    assume: Assume = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time.")] = None,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Measure the accuracy of an original or pruned model."""
    if split not in ("auto", "all", "calibration", "search", "confirmation"):
        raise SpecError(f"--split {split}: use auto, all, calibration, search or confirmation")
    with progress_bars() as report:
        found: Evaluation = import_module("primesvt_core.assessment").evaluate(
            model,
            data,
            split_name=split,
            assumptions=assumptions(time_steps, heads, assume),
            batch_size=batch_size,
            device=device,
            report=report,
        )
    if json:
        print_json(found.to_json())
        return
    out.print(f"[bold]{found.accuracy:.2%}[/] ({found.correct:,} of {found.samples:,}, {_split_words(found.split)})")


def _split_words(split: str) -> str:
    return "all images" if split == "all" else f"the {split} split; --split all takes every image"


@app.command()
def compress(
    checkpoint: Checkpoint,
    data: Data,
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the results.", show_default=False)],
    max_accuracy_drop: Annotated[float | None, typer.Option(help="Largest loss; 0.03 is three points.")] = None,
    min_accuracy: Annotated[float | None, typer.Option(help="Lowest accuracy of the pruned model.")] = None,
    min_memory_saving: Annotated[
        float | None, typer.Option(help="Share of memory that must go; 0.25 is a quarter.")
    ] = None,
    max_parameter_bytes: Annotated[int | None, typer.Option(help="Largest parameter memory of the result.")] = None,
    policy: Annotated[str | None, typer.Option(help="Decides the rates.  [default: prioritized]")] = None,
    criterion: Annotated[str | None, typer.Option(help="Scores the channels.  [default: l2]")] = None,
    rates: Annotated[str | None, typer.Option(help="Rates to try, by commas.  [default: 0.1 to 0.9]")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Channel groups to leave alone; * and ? match.")] = None,
    fine_tune_epochs: Annotated[int | None, typer.Option(min=0, help="Epochs of fine-tuning.  [default: 0]")] = None,
    train_data: Annotated[Path | None, typer.Option(help="Labelled images to fine-tune on.")] = None,
    time_steps: TimeSteps = None,
    heads: Heads = None,
    assume: Assume = None,
    search_images: Annotated[int | None, typer.Option(min=1, help="Images the search sees.  [default: 1000]")] = None,
    confirmation_images: Annotated[
        int | None, typer.Option(min=1, help="Unseen images that check the promise.  [default: 4000]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images at a time.  [default: 50]")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.  [default: auto]")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the splits.  [default: 0]")] = None,
    spec: Annotated[Path | None, typer.Option(help="Constraint spec, YAML or JSON; options here override it.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was stopped.")] = False,
    json: Json = False,
) -> None:
    """Shrink a model within a budget; writes the model, the report and the figures to --out."""
    document: dict[str, JsonValue] = specs.read_document(spec) if spec else {}
    _lay_over(document, ("budget",), {
        "max_accuracy_drop": max_accuracy_drop, "min_accuracy": min_accuracy,
        "min_memory_saving": min_memory_saving, "max_parameter_bytes": max_parameter_bytes,
    })  # fmt: skip
    _lay_over(document, (), {
        "policy": policy, "criterion": criterion, "rates": _rates(rates), "batch_size": batch_size, "device": device,
        "seed": seed, "excluded_groups": [*exclude] if exclude else None,
    })  # fmt: skip
    _lay_over(document, ("splits",), {"search_images": search_images, "confirmation_images": confirmation_images})
    _lay_over(document, ("fine_tuning",), {"epochs": fine_tune_epochs})
    _lay_over(document, ("assumptions",), assumptions(time_steps, heads, assume))
    document.setdefault("budget", {})
    parsed, workspace = specs.parse(document), _workspace(out_dir, resume)
    pipeline = import_module("primesvt_core.pipeline")
    request = pipeline.Request(
        checkpoint=checkpoint, data=data, spec=parsed, out=out_dir, workspace=workspace, train_data=train_data
    )
    with progress_bars() as report_to:
        report: Report = pipeline.compress(request, report_to)
    if json:
        print_json(report.model_dump(mode="json"))
        return
    print_result(report, out_dir)


def print_result(report: Report, out_dir: Path) -> None:
    """The result in a few lines."""
    held = report.confirmation
    out.print(f"\n[bold]verdict: {report.verdict.value}[/]")
    table = Table("", "original", "pruned", "change")
    before, after = report.baseline, report.pruned
    table.add_row(
        "accuracy", f"{before.accuracy:.2%}", f"{after.accuracy:.2%}", f"{-100 * report.accuracy_drop:+.2f} points"
    )
    table.add_row(
        "parameter memory", f"{before.parameter_bytes:,}", f"{after.parameter_bytes:,}", f"-{report.memory_saving:.2%}"
    )
    table.add_row(
        "file", f"{before.file_bytes:,}", f"{after.file_bytes:,}", f"{after.file_bytes / before.file_bytes - 1:+.2%}"
    )
    out.print(table)
    out.print(
        f"on {held.samples:,} images that the search never saw the true drop is at most"
        f" {100 * held.drop_upper_bound:.2f} points with {held.confidence:.0%} confidence"
    )
    out.print(f"report: {out_dir / 'report.html'}", soft_wrap=True)


def assumptions(
    time_steps: int | None, heads: int | None, assume: list[str] | None
) -> dict[str, bool | int | float | str]:
    """What the caller knows of the config.

    Raises:
        SpecError: if an entry is not FIELD=VALUE.
    """
    known: dict[str, bool | int | float | str] = {}
    for entry in assume or ():
        field, equals, value = entry.partition("=")
        if not equals:
            raise SpecError(f"--assume {entry}: write FIELD=VALUE, as in image_size=64")
        known[field] = _value(value)
    return known | {k: v for k, v in (("time_steps", time_steps), ("num_heads", heads)) if v is not None}


def _value(text: str) -> bool | int | float | str:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _rates(text: str | None) -> list[JsonValue] | None:
    try:
        return None if text is None else [float(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise SpecError(f"--rates {text}: write fractions by commas, as in 0.1,0.3,0.5") from None


def _lay_over(document: dict[str, JsonValue], path: tuple[str, ...], options: Mapping[str, Any]) -> None:
    """Options of the command line override the document's fields."""
    given = {name: value for name, value in options.items() if value is not None}
    if not given:
        return
    node: Any = document
    for key in path:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise SpecError(f"{key} in the constraint spec is no mapping of fields")
    node.update(given)


def _workspace(out_dir: Path, resume: bool) -> Path:
    """The workspace below the results; an older run's is not touched unless it is to be resumed."""
    if not resume and out_dir.exists() and any(out_dir.iterdir()):
        raise SpecError(
            f"{out_dir} is not empty; use another folder for --out, or --resume to go on with the run in it"
        )
    return out_dir / "workspace"
