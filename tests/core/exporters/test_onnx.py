"""What can be chosen of ONNX files, what they say of themselves, and which are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from primesvt_core.checkpoints import read
from primesvt_core.checkpoints.precisions import PRECISIONS
from primesvt_core.errors import ExportError
from primesvt_core.exporters._comparing import LogitsCheck
from primesvt_core.exporters._onnx_graph import as_bytes, preprocessed
from primesvt_core.exporters._onnx_session import metadata_of, running, session
from primesvt_core.exporters._reporting import ExportReport
from primesvt_core.exporters.onnx import Options
from primesvt_core.exporting import CheckData, ExportRequest, export
from primesvt_core.families.spikformer import BlockConfig, Config
from primesvt_core.intake.inspect import inspect
from primesvt_core.intake.loading import build, load
from primesvt_core.testing.models import random_model, tiny
from tests.support import tiny as tiny_data
from tests.support.embedded import EXAMPLES
from tests.support.exports import exported, saved
from tests.support.references import references
from tests.support.shared import needs_shared

CHECKPOINT, DATA = EXAMPLES / "spikformer-digits.pth.tar", EXAMPLES / "digits.npz"
GRAPH_BYTES = 100_000
FRAMES = Config(
    variant="dvs", num_classes=3, in_channels=2, time_steps=2, image_size=32, stem=(4, 4, 8), embed_dim=16,
    blocks=(BlockConfig(qk_dim=16, v_dim=16, mlp_dim=32),), num_heads=2, attention_scale=0.25, unused_positions=4,
)  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ExportReport]:
    """The example's model, checked on a hundred of its own images."""
    out = tmp_path_factory.mktemp("digits") / "digits.onnx"
    request = ExportRequest(model=CHECKPOINT, target="onnx", out=out, data=CheckData(source=DATA, most=100))
    return out, export(request)


@pytest.mark.thorough
def test_the_example_is_right_on_real_images_and_not_larger_than_its_weights(
    digits: tuple[Path, ExportReport],
) -> None:
    out, report = digits
    check = report.check
    assert isinstance(check, LogitsCheck)
    assert (check.images, check.source, check.otherwise) == (100, "data", 0)
    assert check.accuracy == check.model_accuracy > 0.95  # type: ignore[operator]
    assert check.different <= 5
    assert out.stat().st_size <= 1.15 * report.model.parameter_bytes + GRAPH_BYTES
    assert report.classes == tuple("0123456789")


@pytest.mark.thorough
def test_it_says_what_a_reader_must_know(digits: tuple[Path, ExportReport]) -> None:
    opened = session(digits[0])
    (taken,), (given,) = opened.get_inputs(), opened.get_outputs()
    assert (taken.name, taken.shape, taken.type) == ("images", ["batch", 1, 16, 16], "tensor(float)")
    assert (given.name, given.shape[1]) == ("logits", 10)
    said = metadata_of(opened)
    assert json.loads(said["classes"]) == [*"0123456789"]
    assert json.loads(said["preprocessing"]) == {"resize": 16, "crop": 16, "interpolation": "bilinear"}
    assert json.loads(said["primesvt"])["config"] == inspect(CHECKPOINT).config.model_dump(mode="json")
    assert (said["source_sha256"], said["input"]) == (read(CHECKPOINT).sha256, "images")
    content = digits[0].read_bytes()
    assert b"/primesvt" not in content  # no folder of this machine
    assert b".py" not in content


def test_weights_are_int8_that_the_graph_reads(tmp_path: Path) -> None:
    """A quarter of the size, and the logits of the model with rounded weights."""
    check = exported("onnx", tiny(), tmp_path / "int8.onnx", options=Options(weights="int8"))
    assert isinstance(check, LogitsCheck)
    assert check.max_difference <= 1e-4
    assert check.compared.endswith("its weights rounded to int8")
    int8 = PRECISIONS["int8"]
    rounded = {
        name: torch.from_numpy(int8.decode(int8.encode(tensor.numpy()))) if tensor.dim() > 1 else tensor
        for name, tensor in tiny().state.items()
    }
    model = build(tiny().family, tiny().config, rounded)
    with torch.inference_mode():
        wanted: NDArray[np.float32] = model(tiny().input).numpy()
    found = running(session(tmp_path / "int8.onnx"))(tiny().input.numpy())
    assert np.abs(found - wanted).max() <= 1e-4
    import onnx

    graph = onnx.load(str(tmp_path / "int8.onnx")).graph
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    assert sum(kind == onnx.TensorProto.INT8 for kind in kinds.values()) == sum(
        tensor.dim() > 1 for name, tensor in tiny().state.items() if name.endswith("weight")
    )
    floats = [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.FLOAT]
    assert [tensor.name for tensor in floats if len(tensor.dims) > 1] == []


