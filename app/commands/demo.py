"""demo: from upload to checked result through the real service, on the example that comes with it."""

from __future__ import annotations

import json
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from app.example_files import BUDGET, EXAMPLES, FILES
from primesvt_client.commands.api_options import fail_unless_succeeded, follow
from primesvt_client.commands.jobs import fetch, send, wait_until_ready
from primesvt_client.console import FAILED, WRONG_INPUT, err, fail, out, progress_bars
from primesvt_client.states import UploadKind

if TYPE_CHECKING:
    from primesvt_client import Client


def demo(
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder for the results; a new one below runs/ if not given.")
    ] = None,
    examples: Annotated[Path, typer.Option(help="Folder with the example.", show_default=False)] = EXAMPLES,
) -> None:
    """Start a service in a temporary folder, compress the example with it, verify the result, stop the service."""
    from app.embedded import Place, running  # imports what --help does without
    from primesvt_client import Client

    checkpoint, data = (examples / FILES[kind] for kind in (UploadKind.CHECKPOINT, UploadKind.DATASET))
    for path in (checkpoint, data):
        if not path.is_file():
            fail("no_example", f"there is no {path}; give a folder that holds the example with --examples", WRONG_INPUT)
    target = out_dir or Path("runs") / time.strftime("demo-%Y%m%d-%H%M%S")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="primesvt-demo-") as scratch:
        err.print("starting a service ...")
        with running(Place(Path(scratch), port=0)) as found, Client(found.address, found.first_key or "") as client:
            err.print(f"it is at {found.address}")
            _compress(client, checkpoint, data, target)
            err.print("stopping the service ...")
    report = json.loads((target / "report.json").read_text(encoding="utf-8"))
    accuracy = _verified_accuracy(target / "model.safetensors", data, report)
    _print_result(report, accuracy, checkpoint, target)
    out.print(f"\n{time.monotonic() - began:.0f} s in all")


def _compress(client: Client, checkpoint: Path, data: Path, target: Path) -> None:
    model, images = send(client, checkpoint, UploadKind.CHECKPOINT), send(client, data, UploadKind.DATASET)
    for upload in (model, images):
        wait_until_ready(client, upload)
    job = client.submit(model.id, images.id, {"budget": dict(BUDGET)}, name="demo")
    err.print(f"submitted {job.id}: max. accuracy drop 3 points, min. memory saving 25 %")
    fail_unless_succeeded(follow(client, job.id))
    fetch(client, job.id, target)


def _verified_accuracy(model: Path, data: Path, report: dict[str, Any]) -> float:
    """The downloaded model's accuracy on the confirmation split, which must be the report's."""
    err.print("loading the pruned model and verifying its accuracy ...")
    with progress_bars(baseline="measuring") as report_progress:
        found = import_module("primesvt_core.evaluation.evaluate").evaluate(model, data, report=report_progress)
    if found.accuracy != report["pruned"]["accuracy"]:
        expected = report["pruned"]["accuracy"]
        fail("not_reproduced", f"the model reaches {found.accuracy:.4%}, its report says {expected:.4%}", FAILED)
    return float(found.accuracy)


def _print_result(report: dict[str, Any], accuracy: float, checkpoint: Path, target: Path) -> None:
    before, after, held = report["baseline"], report["pruned"], report["confirmation"]
    table = Table("", "before", "after", "change")
    table.add_row(
        f"accuracy on {held['samples']} unseen images", f"{before['accuracy']:.2%}", f"{accuracy:.2%}",
        f"{-100 * report['accuracy_drop']:+.2f} points",
    )  # fmt: skip
    for title, field in (("parameter memory, bytes", "parameter_bytes"), ("parameters", "parameters"),
                         ("model file, bytes", "file_bytes"), ("spikes per image", "spikes_per_image")):  # fmt: skip
        change = after[field] / before[field] - 1
        table.add_row(title, f"{before[field]:,.0f}", f"{after[field]:,.0f}", f"{change:+.2%}")
    out.print(f"\n{checkpoint.name}: verdict {report['verdict']}", markup=False)
    out.print(table)
    out.print(f"pruned model: {target / 'model.safetensors'}", markup=False, soft_wrap=True)
    out.print(f"report:       {target / 'report.html'}", markup=False, soft_wrap=True)
