"""A child at stub speed: the same requests, messages and workspace as `worker.child`, without torch.

What it makes depends on nothing but what was asked, so that a disturbed run must end in the very bytes of an
undisturbed one. The environment says how long it takes.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from primesvt_client.facts import CheckpointFacts, DataSetFacts, ResultSummary
from primesvt_client.progress import Progress
from primesvt_client.states import Step
from primesvt_core.types import Rates
from primesvt_core.workspace import sharing
from primesvt_core.workspace.atomic import write_atomically
from primesvt_core.workspace.store import Workspace
from worker import child
from worker.protocol import (
    AssistRequest,
    AssistResult,
    CompressRequest,
    CompressResult,
    ProgressMessage,
    Result,
    Task,
    ValidateCheckpoint,
    ValidateData,
)

CELLS = int(os.environ.get("PYTHON_STUB_CELLS", "5"))
CELL_SECONDS = float(os.environ.get("PYTHON_STUB_CELL_SECONDS", "0.02"))
COMPUTED = Path(os.environ.get("PYTHON_STUB_COMPUTED", os.devnull)).open("a")  # noqa: SIM115  # as long as the process
"""File to which the number of every computed cell is added; opened before the sandbox closes it."""


def carry_out(task: Task, channel: child.Channel) -> Result:
    """Remember a few cells, shared as those of a profile are, then write a model and a report that follow from them."""
    if isinstance(task, AssistRequest):
        compute = _computing(task, Workspace(task.workspace))
        return AssistResult(
            cells=sharing.assist(lambda cells: [*map(compute, cells.values())], Workspace(task.workspace), channel)
        )
    if isinstance(task, ValidateCheckpoint | ValidateData):
        sha256 = hashlib.sha256(task.path.read_bytes()).hexdigest()
        if isinstance(task, ValidateCheckpoint):
            return CheckpointFacts(family="stub", sha256=sha256)
        return DataSetFacts(samples=0, fingerprint=sha256)
    assert isinstance(task, CompressRequest)
    with child.lock_workspace(task.workspace):
        child.restore(task)
        cells = _profile(task, channel)
    task.out.mkdir(parents=True, exist_ok=True)
    write_atomically(task.out / "model.safetensors", _model(cells))
    write_atomically(task.out / "report.json", json.dumps({"cells": cells}).encode())
    return CompressResult(verdict="met", summary=ResultSummary())


def _profile(task: CompressRequest, channel: child.Channel) -> list[str]:
    workspace = Workspace(task.workspace)
    compute = _computing(task, workspace)
    rates = [{"cell": float(number)} for number in range(CELLS)]
    wanted: dict[str, Rates] = {f"cell/{number}": asked for number, asked in enumerate(rates)}
    done = 0

    def compute_and_tell(cells: Mapping[str, Rates]) -> None:
        nonlocal done
        for asked in cells.values():
            channel.send(ProgressMessage(progress=Progress(step=Step.PROFILE, done=done, total=CELLS)))
            compute(asked)
            done += 1

    sharing.share(wanted, workspace, compute_and_tell, channel)
    return [compute(asked) for asked in rates]


def _computing(task: CompressRequest | AssistRequest, workspace: Workspace) -> Callable[[Rates], str]:
    """Computes a cell, or remembers it."""
    seed = hashlib.sha256(task.checkpoint.read_bytes() + task.data.read_bytes()).hexdigest()
    workspace.bind({"seed": seed})

    def compute(rates: Rates) -> str:
        number = int(rates["cell"])
        return str(workspace.recall(f"cell/{number}", partial(_cell, seed, number)))

    return compute


def model_of(checkpoint: bytes, data: bytes, cells: int = CELLS) -> bytes:
    """The model that a job with these inputs must deliver, whatever happens to it."""
    seed = hashlib.sha256(checkpoint + data).hexdigest()
    return _model([_value(seed, number) for number in range(cells)])


def _model(cells: list[str]) -> bytes:
    return hashlib.sha256("".join(cells).encode()).digest() * 100


def _value(seed: str, number: int) -> str:
    return hashlib.sha256(f"{seed}{number}".encode()).hexdigest()


def _cell(seed: str, number: int) -> str:
    time.sleep(CELL_SECONDS)
    COMPUTED.write(f"{number}\n")
    COMPUTED.flush()
    return _value(seed, number)


if __name__ == "__main__":
    child.carry_out = carry_out
    sys.exit(child.main())
