"""An export is refused for what is wrong, and is there whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from primesvt_core import exporting
from primesvt_core.checkpoints import read
from primesvt_core.errors import ExportError, SpecError, UnknownPlugin
from primesvt_core.exporters import Check, Export, Exporter, ExportOptions
from primesvt_core.exporting import CheckData, ExportRequest, export
from primesvt_core.intake.loading import load
from primesvt_core.testing.models import tiny
from tests.support import tiny as tiny_data
from tests.support.exports import saved


class Depth(ExportOptions):
    """Of a made-up format."""

    depth: int = 1


def write(export: Export, out: Path) -> None:
    out.mkdir()
    (out / "model.txt").write_text(export.model.name)


def verify(export: Export, out: Path) -> Check:
    assert isinstance(export.options, Depth)
    return Check(compared=f"{(out / 'model.txt').read_text()} {export.options.depth}")


FOLDER = Exporter(write=write, verify=verify, is_folder=True, options=Depth, packages={"own": ("no_such_package",)})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(tiny(), tmp_path / "model.safetensors", 0.5)


@pytest.mark.parametrize(
    ("target", "name", "expected"),
    [
        ("official", "no/out.pth", "there is no folder"),
        ("official", "out.onnx", r"--to official writes .*\.pth.*; such a file is written by --to onnx$"),
        ("onnx", "out.txt", r"not out\.txt$"),
        ("onnx", "out.pth", r"--to onnx writes \.onnx files"),
        ("official", "model.safetensors", "exists; give another file"),
    ],
)
def test_a_place_that_does_not_do_is_refused(
    target: str, name: str, expected: str, model: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SpecError, match=expected):
        export(ExportRequest(model=model, target=target, out=tmp_path / name))
    assert sorted(tmp_path.iterdir()) == before


def test_what_no_exporter_takes_is_refused(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    with pytest.raises(UnknownPlugin, match="official"):
        export(ExportRequest(model=model, target="paper", out=out))
    with pytest.raises(SpecError, match="takes no original; leave out --original"):
        export(ExportRequest(model=model, target="official", out=out, original=model))
    with pytest.raises(SpecError, match="options of --to official: none"):
        export(ExportRequest(model=model, target="official", out=out, options={"depth": 2}))
    with pytest.raises(SpecError, match=r"--option weights: .*'stored', 'float32' or 'int8'"):
        export(ExportRequest(model=model, target="onnx", out=tmp_path / "o.onnx", options={"weights": "int4"}))


def test_the_report_lies_beside_the_file(model: Path, tmp_path: Path) -> None:
    report = export(ExportRequest(model=model, target="official", out=tmp_path / "out.pth"))
    told = json.loads((tmp_path / "out.pth.export.json").read_text())
    assert told == report.model_dump(mode="json")
    assert (told["target"], told["model"]["family"], told["model"]["is_pruned"]) == ("official", "spikformer", True)
    assert told["model"]["sha256"] == read(model).sha256
    assert told["files"] == [
        {"name": "out.pth", "bytes": (tmp_path / "out.pth").stat().st_size, "sha256": read(tmp_path / "out.pth").sha256}
    ]
    assert (told["check"]["images"], told["check"]["source"], told["check"]["max_difference"]) == (8, "drawn", 0.0)


def test_a_folder_has_its_report_inside(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "EXPORTERS", type("Own", (), {"load": lambda _key: FOLDER}))
    request = ExportRequest(model=model, target="own", out=tmp_path / "out", options={"depth": 3})
    with pytest.raises(SpecError, match=r"needs no_such_package, .*: pip install 'primesvt\[own\]'"):
        export(request)
    monkeypatch.setattr(exporting, "find_spec", lambda _name: True)
    assert export(request).check.compared == "model.safetensors 3"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["export.json", "model.txt"]
    with pytest.raises(SpecError, match="exists; give another folder"):
        export(request)


def test_nothing_is_left_where_the_check_fails(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_export: Export, _out: Path) -> Check:
        raise ExportError("another model")

    failing = Exporter(write=write, verify=fails, is_folder=True)
    monkeypatch.setattr(exporting, "EXPORTERS", type("Own", (), {"load": lambda _key: failing}))
    with pytest.raises(ExportError):
        export(ExportRequest(model=model, target="own", out=tmp_path / "out"))
    assert [*tmp_path.iterdir()] == [model]


def test_images_of_a_data_set_are_those_of_the_split(model: Path, tmp_path: Path) -> None:
    data = tiny_data.data_file(tmp_path, 60)
    request = ExportRequest(
        model=model, target="official", out=tmp_path / "out.pth", data=CheckData(source=data, split="all", most=50)
    )
    report = export(request)
    check = report.check.model_dump()
    assert (check["images"], check["source"], check["data"]) == (50, "data", "tiny.npz")
    assert check["accuracy"] == check["model_accuracy"] == evaluated(model, data, 50)
    assert report.classes == ("0", "1", "2")


def evaluated(model: Path, data: Path, images: int) -> float:
    """Of the first images, by hand."""
    content = np.load(data)
    x = torch.from_numpy(content["images"][:images].astype(np.float32) / 255).unsqueeze(1)
    with torch.inference_mode():
        said = load(model)(x).argmax(1).numpy()
    return float((said == content["labels"][:images]).mean())


def test_frames_are_not_pictures(model: Path, tmp_path: Path) -> None:
    data = CheckData(source=tiny_data.data_file(tmp_path, 60))
    with pytest.raises(SpecError, match="holds images; leave out --frames"):
        export(ExportRequest(model=model, target="official", out=tmp_path / "o.pth", data=data, has_frames=True))
    report = export(ExportRequest(model=model, target="official", out=tmp_path / "o.pth", has_frames=True))
    assert report.input == "frames"
