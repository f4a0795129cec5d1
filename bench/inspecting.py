"""Time and memory of `primesvt inspect` on checkpoints of full size: ``python -m bench.inspecting``."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
COMMAND = [sys.executable, "-c", "from primesvt_client.commands.main import main; main()", "inspect", "--json"]
MAKE = (
    "import sys; from pathlib import Path; from tests.support.full_size import FILES, save_as_trained;"
    " [save_as_trained(name, Path(sys.argv[1])) for name in FILES]"
)
"""In another process: the peak of a started process includes what its parent holds, so this one stays small."""


def timed(path: Path) -> tuple[float, float, float]:
    """Seconds, seconds of processor time and peak MiB of one run."""
    began = time.perf_counter()
    with subprocess.Popen([*COMMAND, str(path)], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"inspect ended with {process.returncode}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-c", MAKE, scratch], check=True)
        for path in sorted(Path(scratch).iterdir()):
            seconds, processor, peak = zip(*(timed(path) for _ in range(RUNS)), strict=True)
            print(
                f"{path.name}: {path.stat().st_size / 1e6:.0f} MB, median of {RUNS} runs"
                f" {statistics.median(seconds):.2f} s (fastest {min(seconds):.2f}, slowest {max(seconds):.2f}),"
                f" processor time {statistics.median(processor):.2f} s, peak {max(peak):.0f} MiB;"
                f" load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            )


if __name__ == "__main__":
    main()
