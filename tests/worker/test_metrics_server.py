"""The metrics of a worker."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from prometheus_client import CollectorRegistry

from app.metrics import REGISTRY, STEP_SECONDS
from worker.metrics_server import GpuCollector, StepTimer


def test_steps_are_measured_from_what_a_run_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.0, 3.0, 3.0, 13.0])
    monkeypatch.setattr("worker.metrics_server.time.monotonic", lambda: next(clock))

    def seconds(step: str) -> float:
        return REGISTRY.get_sample_value("primesvt_step_seconds_sum", {"step": step}) or 0.0

    before = {step: seconds(step) for step in ("intake", "profile")}
    run = StepTimer()
    for step in ("intake", "intake", "profile", "profile"):
        run.enter(step)
    run.end()
    run.end()
    assert seconds("intake") - before["intake"] == 2.0
    assert seconds("profile") - before["profile"] == 10.0
    assert STEP_SECONDS._labelnames == ("step",)


def test_a_machine_without_a_driver_has_no_gpu_metrics() -> None:
    registry = CollectorRegistry()
    registry.register(GpuCollector())
    if not Path("/dev/nvidiactl").exists():
        assert registry.get_sample_value("primesvt_gpu_utilisation", {"gpu": "0"}) is None


def test_gpu_metrics_are_those_of_the_driver_without_a_gpu_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = SimpleNamespace(used=3 << 30, total=80 << 30)

    def use(gpu: int) -> SimpleNamespace:
        if gpu == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return SimpleNamespace(gpu=42)

    driver = {
        "nvmlInit": lambda: None, "nvmlShutdown": lambda: None, "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda number: number, "nvmlDeviceGetMemoryInfo": lambda gpu: memory,
        "nvmlDeviceGetUtilizationRates": use,
    }  # fmt: skip
    for name, answer in driver.items():
        monkeypatch.setattr(pynvml, name, answer)
    registry = CollectorRegistry()
    registry.register(GpuCollector())
    assert registry.get_sample_value("primesvt_gpu_utilisation", {"gpu": "0"}) == 0.42
    assert registry.get_sample_value("primesvt_gpu_memory_used_bytes", {"gpu": "0"}) == 3 << 30
    assert registry.get_sample_value("primesvt_gpu_memory_bytes", {"gpu": "1"}) is None
