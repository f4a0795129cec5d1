"""The memory that a worker's machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.settings import Settings
from worker import memory, sandbox
from worker.memory import machine_bytes


def test_a_container_has_what_it_may_have(tmp_path: Path) -> None:
    whole, limit = machine_bytes(()), tmp_path / "memory.max"
    assert whole > 1 << 28
    for text, expected in (("max", whole), ("1048576\n", 1 << 20), (str(1 << 62), whole)):
        limit.write_text(text)
        assert machine_bytes((limit, tmp_path / "absent")) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 900), ({"child_memory_share": 0.5}, 500), ({"child_memory_share": 0}, 0),
        ({"child_memory_bytes": 7}, 7), ({"child_memory_bytes": 7, "child_memory_share": 0}, 7),
    ],
)  # fmt: skip
def test_a_computing_child_has_a_limit_by_default(
    settings: dict[str, float], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "machine_bytes", lambda: 1000)
    assert sandbox.for_computing(Settings(**settings)).memory_bytes == expected


def test_files_of_a_validation_are_bounded_by_its_scratch_space() -> None:
    settings = Settings(validation_file_bytes=1 << 30)
    assert sandbox.for_validation(settings).file_bytes == 1 << 30
    assert sandbox.for_validation(settings, 1 << 20).file_bytes == 1 << 20
    assert sandbox.for_validation(settings, 0).file_bytes == sandbox.SMALLEST_FILE
    assert sandbox.for_validation(Settings(validation_file_bytes=0)).file_bytes == 0
    assert sandbox.for_validation(Settings(validation_file_bytes=0), 1 << 20).file_bytes == 1 << 20
