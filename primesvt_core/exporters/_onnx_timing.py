"""How long ONNX models take in onnxruntime, for which operators, and in how much memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import BaseModel, ConfigDict

from primesvt_core.evaluation.latency import ROUNDS, spread_of, times_in_turn
from primesvt_core.exporters._base import Array
from primesvt_core.exporters._onnx_graph import INPUT
from primesvt_core.exporters._onnx_session import session

PROFILED_RUNS = 20

PEAK = """
import sys
import numpy, onnxruntime
model, image, threads = sys.argv[1:]
if model:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = int(threads), 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    for _ in range(3):
        session.run(None, {"images": numpy.load(image)})
try:
    with open("/proc/self/status") as status:  # of this program alone; getrusage remembers what started it
        print(next(int(line.split()[1]) << 10 for line in status if line.startswith("VmHWM")))
except OSError:
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(peak if sys.platform == "darwin" else peak << 10)
"""
"""Prints the largest memory that a process of its own had, in bytes."""


class Timing(BaseModel):
    """One model with so many threads, one image at a time.

    Attributes:
        model: what is timed.
        threads: that compute an operator.
        median_ms: of runs in turn with the other models.
        low_ms: a quarter of the runs were shorter.
        high_ms: a quarter were longer.
        peak_bytes: largest memory of a process with the model, above that of one without.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    threads: int
    median_ms: float
    low_ms: float
    high_ms: float
    peak_bytes: int


def thread_counts() -> tuple[int, ...]:
    """One, and as many as this process may use."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return (1,) if available == 1 else (1, available)


def time_models(
    models: Mapping[str, Path], image: Array, threads: Sequence[int], rounds: int = ROUNDS
) -> tuple[Timing, ...]:
    """Models in turn, with the same session options.

    Args:
        models: by what they are called.
        image: ``(1, ...)``, as they take it.
        threads: numbers of threads to try.
        rounds: of runs.
    """
    found = []
    for count in threads:
        # Threads of a session that has just run would spin while another one's turn is measured.
        opened = {name: session(path, threads=count, spins=False) for name, path in models.items()}
        times = times_in_turn([_run(one, image) for one in opened.values()], rounds)
        for (name, path), taken in zip(models.items(), times, strict=True):
            spread = spread_of(taken)
            found.append(
                Timing(
                    model=name,
                    threads=count,
                    median_ms=1000 * spread.median,
                    low_ms=1000 * spread.low,
                    high_ms=1000 * spread.high,
                    peak_bytes=peak_bytes(path, image, count),
                )
            )
    return tuple(found)


def _run(opened: object, image: Array) -> Callable[[], object]:
    return lambda: opened.run(None, {INPUT: image})  # type: ignore[attr-defined]


def peak_bytes(path: Path, image: Array, threads: int) -> int:
    """Largest memory of a process that runs a model, above that of one that has loaded onnxruntime alone."""
    with TemporaryDirectory() as folder:
        kept = Path(folder) / "image.npy"
        np.save(kept, image)
        with_model, without = (_peak(name, kept, threads) for name in (str(path.absolute()), ""))
    return max(0, with_model - without)


def _peak(model: str, image: Path, threads: int) -> int:
    words = [sys.executable, "-I", "-c", PEAK, model, str(image), str(threads)]
    return int(subprocess.run(words, check=True, capture_output=True, text=True).stdout)  # noqa: S603


def operator_ms(path: Path, image: Array, runs: int = PROFILED_RUNS) -> dict[str, float]:
    """Milliseconds a run that every kind of operator takes, the longest first, with one thread."""
    with TemporaryDirectory() as folder:
        opened = session(path, profile=Path(folder) / "profile")
        for _ in range(runs):
            opened.run(None, {INPUT: image})
        events = json.loads(Path(opened.end_profiling()).read_text(encoding="utf-8"))
    taken: dict[str, float] = defaultdict(float)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            taken[event["args"]["op_name"]] += event["dur"] / 1000 / runs
    return dict(sorted(taken.items(), key=lambda entry: -entry[1]))
