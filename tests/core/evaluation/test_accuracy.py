"""Devices by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from primesvt_core.errors import SpecError
from primesvt_core.evaluation.accuracy import pick_device
from primesvt_core.evaluation.evaluate import evaluate
from tests.support import tiny


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.save({"model": tiny.model().state_dict(), "args": {"T": 2, "num_heads": 2}}, tmp_path / "tiny.pth")
    return tmp_path / "tiny.pth"


@pytest.mark.parametrize(
    "name",
    ["gpu", "mps", "cuda:", "cuda:x", "cpu:0", "meta", "", "CUDA", "cuda:-1", "cuda:00", "cuda:128", "cuda:\u0663"],
)
def test_names_of_no_device_are_refused(name: str) -> None:
    with pytest.raises(SpecError, match="use auto, cpu, cuda or cuda:N"):
        pick_device(name)


def test_a_gpu_that_is_not_there_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    for name in ("cuda", "cuda:0", "cuda:7"):
        with pytest.raises(SpecError, match=f"no {name}: torch finds no GPU"):
            evaluate(checkpoint, checkpoint, device=name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(SpecError, match="cuda:0 to cuda:1"):
        pick_device("cuda:2")


def test_auto_is_a_device_of_this_machine() -> None:
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert pick_device("cpu") == torch.device("cpu")
