"""The real `worker.child`, which writes down what it took: a line in the file that ``PYTHON_MEASURES`` names."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

from worker import child
from worker.protocol import Result, Task, ValidateCheckpoint, ValidateData

carry_out_really = child.carry_out
MEASURES = Path(os.environ["PYTHON_MEASURES"]).open("a")  # noqa: SIM115  # before the sandbox closes it


def carry_out(task: Task, channel: child.Channel) -> Result:
    try:
        return carry_out_really(task, channel)
    finally:
        if isinstance(task, ValidateCheckpoint | ValidateData):
            write_down(task.path.parents[1].name)


def write_down(upload: str) -> None:
    taken = {"upload": upload, "cpu_seconds": time.process_time(), "peak_bytes": peak_bytes()}
    MEASURES.write(json.dumps(taken) + "\n")
    MEASURES.flush()


def peak_bytes() -> int:
    """Of this program alone: ``getrusage`` counts the memory of the worker, from which it was forked, too."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    child.carry_out = carry_out
    sys.exit(child.main())
