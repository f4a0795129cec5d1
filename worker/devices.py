"""Which devices this worker computes on, detected without loading torch into the worker."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from app.jobs.records import Device
from app.settings import Settings

log = logging.getLogger(__name__)

CPU: Device = "cpu"
GPU: Device = "cuda"
DRIVERS = ("nvidiactl", "kfd", "dxg")
"""Files below /dev of which a machine with a GPU that torch can use has one: NVIDIA, AMD, Windows' Linux."""

PROBE = "import sys, torch; sys.exit(0 if torch.cuda.is_available() else 1)"
PROBE_SECONDS = 300.0


def devices(settings: Settings) -> tuple[Device, ...]:
    """``cpu``, and ``cuda`` if torch finds a GPU; unless the settings name the devices."""
    if settings.worker_devices:
        return (CPU, GPU) if GPU in settings.worker_devices.split(",") else (CPU,)
    return (CPU, GPU) if _has_driver() and _torch_finds_gpu() else (CPU,)


def _has_driver() -> bool:
    return any(Path("/dev", name).exists() for name in DRIVERS)


def _torch_finds_gpu() -> bool:
    try:
        probe = subprocess.run([sys.executable, "-P", "-c", PROBE], timeout=PROBE_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        log.warning("gpu_not_asked", extra={"reason": f"torch did not answer within {PROBE_SECONDS:g} s"})
        return False
    return probe.returncode == 0
