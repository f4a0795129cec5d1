"""The notebook runs, cell by cell, as it stands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import primesvt
from primesvt_client.spec import SPLIT_SHARES
from tests.support.embedded import EXAMPLES

IMAGES = 240
"""Of the data set: all of them take a minute."""

NOTEBOOK = json.loads((EXAMPLES / "compress.ipynb").read_text(encoding="utf-8"))


def test_it_is_kept_without_what_it_printed() -> None:
    assert (NOTEBOOK["nbformat"], NOTEBOOK["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in NOTEBOOK["cells"]]
    assert len(ids) == len({*ids})
    for cell in NOTEBOOK["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        assert cell["cell_type"] == "markdown" or (cell["outputs"], cell["execution_count"]) == ([], None)


@pytest.mark.thorough
def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copyfile(EXAMPLES / "spikformer-digits.pth.tar", tmp_path / "spikformer-digits.pth.tar")
    with np.load(EXAMPLES / "digits.npz") as whole:
        np.savez(tmp_path / "digits.npz", images=whole["images"][:IMAGES], labels=whole["labels"][:IMAGES])
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for number, cell in enumerate(NOTEBOOK["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
    report = names["report"]
    assert isinstance(report, primesvt.Report)
    assert report.confirmation.samples == int(SPLIT_SHARES[-1] * IMAGES)
    assert "done: confirm" in capsys.readouterr().out
    assert primesvt.inspect("runs/notebook/model.safetensors").provenance is not None