@pytest.mark.thorough
def test_pixels_are_normalised_in_the_graph(tmp_path: Path) -> None:
    config = tiny().config.model_copy(update={"in_channels": 3})
    model = random_model("spikformer", Config.model_validate(config.model_dump()), seed=2)
    source = saved(model, tmp_path / "model.safetensors")
    own = inspect(source).preprocessing
    assert own.mean is not None
    request = ExportRequest(model=source, target="onnx", out=tmp_path / "bytes.onnx", options={"preprocessing": True})
    check = export(request).check
    assert isinstance(check, LogitsCheck)
    assert check.max_difference <= 1e-4
    opened = session(tmp_path / "bytes.onnx")
    assert opened.get_inputs()[0].type == "tensor(uint8)"
    assert "mean" not in json.loads(metadata_of(opened)["preprocessing"])
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    x = np.stack([own.model_copy(update={"resize": None, "crop": None}).apply(image) for image in pixels])
    with torch.inference_mode():
        wanted: NDArray[np.float32] = load(source)(torch.from_numpy(x)).numpy()
    assert np.abs(running(opened)(pixels.transpose(0, 3, 1, 2).copy()) - wanted).max() <= 1e-4


def test_bytes_and_back() -> None:
    own = inspect(CHECKPOINT).preprocessing.model_copy(update={"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.25)})
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 8)).astype(np.uint8)
    x = preprocessed(pixels, own)
    assert np.array_equal(as_bytes(x, own), pixels)
    apart = own.model_copy(update={"resize": None, "crop": None})
    assert np.array_equal(x[0], apart.apply(pixels[0].transpose(1, 2, 0)))


@pytest.mark.thorough
def test_frames_of_events(tmp_path: Path) -> None:
    source = saved(random_model("spikformer", FRAMES, seed=1), tmp_path / "model.safetensors", 0.5)
    report = export(ExportRequest(model=source, target="onnx", out=tmp_path / "frames.onnx"))
    assert report.input == "frames"
    assert session(tmp_path / "frames.onnx").get_inputs()[0].shape == ["batch", 2, 2, 32, 32]
    inside = ExportRequest(model=source, target="onnx", out=tmp_path / "b.onnx", options={"preprocessing": True})
    with pytest.raises(ExportError, match="frames of events are not preprocessed"):
        export(inside)


@needs_shared
def test_a_model_whose_images_are_not_independent_is_refused(tmp_path: Path) -> None:
    golden = next(one for one in references("qkformer") if "cifar" in one.name).load()
    leaking = replace(golden, config=golden.config.model_copy(update={"compat_batch_leak": True}))
    source = saved(leaking, tmp_path / "model.safetensors")
    with pytest.raises(ExportError, match="compat_batch_leak"):
        export(ExportRequest(model=source, target="onnx", out=tmp_path / "model.onnx"))
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.thorough
def test_another_graph_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is offered was compared: with the weights of another model nothing is."""
    from primesvt_core.exporters import onnx as exporter

    true = exporter._network

    def other(*given: object) -> object:
        network = true(*given)  # type: ignore[arg-type]
        with torch.no_grad():
            network.head.weight.add_(0.1)  # type: ignore[union-attr,operator]
        return network

    source = tiny_data.data_file(tmp_path)
    model = saved(tiny(), tmp_path / "model.safetensors")
    monkeypatch.setattr(exporter, "_traced", lambda e, n, d, traced=exporter._traced: traced(e, other(e, None), d))
    request = ExportRequest(model=model, target="onnx", out=tmp_path / "m.onnx", data=CheckData(source=source, most=9))
    with pytest.raises(ExportError, match="in double precision by"):
        export(request)
    assert [path.name for path in tmp_path.glob("*.onnx*")] == []
