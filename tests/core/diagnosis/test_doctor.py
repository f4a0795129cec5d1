"""What ``primesvt doctor`` tells, as `docs/operations.md` says: of this machine, and of a GPU beside the CPU."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import typer
from torch import Tensor
from typer.testing import CliRunner

from primesvt_core.cli import doctor as commands
from primesvt_core.diagnosis import Finding, State, gpu, library
from primesvt_core.engines.blockwise import BlockEngine
from primesvt_core.testing.models import TINY


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of one block, a few images."""
    monkeypatch.setattr(gpu, "MODEL", TINY)
    monkeypatch.setattr(gpu, "BATCH", 4)
    monkeypatch.setattr(gpu, "BLOCKS", 2)


def told(found: Iterator[Finding]) -> dict[str, list[Finding]]:
    by_part: dict[str, list[Finding]] = {}
    for finding in found:
        by_part.setdefault(finding.part, []).append(finding)
    return by_part


def test_the_library_tells_versions_extras_and_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMESVT_POLICIES", "")
    found = told(library.findings())
    assert any(torch.__version__.partition("+")[0] in finding.detail for finding in found["versions"])
    assert {finding.detail.partition(":")[0].split()[0] for finding in found["extras"]} == {"fast", "parquet", "frames"}
    assert found["threads"][0].state is State.GOOD
    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    [bad] = told(library.findings())["threads"]
    assert (bad.state, "OMP_NUM_THREADS=" in bad.detail) == (State.BAD, True)


def test_where_there_is_no_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    [only] = gpu.findings()
    assert (only.part, only.state) == ("gpu", State.NOTED)
    assert "no GPU" in only.detail


def test_a_device_that_computes_the_same_is_good() -> None:
    found = told(gpu.findings("cpu"))
    assert [found[part][0].state for part in ("logits", "decisions")] == [State.GOOD, State.GOOD]
    assert "0 of 32 predictions of 4 candidates differ" in found["decisions"][0].detail
    assert len(found["time"]) == 2


def test_a_device_that_computes_something_else_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[BlockEngine] = []

    class Wrong(BlockEngine):
        def __init__(self, *given: Any, **how: Any) -> None:
            super().__init__(*given, **how)
            made.append(self)

        def logits(self, *given: Any) -> tuple[Tensor, list[Tensor]]:
            original, others = super().logits(*given)
            return (original, others) if self is made[0] else (original, [-other for other in others])

    monkeypatch.setattr(gpu, "BlockEngine", Wrong)
    found = told(gpu.findings("cpu"))
    assert found["decisions"][0].state is State.BAD
    assert "report it" in found["decisions"][0].detail


def test_it_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(gpu.findings("cpu", seconds=0.0))
    assert "of 16 predictions" in found["decisions"][0].detail, "one block of two"


def test_the_command_prints_all_and_exits_with_1_if_anything_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer()
    app.command()(commands.doctor)
    state = [State.GOOD]

    def findings(*, gpu: bool) -> Iterator[Finding]:
        yield Finding(part="gpu", state=State.NOTED, detail=f"asked: {gpu}")
        yield Finding(part="broker", state=state[0], detail="[x]")

    monkeypatch.setattr(commands, "_findings", findings)
    done = CliRunner().invoke(app, ["--gpu"])
    assert (done.exit_code, "asked: True" in done.output, "[x]" in done.output) == (0, True, True)
    state[0] = State.BAD
    done = CliRunner().invoke(app, ["--json"])
    assert done.exit_code == 1
    document = json.loads(done.output)
    assert not document["healthy"]
    assert document["findings"][1] == {"part": "broker", "state": "bad", "detail": "[x]"}


def test_other_distributions_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "service"

        def load(self) -> Any:
            return lambda: [Finding(part="database", state=State.GOOD, detail="it answers")]

    monkeypatch.setattr(commands, "entry_points", lambda group: [Entry()] if group == commands.GROUP else [])
    assert any(finding.part == "database" for finding in commands._findings(gpu=False))
