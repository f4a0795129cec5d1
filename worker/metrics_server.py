"""Metrics of a worker beside those of `app.metrics`: its steps, and the use of its GPUs, read from the driver."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator

import pynvml
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.metrics import STEP_SECONDS

GPU_NUMBERS = {
    "primesvt_gpu_utilisation": "Part of the time in which the GPU computed, of the last second or less.",
    "primesvt_gpu_memory_used_bytes": "Memory in use, by whomever.",
    "primesvt_gpu_memory_bytes": "Memory that there is.",
}


class GpuCollector(Collector):
    """Use of every GPU of the machine; nothing where there is no NVIDIA driver."""

    def collect(self) -> Iterable[Metric]:
        families = {
            name: GaugeMetricFamily(name, description, labels=["gpu"]) for name, description in GPU_NUMBERS.items()
        }
        for gpu, numbers in _gpus():
            for name, value in zip(GPU_NUMBERS, numbers, strict=True):
                families[name].add_metric([gpu], value)
        return families.values()


def _gpus() -> Iterator[tuple[str, tuple[float, float, float]]]:
    """Of every GPU its number, and `GPU_NUMBERS`, from the driver alone: a worker never opens CUDA."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return
    try:
        for number in range(pynvml.nvmlDeviceGetCount()):
            gpu = pynvml.nvmlDeviceGetHandleByIndex(number)
            with contextlib.suppress(pynvml.NVMLError):  # a MIG slice may report less than a whole GPU
                memory = pynvml.nvmlDeviceGetMemoryInfo(gpu)
                share = pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu / 100
                yield str(number), (share, float(memory.used), float(memory.total))
    finally:
        pynvml.nvmlShutdown()


class StepTimer:
    """Measures the steps of one run from what it reports: a step lasts until another one reports."""

    def __init__(self) -> None:
        self._step, self._began_at = "", time.monotonic()

    def enter(self, step: str) -> None:
        """The run reports this step."""
        if step != self._step:
            self.end()
            self._step, self._began_at = step, time.monotonic()

    def end(self) -> None:
        """The run has ended, or the step has."""
        if self._step:
            STEP_SECONDS.labels(self._step).observe(time.monotonic() - self._began_at)
        self._step = ""
