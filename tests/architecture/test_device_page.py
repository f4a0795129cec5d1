"""What `docs/device.md` and `docs/integer.md` show is there, and runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from primesvt_core.exporters import EXPORTERS, integer
from primesvt_core.exporters.integer import read
from primesvt_core.exporting import ExportRequest, export
from primesvt_core.integers.forward import apply, fixed_point

ROOT = Path(__file__).resolve().parents[2]
DEVICE, INTEGER = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("device.md", "integer.md"))
DIGITS = ROOT / "examples" / "spikformer-digits.pth.tar"


def block(page: str, name: str) -> str:
    """The program of that name."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n```python\n(.*?)```", page, re.DOTALL)
    assert found, name
    return found[1]


def run(code: str, folder: Path) -> str:
    (folder / "examples").symlink_to(ROOT / "examples")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("key", EXPORTERS.available())
def test_every_format_and_each_of_its_options_is_there(key: str) -> None:
    assert f"| `{key}` |" in DEVICE
    for option in EXPORTERS.load(key).options.model_fields:
        assert re.search(rf"^\| `{option}=", DEVICE, re.MULTILINE), option


@pytest.mark.thorough
def test_the_program_for_torch_alone_reads_digits(tmp_path: Path) -> None:
    export(ExportRequest(model=DIGITS, target="standalone", out=tmp_path / "digits"))
    assert run(block(DEVICE, "standalone.py"), tmp_path).strip() == "tensor([6, 5, 9, 4, 8])"


@pytest.mark.thorough
def test_all_exports_of_the_pages_run_and_the_graph_is_read(tmp_path: Path) -> None:
    model = tmp_path / "runs" / "digits"
    (tmp_path / "rates.yaml").write_text("block.*.mlp.*: 0.5\n")
    folder = os.fspath(tmp_path)
    pages = (ROOT / "README.md").read_text(encoding="utf-8") + DEVICE
    lines = [line.strip() for line in pages.replace("\\\n", " ").split("\n")]
    exports = [line for line in lines if line.startswith("primesvt export runs/digits")]
    assert len({line.split("--to ")[1].split()[0] for line in exports}) == len(EXPORTERS.available())
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    command(["prune", os.fspath(DIGITS), "--plan", "rates.yaml", "--out", os.fspath(model)], folder)
    for line in dict.fromkeys(exports):
        command(shlex.split(line)[1:], folder)
    (tmp_path / "examples").unlink()
    assert "[" in run(block(DEVICE, "device.py"), tmp_path)


def command(words: list[str], folder: str) -> None:
    """Run the command of this project."""
    code = "from primesvt_client.commands.main import main; main()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.fspath(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_layer_by_hand_fires_what_the_float_model_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integer, "MOST_PIXELS", 1)  # of one image it is checked by the export itself
    export(ExportRequest(model=DIGITS, target="integer", out=tmp_path / "digits.safetensors"))
    found = run(block(INTEGER, "integer_layer.py"), tmp_path)
    index, tensors = read(tmp_path / "digits.safetensors")
    images = np.load(ROOT / "examples" / "digits.npz")["images"][:3] / 255
    spikes = apply(index.operations[0], tensors, {"input": fixed_point(images, index.image, index.time_steps)})
    name, counts = found.strip().split(" ", 1)
    assert name == index.operations[0].output
    assert [int(count) for count in counts.strip("[]").split()] == spikes.sum((1, 2, 3, 4)).tolist()
    assert spikes.any()


def test_every_field_of_an_index_is_described() -> None:
    schema = (ROOT / "docs" / "integer.schema.json").read_text(encoding="utf-8")
    for name in ("accumulator_bits", "membrane_bits", "fraction_bits", "leak_shift", "threshold"):
        assert name in INTEGER
        assert f'"{name}"' in schema
    for operation in re.findall(r'"const": "(\w+)"', schema):
        assert re.search(rf"`{operation}`", INTEGER), operation


def test_the_block_that_the_page_shows_is_as_programs_write_them() -> None:
    shown = re.search(r"^    +Block\((.*)\),$", DEVICE, re.MULTILINE)
    assert shown
    assert re.findall(r"(\w+)=", shown[1]) == ["attn_q_channels", "attn_v_channels", "mlp_fc1_channels"]
