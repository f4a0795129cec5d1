"""Standalone folders: what is in them, what is noticed, what is refused."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from primesvt_core.errors import ExportError, SpecError
from primesvt_core.exporters import EXPORTERS, Export
from primesvt_core.exporters._images import drawn_for
from primesvt_core.exporters._loaded import load_model
from primesvt_core.exporters.standalone import Options
from primesvt_core.exporting import ExportRequest, export
from primesvt_core.testing.models import TINY, random_model, tiny
from tests.support.references import references

EXPORTER = EXPORTERS.load("standalone")


@pytest.fixture
def handed(tmp_path: Path) -> Export:
    tiny().save_pruned(tiny().plan(0.5), tmp_path / "model.safetensors")
    model = load_model(tmp_path / "model.safetensors")
    return Export(model=model, options=Options(), images=drawn_for(model))


@pytest.fixture
def folder(handed: Export, tmp_path: Path) -> Path:
    EXPORTER.write(handed, tmp_path / "out")
    return tmp_path / "out"


def test_a_folder_has_all_that_one_needs(handed: Export, folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "example.py", "model.py", "weights.pt"]
    weights = torch.load(folder / "weights.pt", weights_only=True)
    unused = handed.model.family.unused(handed.model.config)
    assert weights.keys() == handed.model.state.keys() - unused
    readme = (folder / "README.md").read_text()
    assert "| `block.0.attn.q_linear` | 8 x 8 | float32 |" in readme
    assert "Pruned;" in readme
    assert "no gradient flows" in readme


def test_the_example_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    runpy.run_path("example.py")
    sys.modules.pop("model")
    assert capsys.readouterr().out.startswith("class ")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("self.proj_lif3 = LIF(tau=2.0, threshold=1.0)", "self.proj_lif3 = LIF(tau=2.0, threshold=2.0)"),
        ("x = x + self.attn(x)", "x = self.attn(x)"),
    ],
)
def test_another_program_is_noticed(handed: Export, folder: Path, before: str, after: str) -> None:
    source = (folder / "model.py").read_text()
    assert source.count(before) == 1
    (folder / "model.py").write_text(source.replace(before, after))
    with pytest.raises(ExportError, match="logits"):
        EXPORTER.verify(handed, folder)


def test_another_weight_is_noticed_to_the_last_bit(handed: Export, folder: Path) -> None:
    weights = torch.load(folder / "weights.pt", weights_only=True)
    weights["head.bias"] = torch.nextafter(weights["head.bias"], torch.tensor(9.0)) + 1e-6
    torch.save(weights, folder / "weights.pt")
    with pytest.raises(ExportError, match="differ from the model's by up to"):
        EXPORTER.verify(handed, folder)


def test_neurons_are_one_of_two(tmp_path: Path) -> None:
    save_file(tiny().state, tmp_path / "model.safetensors")
    with pytest.raises(SpecError, match="neurons"):
        export(
            ExportRequest(
                model=tmp_path / "model.safetensors", target="standalone", out=tmp_path / "out",
                options={"neurons": "lava"},
            )
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_a_model_of_events_has_an_example_with_frames(tmp_path: Path) -> None:
    config = TINY.model_copy(update={"in_channels": 2})
    model = random_model("spikformer", config, seed=1)
    save_file(model.state, tmp_path / "model.safetensors")
    report = export(
        ExportRequest(
            model=tmp_path / "model.safetensors", target="standalone", out=tmp_path / "out",
            assumptions={"time_steps": 2, "image_size": 16, "num_heads": 2},
        )
    )  # fmt: skip
    assert report.input == "frames"
    assert "frames = torch.poisson" in (tmp_path / "out" / "example.py").read_text()


def test_a_leak_from_image_to_image_is_kept_and_told(tmp_path: Path) -> None:
    golden = next(one for one in references("qkformer") if one.name == "qkformer-cifar-T2").load()
    config = golden.config.model_copy(update={"compat_batch_leak": True})
    leaking = type(golden)(key=golden.key, config=config, state=golden.state, input=golden.input, tensors={})
    leaking.save_pruned(leaking.plan(0.5), tmp_path / "model.safetensors")
    report = export(ExportRequest(model=tmp_path / "model.safetensors", target="standalone", out=tmp_path / "out"))
    assert "compat_batch_leak" in (tmp_path / "out" / "README.md").read_text()
    assert any("other images of a batch" in note for note in report.check.notes)
