"""A pruned model beside its original in onnxruntime: latency, memory, and time by operator.

    python -m bench.onnx examples/spikformer-digits.pth.tar runs/digits/model.safetensors --json onnx.json

Takes two ONNX files, or two checkpoints, which it exports first. Both have the same session options and take turns,
run by run, on one image; times are medians with quartiles. Peak memory is that of a process of its own, above one that
has loaded onnxruntime alone. Ends with 1 if the pruned model is not faster by at least the share that --least asks for.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from primesvt_core.exporters._base import Array
from primesvt_core.exporters._onnx_session import session
from primesvt_core.exporters._onnx_timing import Timing, operator_ms, thread_counts, time_models
from primesvt_core.exporting import ExportRequest, export

SHOWN = 8


def onnx_file(path: Path, folder: Path, name: str) -> Path:
    """The file itself, or what a checkpoint is exported to."""
    if path.suffix == ".onnx":
        return path
    out = folder / f"{name}.onnx"
    export(ExportRequest(model=path, target="onnx", out=out))
    return out


def image_for(path: Path) -> Array:
    """One image with random pixels, as a model takes it."""
    (taken,) = session(path).get_inputs()
    shape = [1, *taken.shape[1:]]
    chance = np.random.default_rng(0)
    if taken.type == "tensor(uint8)":
        return chance.integers(0, 256, shape, np.uint8)
    return chance.standard_normal(shape).astype(np.float32)


def print_timings(timings: tuple[Timing, ...]) -> float:
    """A line a model and number of threads; returns by which share one thread is faster."""
    print("| model | threads | median ms | quartiles ms | peak memory MiB |\n|---|---|---|---|---|")
    for one in timings:
        quartiles = f"{one.low_ms:.2f} to {one.high_ms:.2f}"
        print(f"| {one.model} | {one.threads} | {one.median_ms:.2f} | {quartiles} | {one.peak_bytes / 2**20:.1f} |")
    before, after = (next(t.median_ms for t in timings if t.model == name and t.threads == 1) for name in MODELS)
    return 1 - after / before


MODELS = ("original", "pruned")


def print_operators(operators: dict[str, dict[str, float]]) -> None:
    """The kinds of operators that take longest, with one thread."""
    before, after = (operators[name] for name in MODELS)
    total = sum(after.values())
    print("\n| operator | original ms | pruned ms | share of pruned |\n|---|---|---|---|")
    for kind in [*after][:SHOWN]:
        print(f"| {kind} | {before.get(kind, 0.0):.2f} | {after[kind]:.2f} | {after[kind] / total:.0%} |")
    rest = sum([*after.values()][SHOWN:])
    print(f"| others | {sum(before.values()) - sum(before.get(k, 0) for k in [*after][:SHOWN]):.2f} | {rest:.2f} |"
          f" {rest / total:.0%} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("original", type=Path)
    parser.add_argument("pruned", type=Path)
    parser.add_argument("--rounds", type=int, default=60, help="runs of either model")
    parser.add_argument("--least", type=float, default=0.0, help="share of the latency that must be saved")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        files = {name: onnx_file(getattr(asked, name), Path(folder), name) for name in MODELS}
        image = image_for(files["original"])
        timings = time_models(files, image, thread_counts(), asked.rounds)
        operators = {name: operator_ms(path, image) for name, path in files.items()}
        sizes = {name: path.stat().st_size for name, path in files.items()}
    saved = print_timings(timings)
    print(f"\none thread: {saved:.1%} less time; files: {sizes['original']:,} and {sizes['pruned']:,} bytes")
    print_operators(operators)
    if asked.json:
        told: dict[str, Any] = {"timings": [one.model_dump() for one in timings], "operators_ms": operators,
                                "saved": saved, "file_bytes": sizes}  # fmt: skip
        asked.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if saved < asked.least else 0)


if __name__ == "__main__":
    main()
